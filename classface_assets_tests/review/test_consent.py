"""Consent on the pages: a person's answers for each purpose, clearing an unclear answer, a photo's verdict."""

import re

from playwright.sync_api import expect

from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.windows import ReviewWindow


def test_consent_is_recorded_for_each_purpose_on_a_persons_page(window: ReviewWindow) -> None:
    person, _ = window.label("Ana <b>", most=2)
    page = window.open(f"/people/{person}")
    for title in ("In albums", "In the yearbook", "On the web"):
        expect(page.get_by_role("group", name=title)).to_contain_text("not asked")
    page.get_by_role("group", name="On the web").get_by_role("button", name="No").click()
    window.toast("Consent withdrawn for Ana <b> (web)")
    assert window.decisions.persons[person].refused == {Purpose.WEB}
    expect(page.get_by_role("group", name="On the web").get_by_role("button", name="No", pressed=True)).to_be_visible()
    expect(page.locator(".lead")).to_contain_text("consent album: not asked, yearbook: not asked, web: no")
    expect(page.locator("main")).to_contain_text(
        re.compile(r"May not be shown \(web\): consent withdrawn by \S+ on 20")
    )
    page.get_by_role("group", name="Consent").get_by_role("button", name="Given").click()
    window.toast("Consent given for Ana <b>")
    assert window.decisions.persons[person].refused == frozenset()
    expect(page.locator(".lead")).to_contain_text("consent given")


def test_an_unclear_answer_is_shown_and_cleared_on_a_persons_page(window: ReviewWindow) -> None:
    person, _ = window.label("Ana", most=2)
    window.ledger.import_roster([RosterEntry("Ana", consent_in_doubt="only <i>inside</i>")], "3a.csv")
    page = window.open(f"/people/{person}")
    expect(page.locator("main")).to_contain_text("A roster answers “only <i>inside</i>” to whether Ana may be shown.")
    page.get_by_role("button", name="Clear: no").click()
    window.toast("Consent withdrawn for Ana")
    expect(page.get_by_role("button", name="Clear: no")).to_have_count(0)
    assert (
        window.decisions.persons[person].refused == set(Purpose)
        and not window.decisions.persons[person].consent_in_doubt
    )


def test_a_photos_page_shows_whether_it_may_be_shown_and_who_prevents_it(window: ReviewWindow) -> None:
    person, faces = window.label("Ana", most=2)
    photo = window.world.query(f"SELECT asset_id FROM face_instances WHERE id = '{faces[0]}'").item()
    page = window.open(f"/photos/{photo}")
    expect(page.locator(".verdict").first).to_have_text(re.compile(r"on the web: to review, with \d+ unknown face"))
    window.ledger.set_consent(person, False)
    window.open(f"/photos/{photo}")
    expect(page.locator(".verdict")).to_have_text("In albums, in the yearbook and on the web: withheld, because of Ana")
    window.ledger.set_consent(person, True, [Purpose.WEB])
    window.open(f"/photos/{photo}")
    expect(page.locator(".verdict")).to_have_count(3)
    expect(page.locator(".verdict").first).to_have_text("In albums: withheld, because of Ana")
