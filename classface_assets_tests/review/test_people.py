"""What is said of people in the browser: merged, hidden, known, confirmed, taken back."""

import re
from datetime import date

from playwright.sync_api import Browser, expect

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World
from classface_assets_tests.support.windows import ReviewWindow, recognised, window


def test_people_are_merged_renamed_and_hidden_and_each_is_undone_in_the_history(desk: ReviewWindow) -> None:
    (ana, _), (ben, _) = desk.label("Ana"), desk.label("Anna")
    page = desk.open(f"/people/{ben}")
    page.get_by_label("Is the same person as").fill("Ana")
    page.get_by_role("button", name="Merge").click()
    desk.toast("Anna merged into Ana")
    expect(page).to_have_url(re.compile(ana))
    page.get_by_label("Name", exact=True).first.fill("Ana Maria")
    page.get_by_role("button", name="Rename").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana Maria")
    page.get_by_role("button", name="Hide").click()
    desk.toast("Ana Maria hidden")
    assert desk.said.persons[ana].status == "hidden"
    desk.open(f"/history?person={ben}")
    page.get_by_role("button", name=re.compile("^Undo: Anna merged")).click()
    desk.toast("Undone:")
    assert desk.said.persons[ben].status == "active"


def test_which_of_two_students_of_a_name_a_person_is_is_said_on_their_page(desk: ReviewWindow) -> None:
    (ana, _) = desk.label("Ana", most=2)
    desk.ledger.import_roster([RosterEntry("Ana", "7", {"2019-2020": "5c"}), RosterEntry("Ana", "8")], "list.csv")
    page = desk.open(f"/people/{ana}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana (not linked)")
    page.get_by_label("Is the student").select_option("Ana (8)")
    page.locator("form", has=page.get_by_label("Is the student")).get_by_role("button").click()
    desk.toast("Ana is the student 8 of the roster")
    expect(page.get_by_role("heading", level=1)).to_have_text("Ana (8)")
    assert desk.said.persons[ana].student_id == "8"


def test_what_is_known_of_a_person_is_said_on_their_page_and_taken_back(desk: ReviewWindow) -> None:
    (ana, _), (ben, _) = desk.label("Ana", most=2), desk.label("Ben", most=2)
    page = desk.open(f"/people/{ana}")
    page.get_by_label("Born on", exact=True).fill("2009-05-31")
    page.get_by_label("Born on", exact=True).press("Enter")
    desk.toast("Ana was born on 2009-05-31")
    expect(page.get_by_label("Born on", exact=True)).to_have_value("2009-05-31")
    consent = page.get_by_role("group", name="Consent")
    consent.get_by_role("button", name="Withdrawn").click()
    desk.toast("Consent withdrawn for Ana")
    expect(consent.get_by_role("button", name="Withdrawn", pressed=True)).to_be_visible()
    consent.get_by_role("button", name="Given").click()
    desk.toast("Consent given for Ana")
    expect(consent.get_by_role("button", name="Withdrawn", pressed=False)).to_be_visible()
    page.get_by_label("Is a", exact=True).select_option("staff")
    page.locator("form", has=page.get_by_label("Is a", exact=True)).get_by_role("button").click()
    desk.toast("Ana is staff")
    page.get_by_label("Is a sibling of").fill("ben")
    page.get_by_role("button", name="Declare").click()
    desk.toast("Ana and Ben are siblings")
    expect(page.locator(".lead").get_by_role("link", name="Ben")).to_have_attribute("href", f"/people/{ben}")
    said = desk.said.persons[ana]
    assert (said.birth_date, said.consent, said.kind) == (date(2009, 5, 31), True, "staff")
    page.get_by_label("Born on", exact=True).fill("")
    page.get_by_label("Born on", exact=True).press("Enter")
    desk.toast("Ana was born nobody knows when")
    for told in ("Ana and Ben are siblings", "Ana is staff", "Consent given for Ana", "Consent withdrawn for Ana"):
        page.get_by_role("button", name=f"Undo: {told}").click()
        desk.toast(re.compile(f"Undone: {told}", re.IGNORECASE))
    said = desk.said.persons[ana]
    assert (said.birth_date, said.consent, said.kind) == (None, None, "student") and desk.said.siblings == {}


