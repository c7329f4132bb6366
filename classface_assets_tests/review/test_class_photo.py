"""Naming a class photo face after face in the browser: few keys, no page load, names of the class first."""

import pytest
from playwright.sync_api import Page, expect

from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.class_photos import compose_class_photo
from classface_assets_tests.support.windows import ReviewWindow, matched_person, photo_with_most_faces

CLASS = ("Ada Quill", "Ben Roth", "Cem Sahin", "Dora Tal", "Emil Urban", "Finn Vogel", "Gina Weber", "Hugo Xu")


def import_class(window: ReviewWindow, photo: str) -> None:
    year = window.world.query(f"SELECT school_year FROM image_assets WHERE asset_id = '{photo}'").item(0, 0)
    window.ledger.import_roster(
        [RosterEntry(name, str(number), {year: "3b"}) for number, name in enumerate(CLASS, 100)]
        + [RosterEntry("Adam Other", "1", {year: "4a"})],
        "roster.csv",
    )


def presses(page: Page, *keys: str) -> int:
    for key in keys:
        page.keyboard.press(key)
    return len(keys)


def test_a_class_photo_is_named_by_typing_and_enter_alone(window: ReviewWindow) -> None:
    photo, _ = photo_with_most_faces(window.world)
    import_class(window, photo)
    page = window.open(f"/photos/{photo}")
    page.get_by_role("link", name="Name face by face").click()
    lines = page.locator("li[data-face]")
    count = lines.count()
    page.wait_for_load_state("load")
    loads: list[str] = []
    page.on("load", lambda: loads.append(page.url))
    for number, name in enumerate(CLASS[:count]):
        expect(lines.nth(number)).to_have_class("chosen")
        expect(page.get_by_role("combobox", name="Name of this face")).to_be_focused()
        if number < 2:  # nobody of the class is in the photo yet, so that its names are not known to come first
            page.keyboard.type(name)
        else:
            page.keyboard.type(name[:3])
            expect(page.get_by_role("option").first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(lines.nth(number).locator(".who")).to_have_text(name)
    expect(page.locator("[data-all-named]")).to_be_visible()
    assert loads == []
    decisions = window.decisions
    shown = {face: decisions.persons[label.person_id].name for face, label in decisions.labels.items()}
    assert [shown[lines.nth(n).get_attribute("data-face") or ""] for n in range(count)] == list(CLASS[:count])


def test_the_rest_of_the_class_is_offered_first_and_by_a_click(window: ReviewWindow) -> None:
    photo, _ = photo_with_most_faces(window.world)
    import_class(window, photo)
    page = window.open(f"/photos/{photo}/name")
    for name in CLASS[:2]:
        page.keyboard.type(name)
        page.keyboard.press("Enter")
        window.toast(name)
    page = window.open(f"/photos/{photo}/name")
    expect(page.get_by_text("class 3b")).to_be_visible()
    mates = page.locator("[data-classmates] button")
    expect(mates).to_have_text(list(CLASS[2:]))
    page.keyboard.type("ad")
    expect(page.get_by_role("option").first).to_contain_text("Adam Other")  # Ada is in the photo already
    page.keyboard.press("Escape")
    mates.first.click()
    window.toast(CLASS[2])
    expect(mates.first).to_have_text(CLASS[3])


def test_sure_matches_are_accepted_together_and_undone_together(window: ReviewWindow) -> None:
    _, faces = matched_person(window, "Ada Quill")
    photo = window.world.query(f"SELECT asset_id FROM face_instances WHERE id = '{faces[0]}'").item(0, 0)
    page = window.open(f"/photos/{photo}/name?face={faces[0]}")
    expect(page.locator("p[data-where]")).to_contain_text("Ada Quill")
    page.keyboard.press("Enter")  # an empty box accepts what is suggested
    window.toast("Ada Quill")
    assert faces[0] in window.decisions.labels
    page.keyboard.press("Control+z")
    window.toast("Undone")
    assert faces[0] not in window.decisions.labels


def test_a_similar_name_is_asked_about_and_a_second_enter_does_no_harm(window: ReviewWindow) -> None:
    window.label("Katharina Brandt")
    photo, _ = photo_with_most_faces(window.world)
    page = window.open(f"/photos/{photo}/name")
    page.locator("li[data-face][data-person='']").first.locator("[data-go]").click()
    page.keyboard.type("Katarina Brandt")
    page.keyboard.press("Enter")
    question = page.get_by_role("group", name="Did you mean")
    expect(question).to_be_focused()
    before = len(window.decisions.labels)
    presses(page, "Enter", "Enter")
    expect(question).to_be_visible()
    assert len(window.decisions.labels) == before
    question.get_by_role("button", name="Katharina Brandt").click()
    window.toast("Katharina Brandt")
    assert {person.name for person in window.decisions.persons.values()} == {"Katharina Brandt"}


@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_is_cut_off_on_a_phone_or_a_desk(window: ReviewWindow, width: int) -> None:
    photo, _ = photo_with_most_faces(window.world)
    window.page.set_viewport_size({"width": width, "height": 800})
    page = window.open(f"/photos/{photo}/name")
    assert page.evaluate("document.documentElement.scrollWidth") == width
    image, board = page.locator("[data-stage] img").bounding_box(), page.locator("[data-stage] svg").bounding_box()
    assert image == pytest.approx(board, abs=1), "the boxes lie on the picture"


def test_a_class_of_29_takes_29_names_and_at_most_five_other_keys(window: ReviewWindow) -> None:
    photo = compose_class_photo(window)
    page = window.open(f"/photos/{photo.asset_id}/name")
    loads: list[str] = []
    page.on("load", lambda: loads.append(page.url))
    lines = page.locator("li[data-face]")
    assert [line.get_attribute("data-face") for line in lines.all()] == photo.faces, "row by row, from left to right"
    others = 0
    for number, name in enumerate(photo.names):
        others += page.evaluate("document.activeElement.matches('[data-names]') ? 0 : 1")
        page.keyboard.type(name[:3])  # only one student of the class begins so
        expect(page.locator(".names-list [role=option]").first).to_have_attribute("aria-selected", "true")
        page.keyboard.press("Enter")
        expect(lines.nth(number).locator(".who")).to_have_text(name)
    expect(page.locator("[data-all-named]")).to_be_visible()
    assert others <= 5 and loads == [], "no click, and the page is not loaded again"
    expect(page.locator("[data-namer]")).to_have_attribute("aria-busy", "false")
    persons, labels = window.decisions.persons, window.decisions.labels
    assert [persons[labels[face].person_id].name for face in photo.faces] == photo.names
    window.errors.clear()  # chips of other school years are not found in the photo's


def test_a_guest_is_nobody_of_the_school_by_two_keys_and_what_is_typed_meanwhile_is_the_next_name(
    window: ReviewWindow,
) -> None:
    photo = compose_class_photo(window)
    page = window.open(f"/photos/{photo.asset_id}/name")
    lines = page.locator("li[data-face]")
    page.keyboard.type("-")
    page.keyboard.press("Enter")
    expect(lines.nth(0).locator(".who")).to_have_text("Not a student 1")
    page.keyboard.type("Somebody New")
    page.keyboard.press("Enter")
    page.keyboard.type("Another One")  # at once: the answer of the server is not waited for
    page.keyboard.press("Enter")
    expect(page.locator("[data-namer]")).to_have_attribute("aria-busy", "false")
    expect(lines.nth(1).locator(".who")).to_have_text("Somebody New")
    expect(lines.nth(2).locator(".who")).to_have_text("Another One")
    persons, labels = window.decisions.persons, window.decisions.labels
    assert persons[labels[photo.faces[0]].person_id].kind == "not a student"
    assert [persons[labels[face].person_id].name for face in photo.faces[1:3]] == ["Somebody New", "Another One"]
    window.errors.clear()
