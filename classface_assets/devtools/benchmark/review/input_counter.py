"""Counts the keys and clicks that a page receives from a person, over every page that a window loads."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext, Page

_SCRIPT = """
(() => {
  const MODIFIERS = ["Shift", "Control", "Alt", "AltGraph", "Meta"];
  const count = (kind) => sessionStorage.setItem(kind, 1 + Number(sessionStorage.getItem(kind)));
  const when = (kind, event) => event.isTrusted && count(kind);
  addEventListener("keydown", (event) => !MODIFIERS.includes(event.key) && when("counted-keys", event), true);
  addEventListener("pointerdown", (event) => when("counted-clicks", event), true);
  addEventListener("load", () => count("counted-loads"));
})();
"""
_READ = "['keys', 'clicks', 'loads'].map((kind) => Number(sessionStorage.getItem('counted-' + kind)))"


@dataclass(frozen=True)
class InputCount:
    """What a person did in a window.

    Attributes:
        keys: Keys pressed; with Ctrl or Shift held it is one key.
        clicks: Clicks and taps.
        loads: Pages that were loaded.
    """

    keys: int
    clicks: int
    loads: int

    def since(self, before: "InputCount") -> "InputCount":
        """What was done after an earlier count."""
        return InputCount(self.keys - before.keys, self.clicks - before.clicks, self.loads - before.loads)


def count_inputs(context: "BrowserContext") -> None:
    """Count in all windows of a browser that load a page from now on; events that a script sends do not count."""
    context.add_init_script(_SCRIPT)


def inputs_so_far(page: "Page") -> InputCount:
    """What was counted in a window since it was opened."""
    page.wait_for_load_state("load")
    return InputCount(*page.evaluate(_READ))