def test_a_day_that_is_none_is_told_and_nothing_is_said(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        desk = window(context.new_page(), served, world)
        person, _ = desk.label("Ana", most=2)
        page = desk.open(f"/people/{person}")
        page.get_by_label("Born on", exact=True).evaluate("box => box.type = 'text'")
        for day, why in (("31.5.2009", "write it as 2009-05-31"), ("1066-10-14", "check the year")):
            page.get_by_label("Born on", exact=True).fill(day)
            page.get_by_label("Born on", exact=True).press("Enter")
            expect(page.locator("main")).to_contain_text(why)
            page.go_back()
            page.get_by_label("Born on", exact=True).evaluate("box => box.type = 'text'")
        assert desk.said.persons[person].birth_date is None


def test_who_was_hidden_is_shown_again(desk: ReviewWindow) -> None:
    person, _ = desk.label("Ana", most=2)
    page = desk.open(f"/people/{person}")
    page.get_by_role("button", name="Hide").click()
    desk.toast("Ana hidden")
    desk.open("/people?show=hidden")
    page.get_by_role("link", name="Ana").click()
    page.get_by_role("button", name="Show again").click()
    desk.toast("Ana shown again")
    assert desk.said.persons[person].status == "active"
    desk.open("/people")
    expect(page.get_by_role("link", name="Ana")).to_be_visible()


def test_one_click_is_one_act_to_undo_wherever_it_is_undone(desk: ReviewWindow) -> None:
    page = desk.open("/")

    def name_all_but_one() -> None:
        desk.open("/")
        page.locator(".card.active input[name=face]").first.check(force=True)
        page.keyboard.press("Enter")
        page.keyboard.type("Ana")
        page.keyboard.press("Enter")
        desk.toast("are Ana")

    def by_key() -> None:
        page.keyboard.press("Escape")
        page.keyboard.press("Control+z")

    def in_the_history() -> None:
        desk.open("/history")
        page.get_by_role("button", name=re.compile(r"^Undo: \d+ faces are Ana")).first.click()

    def in_their_own() -> None:
        ana = desk.said.find_person("Ana")
        assert ana is not None
        desk.open(f"/people/{ana.id}")
        page.locator(".lines").get_by_role("button", name=re.compile(r"^Undo: \d+ faces are Ana")).click()

    for undo in (by_key, in_the_history, in_their_own):
        name_all_but_one()
        clicked = [event.id for event in desk.ledger.events()][-3:]
        undo()
        desk.toast("Undone:")
        undoing = [event for event in desk.ledger.events() if event.id > clicked[-1]]
        assert [event.payload["event_id"] for event in undoing] == clicked[::-1]
        assert desk.said.persons == desk.said.labels == desk.said.rejected == {}
        desk.wrong.clear()  # the console notes the 404 of a person who is no more


def test_recognised_faces_are_confirmed_and_rejected_by_keys(desk: ReviewWindow) -> None:
    person, ids = recognised(desk, "Ana")
    page = desk.open("/confirm?by=face")
    expect(page.locator(".lead")).to_contain_text(f"{len(ids)} faces were recognised")
    first = page.locator(".card.active input[name=asked]").get_attribute("value")
    page.keyboard.press("y")
    expect(desk.cards()).to_have_count(len(ids) - 1)
    second = page.locator(".card.active input[name=asked]").get_attribute("value")
    page.keyboard.press("n")
    expect(desk.cards()).to_have_count(len(ids) - 2)
    said = desk.said
    assert said.labels[first or ""].person_id == person
    assert (second, person) in said.rejected
    expect(page.locator("[data-count=confirm]")).to_have_text(str(len(ids) - 2))


def test_a_year_is_confirmed_at_once_but_for_what_is_crossed_out(desk: ReviewWindow) -> None:
    person, _ = recognised(desk, "Ana")
    page = desk.open("/confirm")
    asked = page.locator(".card.active input[name=face]").count()
    page.locator(".card.active input[name=face]").first.check(force=True)
    wrong = page.locator(".card.active input[name=face]").first.get_attribute("value")
    cards = desk.cards().count()
    page.keyboard.press("y")
    desk.toast("Ana, confirmed" if asked > 1 else "is not Ana")
    if cards > 1:
        expect(desk.cards()).to_have_count(cards - 1)
    assert (wrong, person) in desk.said.rejected
    assert len(desk.said.labels) == 2 + asked - 1


def test_a_persons_page_shows_them_growing_up_and_takes_names_off(desk: ReviewWindow) -> None:
    person, ids = recognised(desk, "Ana")
    page = desk.open(f"/people/{person}")
    expect(page.locator(".tile.sure")).to_have_count(2)
    expect(page.locator(".tile.guess")).to_have_count(len(ids))
    expect(page.locator(".tile .star").first).to_be_visible()
    page.locator(".tile.sure input").first.check(force=True)
    page.get_by_role("button", name="Take the name off").click()
    desk.toast("The name removed from 1 face")
    assert len(desk.said.labels) == 1
