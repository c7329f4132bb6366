"""A roster in the page: what is understood of a file is shown and corrected before anything is stored."""

import io
import time
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Page, expect

from classface_assets.review.pages.people.roster import upload
from classface_assets.review.pages.people.roster.pending import (
    LIFETIME_S,
    MAX_PENDING,
    MAX_ROSTER_BYTES,
    PendingRosters,
)
from classface_assets.review.problems import ProblemError
from classface_assets_tests.support.windows import ReviewWindow

FIRST = "Name;Id;Class;Photo permission\nAna Weiss;1;3b;yes\nBen Roth;2;3b;no\nCem Sahin;3;3b;perhaps\n"
SECOND = "Pupil code,Kid,Group\n1,Ana Weiss,4b\n4,Dora Tal,4b\n"


@pytest.fixture(autouse=True)
def pending(monkeypatch: pytest.MonkeyPatch) -> PendingRosters:
    """Nothing waits that another test uploaded."""
    monkeypatch.setattr(upload, "_pending", PendingRosters())
    return upload._pending


def choose(window: ReviewWindow, name: str, content: bytes) -> Page:
    page = window.open("/roster")
    page.set_input_files("#roster", files=[{"name": name, "mimeType": "text/csv", "buffer": content}])
    page.get_by_role("button", name="Look at the file").click()
    return page


def on_roster(window: ReviewWindow) -> dict[str, dict[str, str]]:
    return {entry.name: dict(entry.classes) for entry in window.decisions.roster}


def test_a_roster_is_previewed_corrected_confirmed_and_undone(window: ReviewWindow) -> None:
    events = len(window.ledger.events())
    page = choose(window, "list 2015-2016.csv", FIRST.encode())
    expect(page.get_by_text("3 students were understood")).to_be_visible()
    expect(page.get_by_text("New students: 3")).to_be_visible()
    expect(page.get_by_text("1 agree, 1 refuse, 0 did not answer, 1 are refused")).to_be_visible()
    expect(page.locator("#year")).to_have_value("2015-2016")
    assert on_roster(window) == {} and len(window.ledger.events()) == events, "nothing is stored before it is confirmed"
    page.get_by_role("button", name="Take these students in").click()
    window.toast("roster")
    assert on_roster(window)["Ana Weiss"] == {"2015-2016": "3b"}
    assert len(upload._pending) == 0

    page = choose(window, "next.csv", SECOND.encode())
    page.locator("#column-1").select_option("Name")
    page.locator("#column-0").select_option("Student id")
    page.locator("#column-2").select_option("Class")
    page.locator("#year").fill("2016-2017")
    page.get_by_role("button", name="Read the file again").click()
    expect(page.get_by_text("New students: 1")).to_be_visible()
    expect(page.locator(".change", has_text="Changed: 1")).to_contain_text("Ana Weiss")
    expect(page.locator(".change", has_text="New in 2016-2017: 1")).to_contain_text("Dora Tal")
    page.get_by_role("button", name="Take these students in").click()
    window.toast("roster")
    assert on_roster(window)["Ana Weiss"] == {"2015-2016": "3b", "2016-2017": "4b"}

    page.get_by_role("button", name="Undo: next.csv").click()
    expect(page.locator(".lines .gone")).to_contain_text("next.csv")
    assert on_roster(window)["Ana Weiss"] == {"2015-2016": "3b"} and "Dora Tal" not in on_roster(window)


def test_who_is_missing_in_a_newer_file_of_the_year_is_listed(window: ReviewWindow) -> None:
    page = choose(window, "list 2015-2016.csv", FIRST.encode())
    page.get_by_role("button", name="Take these students in").click()
    page = choose(window, "again 2015-2016.csv", FIRST.replace("Ben Roth;2;3b;no\n", "").encode())
    expect(page.locator(".change", has_text="Not in this file: 1")).to_contain_text("Ben Roth")
    expect(page.get_by_text("New students: 0")).to_be_visible()
    page.get_by_role("button", name="Do not take them in").click()
    page.wait_for_url("**/roster")
    assert "Ben Roth" in on_roster(window) and len(upload._pending) == 0


def test_an_encoding_is_corrected_and_a_sheet_is_read(window: ReviewWindow) -> None:
    page = choose(window, "2015-2016.csv", "Name;Class\nŁukasz Żak;3b\n".encode("cp1250"))
    page.locator("#encoding").select_option("cp1252")
    page.get_by_role("button", name="Read the file again").click()
    expect(page.locator("tbody th").first).to_have_text("£ukasz ¯ak")
    page.locator("#encoding").select_option("cp1250")
    page.get_by_role("button", name="Read the file again").click()
    expect(page.locator("tbody th").first).to_have_text("Łukasz Żak")
    book, out = openpyxl.Workbook(), io.BytesIO()
    for row in (("Name", "Class", "School year"), ("Ana Weiss", "3b", "2015-2016")):
        book.active.append(row)
    book.save(out)
    page = choose(window, "list.xlsx", out.getvalue())
    expect(page.get_by_text("1 student was understood")).to_be_visible()


def test_a_file_that_is_no_roster_is_one_sentence_and_nothing_is_left_of_it(
    window: ReviewWindow, tmp_path: Path
) -> None:
    data = Path(window.world.archive.data)
    before = {file for file in data.rglob("*") if file.is_file()}
    page = choose(window, "empty.csv", b"")
    expect(page.locator("main")).to_contain_text("The file is empty")
    page = choose(window, "numbers.csv", b"1,2,3\n4,5,6\n")
    expect(page.locator("[role=alert]")).to_contain_text("No column of names was found")
    expect(page.get_by_role("button", name="Take these students in")).to_have_count(0)
    page.get_by_role("button", name="Choose another file").click()
    left = {file for file in data.rglob("*") if file.is_file()} - before
    assert not [file for file in left if "numbers" in file.name or b"4,5,6" in file.read_bytes()]
    window.errors.clear()  # the console notes the 422


def test_files_that_wait_are_few_small_and_only_for_who_uploaded_them(monkeypatch: pytest.MonkeyPatch) -> None:
    pending = PendingRosters()
    with pytest.raises(ProblemError, match="more than 8 MB"):
        pending.add("big.csv", b"x" * (MAX_ROSTER_BYTES + 1), "me", "")
    keys = [pending.add(f"{n}.csv", b"Name\nAna\n", f"session {n}", "") for n in range(MAX_PENDING + 2)]
    assert len(pending) == MAX_PENDING
    for key, owner in ((keys[0], "session 0"), (keys[-1], "somebody else"), ("no key", "me")):
        with pytest.raises(ProblemError, match="choose the file again"):
            pending.get(key, owner)
    assert pending.get(keys[-1], f"session {MAX_PENDING + 1}").name == f"{MAX_PENDING + 1}.csv"
    again = pending.add("new.csv", b"Name\nBen\n", f"session {MAX_PENDING + 1}", "")
    assert len(pending) == MAX_PENDING, "an upload replaces the one before it of the same session"
    later = time.monotonic() + LIFETIME_S + 1
    monkeypatch.setattr("classface_assets.review.pages.people.roster.pending.time.monotonic", lambda: later)
    with pytest.raises(ProblemError):
        pending.get(again, f"session {MAX_PENDING + 1}")
    assert len(pending) == 0
