"""One person's page in the browser: cover, class and id, filters, renaming to a taken name, and erasure."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.conftest import World
from classface_assets_tests.support.accessibility import axe_violations
from classface_assets_tests.support.windows import ReviewWindow, matched_person, open_window, photo_with_most_faces


def select_face(page: Page, face_id: str) -> None:
    page.locator(f"input[name=face][value='{face_id}']").check(force=True)


def test_a_cover_is_chosen_shown_in_the_list_and_undone(window: ReviewWindow) -> None:
    person, faces = window.label("Ana")
    page = window.open(f"/people/{person}")
    first = page.locator(".is-cover").locator("xpath=ancestor::label/input").get_attribute("value")
    other = next(face for face in faces if face != first)
    assert not page.get_by_role("button", name="Use as cover").is_visible()
    select_face(page, other)
    page.get_by_role("button", name="Use as cover").click()
    window.toast("Ana has a chosen cover picture")
    chip = re.compile(other)
    expect(page.locator(".profile > img")).to_have_attribute("src", chip)
    window.open("/people")
    expect(page.locator(f"a[href='/people/{person}'] img")).to_have_attribute("src", chip)
    page.keyboard.press("Control+z")
    window.toast("Undone")
    expect(page.locator(f"a[href='/people/{person}'] img")).to_have_attribute("src", re.compile(first or "no cover"))


def test_only_one_face_and_only_theirs_can_be_the_cover(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        window = open_window(context.new_page(), served, world)
        ana, _ = window.label("Ana")
        page = window.open(f"/people/{ana}")
        page.get_by_role("button", name="Use as cover").click()
        expect(page.locator("main")).to_contain_text("Select exactly one face as the cover.")
        page.go_back()
        page.locator("input[name=face]").first.check(force=True)
        window.ledger.remove_labels(window.face_refs(page.locator("input[name=face]").first.input_value()))
        page.get_by_role("button", name="Use as cover").click()
        expect(page.locator("main")).to_contain_text("not that person any more")
        assert window.decisions.covers == {}


def test_people_are_found_by_name_class_and_student_id_and_their_page_shows_both(window: ReviewWindow) -> None:
    ana, _ = window.label("Ana Quill", most=2)
    window.label("Ben Roth", most=2)
    window.ledger.import_roster(
        [RosterEntry("Ana Quill", "01042", {"2018-2019": "2b", "2019-2020": "3b"}), RosterEntry("Ben Roth", "77")],
        "list.csv",
    )
    page = window.open(f"/people/{ana}")
    expect(page.locator(".profile .known")).to_have_text("Class 3b in 2019-2020 · student no. 01042")
    for query, found in (("3b", ["Ana Quill"]), ("class 2B", ["Ana Quill"]), ("1042", ["Ana Quill"]),
                         ("no. 77", ["Ben Roth"]), ("roth", ["Ben Roth"]), ("7b", [])):  # fmt: skip
        page = window.open("/people")
        page.get_by_role("searchbox", name="Search by name, class or student id").fill(query)
        page.keyboard.press("Enter")
        expect(page.locator(".lead").first).to_contain_text(query)
        assert page.locator(".person .name").all_inner_texts() == found, query
    expect(window.open("/people").locator(f"a[href='/people/{ana}'] .known")).to_have_text("3b · no. 01042")


def test_a_name_box_completes_by_student_id_and_shows_the_class(window: ReviewWindow) -> None:
    window.label("Ana Quill", most=2)
    window.ledger.import_roster(
        [RosterEntry("Ana Quill", "1042", {"2019-2020": "3b"}), RosterEntry("Cem Öz", "1043", {"2019-2020": "4a"})],
        "list.csv",
    )
    page = window.open("/")
    page.get_by_label("Name of this person").first.click()
    page.keyboard.type("104")
    options = page.locator(".names-list [role=option]")
    expect(options).to_have_count(2)
    expect(options.nth(0)).to_have_text(re.compile("Ana Quill.*3b · no. 1042"))
    expect(options.nth(1)).to_have_text(re.compile("Cem Öz.*4a · no. 1043"))


def test_faces_and_photos_are_filtered_by_year_event_and_certainty(window: ReviewWindow) -> None:
    person, matched = matched_person(window, "Ana")
    rows = window.world.query(
        "SELECT f.id, a.school_year, regexp_extract(a.path, '^[^/]+/(.+)/[^/]+$', 1) AS event, f.asset_id "
        f"FROM face_instances f JOIN image_assets a USING (asset_id) WHERE f.person_id = '{person}'"
    )
    page = window.open(f"/people/{person}")
    page.get_by_label("Certainty").select_option("Automatic matches")
    expect(page).to_have_url(re.compile("show=automatic"))
    expect(page.locator(".tile")).to_have_count(len(matched))
    page.get_by_role("link", name="Show everything").click()
    expect(page.locator(".tile")).to_have_count(len(matched) + 2)
    year = rows["school_year"][0]
    page.get_by_label("School year").select_option(year)
    expect(page).to_have_url(re.compile(f"year={year}"))
    expect(page.locator(".timeline .card")).to_have_count(1)
    page.get_by_role("link", name="Whole photos").click()
    expected = rows.filter(school_year=year)["asset_id"].n_unique()
    assert page.locator(".photos img").count() >= expected > 0
    assert year in page.url, "the filter stays"
    page.get_by_label("Certainty").select_option("Confirmed")
    page.get_by_label("School year").select_option("All")
    expect(page.locator(".photos a").first).to_have_attribute("href", re.compile(r"/photos/.+\?face="))


def test_renaming_to_a_taken_name_offers_the_merge_and_enter_does_no_harm(window: ReviewWindow) -> None:
    (ana, _), (ben, faces) = window.label("Ana"), window.label("Anna Maria", most=3)
    page = window.open(f"/people/{ben}")
    page.get_by_label("Name", exact=True).first.fill("ana")
    page.keyboard.press("Enter")
    question = page.get_by_role("group", name="Is this the same person?")
    expect(question).to_be_focused()
    expect(question).to_contain_text("There is already a person called Ana")
    page.keyboard.press("Enter")
    page.keyboard.press("Enter")
    expect(question).to_be_focused()
    assert window.decisions.persons[ben].status == "active"
    page.keyboard.press("Escape")
    expect(page.get_by_label("Name", exact=True).first).to_be_focused()
    page.keyboard.press("Enter")
    question.get_by_role("button", name="No, choose another name").click()
    expect(page.get_by_label("Name", exact=True).first).to_be_focused()
    page.keyboard.press("Enter")
    question.get_by_role("button", name="Yes, merge the two").click()
    expect(page).to_have_url(re.compile(ana))
    window.toast("Anna Maria merged into Ana")
    assert window.decisions.labels[faces[0]].person_id == ana


def test_renaming_without_scripts_offers_the_merge_too(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        window = open_window(context.new_page(), served, world)
        (ana, _), (ben, _) = window.label("Ana", most=2), window.label("Ben", most=2)
        page = window.open(f"/people/{ben}")
        page.get_by_label("Name", exact=True).first.fill("Ana")
        page.get_by_role("button", name="Rename").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("Is this the same person?")
        page.get_by_role("button", name="Yes, merge the two").click()
        expect(page).to_have_url(re.compile(ana))
        assert window.decisions.canonical_id(ben) == ana


def test_somebody_is_forgotten_only_when_their_name_is_typed_and_the_receipt_is_shown(window: ReviewWindow) -> None:
    person, faces = window.label("Ana Quill")
    page = window.open(f"/people/{person}")
    page.get_by_text("Erase this person for good…").click()
    button, box = page.get_by_role("button", name="Erase for good"), page.get_by_label("To confirm, type the name")
    expect(button).to_be_disabled()
    box.fill("Ana")
    expect(button).to_be_disabled()
    box.fill("ana quill")
    button.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Erased", timeout=60_000)
    receipt = page.get_by_label("The receipt as text").inner_text()
    assert receipt.startswith(f"Erased: {person}") and "Ana" not in receipt
    assert re.search(rf"{len(faces)}  faces that will never be detected", receipt)
    assert window.decisions.persons[person].erased and "Ana" not in str(window.ledger.events())
    gone = page.request.get(f"{window.url}/people/{person}")
    assert gone.status == 404


def test_a_wrong_name_erases_nobody(world: World, served: str, browser: Browser) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        window = open_window(context.new_page(), served, world)
        person, _ = window.label("Ana Quill", most=2)
        page = window.open(f"/people/{person}")
        page.get_by_text("Erase this person for good…").click()
        page.get_by_label("To confirm, type the name").fill("Ben")
        page.get_by_role("button", name="Erase for good").click()
        expect(page.locator("main")).to_contain_text("Nothing was erased: type the name Ana Quill")
        assert not window.decisions.persons[person].erased


def test_the_pages_of_people_and_faces_break_no_rule_of_accessibility(window: ReviewWindow) -> None:
    person, _ = matched_person(window, "Ana Quill")
    window.label("Anna Quilt", most=2)
    window.ledger.import_roster([RosterEntry("Ana Quill", "1042", {"2019-2020": "3b"})], "list.csv")
    photo, face = photo_with_most_faces(window.world)
    cluster = window.world.query(f"SELECT cluster_id FROM face_instances WHERE id = '{face}'").item(0, 0)
    found: list[str] = []
    for address in (
        *("/", "/people", "/people?q=nobody", f"/people/{person}", f"/people/{person}?as=photos&show=confirmed"),
        *(f"/photos/{photo}/name", f"/photos/{photo}?face={face}", "/confirm", "/confirm?by=face"),
        f"/clusters/{cluster}",
    ):
        page = window.open(address)
        for summary in page.locator("details.fold:not([open]) > summary").all():
            summary.click()
        found += [f"{address} {line}" for line in axe_violations(page)]
    page = window.open(f"/people/{person}")
    page.locator("input[name=face]").first.check(force=True)
    page.get_by_label("Name", exact=True).first.fill("Anna Quilt")
    page.keyboard.press("Enter")
    expect(page.get_by_role("group", name="Is this the same person?")).to_be_visible()
    found += [f"the question {line}" for line in axe_violations(page)]
    assert found == []


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_of_the_page_is_cut_off(window: ReviewWindow, width: int) -> None:
    person, _ = matched_person(window, "Maximiliana Theodora von und zu Hohenlohe-Langenburg-Weikersheim")
    window.page.set_viewport_size({"width": width, "height": 800})
    for address in (f"/people/{person}", f"/people/{person}?as=photos", "/people"):
        page = window.open(address)
        assert page.evaluate("document.documentElement.scrollWidth") == width, address
