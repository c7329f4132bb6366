"""Naming unknown groups in the browser: keys, suggested and similar names, skipping, splitting, merging."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import expect

from classface_assets.devtools.benchmark.review.labelling_effort import measure_effort, share_at
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets_tests.conftest import World
from classface_assets_tests.support.windows import ReviewWindow


def test_groups_are_named_with_the_keyboard_alone(window: ReviewWindow) -> None:
    page = window.open("/")
    groups = window.cards().count()
    page.keyboard.press("Enter")
    expect(page.locator(".card.active [data-names]")).to_be_focused()
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    window.toast(re.compile(r"^\d+ faces are Ana"))
    expect(window.cards()).to_have_count(groups - 1)
    expect(page.locator(".card.active [data-names]")).to_be_focused()
    page.keyboard.type("Ben")
    page.keyboard.press("Enter")
    expect(window.cards()).to_have_count(groups - 2)
    assert {p.name for p in window.decisions.persons.values()} == {"Ana", "Ben"}
    expect(page.locator(".wide [data-count=people]")).to_have_text("2")


def test_an_excluded_face_is_rejected_for_the_person(window: ReviewWindow) -> None:
    page = window.open("/")
    faces = page.locator(".card.active input[name=face]").count()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    taken = page.evaluate("document.activeElement.value")
    page.keyboard.press("x")
    expect(page.locator(".card.active [data-name]")).to_have_text(re.compile(f"Name the (other {faces - 1}|others)"))
    page.keyboard.press("Enter")
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    window.toast("face is not Ana")
    decisions, ana = window.decisions, window.decisions.find_person("Ana")
    assert ana is not None
    assert (taken, ana.id) in decisions.rejected
    assert taken not in decisions.labels
    page.keyboard.press("Escape")
    page.keyboard.press("Control+z")
    window.toast("Undone:")
    assert window.decisions.persons == {}
    assert window.decisions.rejected == {}


def test_undo_is_a_key_on_every_page_and_shows_what_it_undid(window: ReviewWindow) -> None:
    _, faces = window.label("Ana")
    page = window.open("/search")
    page.keyboard.press("Control+z")
    window.toast(f"Undone: {len(faces)} faces are Ana")
    assert window.decisions.labels == {}
    page.get_by_role("button", name="Redo").click()
    window.toast("Done again:")
    assert set(window.decisions.labels) == set(faces)


def test_undo_in_a_box_with_text_undoes_the_text(window: ReviewWindow) -> None:
    window.label("Ana")
    page = window.open("/people")
    page.keyboard.press("/")
    page.keyboard.type("An")
    page.keyboard.press("Control+z")
    assert len(window.ledger.events()) == 2


def test_a_similar_name_raises_a_question(window: ReviewWindow) -> None:
    window.label("Anna Berger")
    page = window.open("/")
    page.keyboard.press("Enter")
    page.keyboard.type("Ana Berger")
    page.keyboard.press("Enter")
    question = page.get_by_role("group", name="Did you mean")
    expect(question).to_be_focused()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    expect(page.locator(".card.active [data-names]")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_focused()
    page.keyboard.press("Enter")  # a second one, pressed too fast, answers nothing
    expect(question).to_be_visible()
    assert len(window.decisions.persons) == 1 and len(window.ledger.events()) == 2
    question.focus()
    page.keyboard.press("Tab")
    expect(question.get_by_role("button").first).to_be_focused()
    page.keyboard.press("Enter")
    window.toast("Anna Berger")
    assert len(window.decisions.persons) == 1
    expect(page.locator(".card.active [data-names]")).to_be_focused()
    expect(page.locator(".card.active [data-names]")).to_have_value("")


def test_names_are_completed_from_known_people(window: ReviewWindow) -> None:
    window.label("Zoë Ångström")
    page = window.open("/")
    page.keyboard.press("Enter")
    page.keyboard.type("ång")
    option = page.get_by_role("option", name="Zoë Ångström")
    expect(option).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    window.toast("Zoë Ångström")
    assert len(window.decisions.persons) == 1


def test_a_suggested_name_is_accepted_by_a_key(window: ReviewWindow) -> None:
    person, faces = window.label("Ana", most=3)
    page = window.open("/")
    suggestion = page.get_by_role("button", name="Yes, this is Ana")
    card = page.locator(".card", has=suggestion).first
    expect(suggestion.first).to_be_visible()
    card.locator("h2").click()
    page.keyboard.press("g")
    window.toast("are Ana")
    assert {mark.person_id for mark in window.decisions.labels.values()} == {person}
    assert len(window.decisions.labels) > len(faces)


def test_skipped_groups_go_to_the_end_and_are_remembered(window: ReviewWindow) -> None:
    page = window.open("/")
    first = window.cards().first.get_attribute("data-cluster")
    page.keyboard.press("s")
    expect(window.cards().last).to_have_attribute("data-cluster", first or "")
    page.reload()
    expect(window.cards().last).to_have_attribute("data-cluster", first or "")
    assert window.ledger.events() == []


def test_non_students_and_non_faces_leave_the_queue(window: ReviewWindow) -> None:
    page = window.open("/")
    groups = window.cards().count()
    page.locator(".card.active summary").click()
    page.locator(".card.active").get_by_role("button", name="Not a student").click()
    expect(window.cards()).to_have_count(groups - 1)
    page.keyboard.press("f")
    expect(window.cards()).to_have_count(groups - 2)
    assert sorted(p.kind for p in window.decisions.persons.values()) == ["not a face", "not a student"]
    expect(page.locator(".wide [data-count=people]")).to_have_text("0")


def test_a_group_is_split_and_merged_again(window: ReviewWindow) -> None:
    page = window.open("/")
    groups = window.cards().count()
    first = page.locator(".card.active")
    first.locator("input[name=face]").nth(0).check(force=True)
    first.locator("input[name=face]").nth(1).check(force=True)
    first.locator("summary").click()
    first.get_by_role("button", name="Split off selected (2)").click()
    window.toast("split into 2 people")
    expect(window.cards()).to_have_count(groups + 1)
    parts = page.locator("[data-cluster*=_sub_]")
    expect(parts).to_have_count(2)
    page.goto(f"{window.url}/clusters/{parts.nth(0).get_attribute('data-cluster')}")
    page.get_by_role("button", name="Same person: merge").first.click()
    window.toast("are of one person")
    expect(page.locator(".card")).not_to_have_count(0)  # the page of the group that both are now
    assert [e.kind for e in window.ledger.events()] == ["cluster_split", "must_linked"]


def test_two_groups_are_merged_by_keys(window: ReviewWindow) -> None:
    page = window.open("/")
    groups = window.cards().count()
    page.keyboard.press("m")
    window.toast("Marked")
    page.keyboard.press("j")
    page.keyboard.press("m")
    window.toast("are of one person")
    expect(window.cards()).to_have_count(groups - 1)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("o")
    expect(page.locator("[data-stage]")).to_be_visible()
    expect(page.locator("a.box.chosen")).to_have_count(1)
    page.keyboard.press("Control+z")
    window.toast("Undone:")
    window.open("/")
    expect(window.cards()).to_have_count(groups)


def test_a_group_that_has_changed_since_it_was_shown_is_not_named(window: ReviewWindow) -> None:
    page = window.open("/")
    window.label("Somebody else")
    page.keyboard.press("Enter")
    page.keyboard.type("Ana")
    page.keyboard.press("Enter")
    expect(page.locator("#toasts .bad")).to_be_visible()
    assert window.decisions.find_person("Ana") is None
    window.errors.clear()  # the console notes the 404 of a group that is no more


def test_the_sample_is_named_within_one_and_a_half_clicks_a_person(
    world: World, sample: SampleArchive, tmp_path: Path
) -> None:
    curve = measure_effort(world.layout.database.parent, sample.truth, world.pack, tmp_path / "work")
    assert curve.people == sample.person_count
    assert share_at(curve.points, 1.5) >= 0.95
    assert curve.points[-1][1] == pytest.approx(max(right for _, right in curve.points))
