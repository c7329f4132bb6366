"""Changing people in the browser: merging, hiding, confirming, undoing."""

import re
from datetime import date

from playwright.sync_api import Browser, expect

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World
from classface_assets_tests.support.windows import ReviewWindow, matched_person, open_window


def test_people_are_merged_renamed_and_hidden_and_each_is_undone_in_the_history(window: ReviewWindow) -> None:
    (ana, _), (ben, _) = window.label("Ana"), window.label("Anna")
    page = window.open(f"/people/{ben}")
    page.get_by_label("Is the same person as").fill("Ana")
    page.get_by_role("button", name="Merge").click()
    window.toast("Anna merged into Ana")
    expect(page).to_have_url(re.compile(ana))
    page.get_by_label("Name", exact=True).first.fill("Ana Maria")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana Maria")
    page.get_by_role("button", name="Hide").click()
    window.toast("Ana Maria hidden")
    assert window.decisions.persons[ana].status == "hidden"
    window.open(f"/history?person={ben}")
    page.get_by_role("button", name=re.compile("^Undo: Anna merged")).click()
    window.toast("Undone:")
    assert window.decisions.persons[ben].status == "active"


def test_a_person_is_linked_to_one_of_two_students_of_the_same_name(window: ReviewWindow) -> None:
    (ana, _) = window.label("Ana", most=2)
    window.ledger.import_roster([RosterEntry("Ana", "7", {"2019-2020": "5c"}), RosterEntry("Ana", "8")], "list.csv")
    page = window.open(f"/people/{ana}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana (not linked)")
    page.get_by_label("Student on the roster").select_option("Ana (8)")
    page.locator("form", has=page.get_by_label("Student on the roster")).get_by_role("button").click()
    window.toast("Ana is the student 8 of the roster")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana (8)")
    assert window.decisions.persons[ana].student_id == "8"


def test_the_details_of_a_person_are_set_on_their_page_and_undone(window: ReviewWindow) -> None:
    (ana, _), (ben, _) = window.label("Ana", most=2), window.label("Ben", most=2)
    page = window.open(f"/people/{ana}")
    page.get_by_label("Date of birth", exact=True).fill("2009-05-31")
    page.get_by_label("Date of birth", exact=True).press("Enter")
    window.toast("Ana was born on 2009-05-31")
    expect(page.get_by_label("Date of birth", exact=True)).to_have_value("2009-05-31")
    consent = page.get_by_role("group", name="Consent")
    consent.get_by_role("button", name="Withdrawn").click()
    window.toast("Consent withdrawn for Ana")
    expect(consent.get_by_role("button", name="Withdrawn", pressed=True)).to_be_visible()
    consent.get_by_role("button", name="Given").click()
    window.toast("Consent given for Ana")
    expect(consent.get_by_role("button", name="Withdrawn", pressed=False)).to_be_visible()
    page.get_by_label("Kind of person", exact=True).select_option("staff")
    page.locator("form", has=page.get_by_label("Kind of person", exact=True)).get_by_role("button").click()
    window.toast("Ana is staff")
    page.get_by_label("Is a sibling of").fill("ben")
    page.locator("form", has=page.get_by_label("Is a sibling of")).get_by_role("button").click()
    window.toast("Ana and Ben are siblings")
    expect(page.locator(".lead").get_by_role("link", name="Ben")).to_have_attribute("href", f"/people/{ben}")
    person = window.decisions.persons[ana]
    assert (person.birth_date, person.consent, person.kind) == (date(2009, 5, 31), True, "staff")
    page.get_by_label("Date of birth", exact=True).fill("")
    page.get_by_label("Date of birth", exact=True).press("Enter")
    window.toast("Ana has no date of birth")
    for sentence in ("Ana and Ben are siblings", "Ana is staff", "Consent given for Ana", "Consent withdrawn for Ana"):
        page.get_by_role("button", name=f"Undo: {sentence}").click()
        window.toast(re.compile(f"Undone: {sentence}", re.IGNORECASE))
    person = window.decisions.persons[ana]
    assert (person.birth_date, person.consent, person.kind) == (
        None,
        None,
        "student",
    ) and window.decisions.siblings == {}


