"""What an archivist usually does, driven in a browser by the keys and clicks of somebody who knows the page."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

_OFFERED = "typed => document.querySelector('.names-list .new bdi')?.textContent === typed"
"""Whether names that begin as typed are offered."""
ROSTER_FILE = ("list 2016-2017.csv", "Name;Id;Class\nNora Neu;901;1a\nTim Neu;902;1a\n")


@dataclass(frozen=True)
class UsualTasks:
    """The tasks at a served archive, each from the page where it begins to where its effect is seen.

    Attributes:
        page: A window that has logged in.
        url: The server.
    """

    page: "Page"
    url: str

    def open(self, path: str) -> "Page":
        """Begin at a page."""
        self.page.goto(self.url + path)
        return self.page

    def name_class_photo(self, names: Sequence[str]) -> None:
        """From the photo: name its faces in reading order; a name is typed until it is the first that is offered."""
        self.page.get_by_role("link", name="Name face by face").click()
        lines = self.page.locator("li[data-face]")
        for number, name in enumerate(names):
            self.page.locator("li[data-face].chosen").nth(0).wait_for()
            self._type_name(name)
            self.page.keyboard.press("Enter")
            _wait_for_text(lines.nth(number).locator(".who"), name)
        self.page.locator("[data-all-named]").wait_for()

    def confirm_suggestion(self) -> None:
        """From the groups: confirm the name that is suggested for a group."""
        self.page.locator(".suggestion-button").first.click()
        self._wait_for_toast(" are ")

    def merge_groups(self) -> None:
        """From the groups: say that the first two are one person."""
        for key in ("m", "j", "m"):
            self.page.keyboard.press(key)
        self._wait_for_toast("are of one person")

    def undo(self) -> None:
        """From where the last decision was made: take it back."""
        self.page.keyboard.press("Control+z")
        self._wait_for_toast("Undone")

    def rename(self, name: str, new: str) -> None:
        """From the groups: give a person another name."""
        self._open_person(name)
        self.page.get_by_label("Name", exact=True).first.click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.type(new)
        self.page.keyboard.press("Enter")
        self.page.get_by_role("heading", level=1, name=new).wait_for()

    def upload_roster(self) -> None:
        """From the groups: take in a list of students; what is done in the window that chooses the file is not seen."""
        self._go_to("People")
        self.page.locator("main").get_by_role("link", name="roster").first.click()
        with self.page.expect_file_chooser() as choosing:
            self.page.locator("#roster").click()
        name, text = ROSTER_FILE
        choosing.value.set_files({"name": name, "mimeType": "text/csv", "buffer": text.encode()})
        self.page.get_by_role("button", name="Look at the file").click()
        self.page.get_by_role("button", name="Take these students in").click()
        self._wait_for_toast("roster")

    def export_zip(self, name: str) -> bytes:
        """From the groups: save the photos of a student; the bytes of the ZIP."""
        self._open_person(name)
        self.page.get_by_role("link", name="Export").last.click()
        with self.page.expect_download() as saving:
            self.page.get_by_role("link", name="Download ZIP").click()
        return saving.value.path().read_bytes()

    def correct_attendance(self, session: str, name: str) -> None:
        """From the groups: say that somebody was at a session who is in none of its photos."""
        self._go_to("Sessions")
        self.page.locator("main").get_by_role("link", name=session).first.click()
        self.page.get_by_role("button", name=f"{name} was there").click()
        self.page.get_by_role("button", name=f"Let the photos count again for {name}").wait_for()

    def _go_to(self, section: str) -> None:
        self.page.locator("nav.wide").get_by_role("link", name=re.compile(f"^{section}")).first.click()

    def _open_person(self, name: str) -> None:
        self._go_to("People")
        self.page.locator("main").get_by_role("link", name=name).first.click()

    def _type_name(self, name: str) -> None:
        """Type a name until it is chosen among those that are offered."""
        chosen = self.page.locator(".names-list [aria-selected=true]")
        for end, letter in enumerate(name, 1):
            self.page.keyboard.type(letter)
            if end == len(name) or letter == " ":
                continue
            self.page.wait_for_function(_OFFERED, arg=name[:end])
            if chosen.count() and chosen.first.get_attribute("data-value") == name:
                return

    def _wait_for_toast(self, text: str) -> None:
        self.page.locator("#toasts .toast").filter(has_text=text).last.wait_for()


def _wait_for_text(where: "Locator", text: str) -> None:
    where.filter(has_text=text).wait_for()