def test_an_invalid_date_of_birth_is_an_error_and_changes_nothing(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        window = open_window(context.new_page(), served, world)
        person, _ = window.label("Ana", most=2)
        page = window.open(f"/people/{person}")
        page.get_by_label("Date of birth", exact=True).evaluate("box => box.type = 'text'")
        for day, why in (("31.5.2009", "write it as 2009-05-31"), ("1066-10-14", "check the year")):
            page.get_by_label("Date of birth", exact=True).fill(day)
            page.get_by_label("Date of birth", exact=True).press("Enter")
            expect(page.locator("main")).to_contain_text(why)
            page.go_back()
            page.get_by_label("Date of birth", exact=True).evaluate("box => box.type = 'text'")
        assert window.decisions.persons[person].birth_date is None


def test_a_hidden_person_is_shown_again(window: ReviewWindow) -> None:
    person, _ = window.label("Ana", most=2)
    page = window.open(f"/people/{person}")
    page.get_by_role("button", name="Hide").click()
    window.toast("Ana hidden")
    window.open("/people?show=hidden")
    page.get_by_role("link", name="Ana").click()
    page.get_by_role("button", name="Show again").click()
    window.toast("Ana shown again")
    assert window.decisions.persons[person].status == "active"
    window.open("/people")
    expect(page.get_by_role("link", name="Ana")).to_be_visible()


def test_one_click_is_one_action_to_undo_on_every_page(window: ReviewWindow) -> None:
    page = window.open("/")

    def name_all_but_one() -> None:
        window.open("/")
        page.locator(".card.active input[name=face]").first.check(force=True)
        page.keyboard.press("Enter")
        page.keyboard.type("Ana")
        page.keyboard.press("Enter")
        window.toast("are Ana")

    def by_key() -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("Control+z")

    def in_the_history() -> None:
        window.open("/history")
        page.get_by_role("button", name=re.compile(r"^Undo: \d+ faces are Ana")).first.click()

    def on_their_page() -> None:
        ana = window.decisions.find_person("Ana")
        assert ana is not None
        window.open(f"/people/{ana.id}")
        page.locator(".lines").get_by_role("button", name=re.compile(r"^Undo: \d+ faces are Ana")).click()

    for undo in (by_key, in_the_history, on_their_page):
        name_all_but_one()
        clicked = [event.id for event in window.ledger.events()][-3:]
        undo()
        window.toast("Undone:")
        undoing = [event for event in window.ledger.events() if event.id > clicked[-1]]
        assert [event.payload["event_id"] for event in undoing] == clicked[::-1]
        assert window.decisions.persons == window.decisions.labels == window.decisions.rejected == {}
        window.errors.clear()  # the console notes the 404 of a person who is no more


def test_automatic_matches_are_confirmed_and_rejected_by_keys(window: ReviewWindow) -> None:
    person, ids = matched_person(window, "Ana")
    page = window.open("/confirm?by=face")
    expect(page.locator(".lead")).to_contain_text(f"{len(ids)} faces are automatic matches")
    first = page.locator(".card.active input[name=asked]").get_attribute("value")
    page.keyboard.press("y")
    expect(window.cards()).to_have_count(len(ids) - 1)
    second = page.locator(".card.active input[name=asked]").get_attribute("value")
    page.keyboard.press("n")
    expect(window.cards()).to_have_count(len(ids) - 2)
    decisions = window.decisions
    assert decisions.labels[first or ""].person_id == person
    assert (second, person) in decisions.rejected
    expect(page.locator(".wide [data-count=confirm]")).to_have_text(str(len(ids) - 2))


def test_a_school_year_is_confirmed_at_once_except_for_excluded_faces(window: ReviewWindow) -> None:
    person, _ = matched_person(window, "Ana")
    page = window.open("/confirm")
    count = page.locator(".card.active input[name=face]").count()
    page.locator(".card.active input[name=face]").first.check(force=True)
    wrong = page.locator(".card.active input[name=face]").first.get_attribute("value")
    cards = window.cards().count()
    page.keyboard.press("y")
    window.toast("Ana, confirmed" if count > 1 else "is not Ana")
    if cards > 1:
        expect(window.cards()).to_have_count(cards - 1)
    assert (wrong, person) in window.decisions.rejected
    assert len(window.decisions.labels) == 2 + count - 1


def test_a_persons_page_shows_their_school_years_and_removes_names(window: ReviewWindow) -> None:
    person, ids = matched_person(window, "Ana")
    page = window.open(f"/people/{person}")
    expect(page.locator(".tile.confirmed")).to_have_count(2)
    expect(page.locator(".tile.automatic")).to_have_count(len(ids))
    expect(page.locator(".tile .star").first).to_be_visible()
    page.locator(".tile.confirmed input").first.check(force=True)
    page.get_by_role("button", name="Remove name").click()
    window.toast("Name removed from 1 face")
    assert len(window.decisions.labels) == 1
