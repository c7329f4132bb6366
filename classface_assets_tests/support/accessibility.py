"""What axe-core finds wrong with a page, in light and in dark colours."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def axe_violations(page: "Page") -> list[str]:
    """One line for each rule of axe-core that the page breaks, with the elements; the colours are left dark."""
    from axe_playwright_python.sync_playwright import Axe

    lines = []
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for violation in Axe().run(page).response["violations"]:
            targets = [" ".join(map(str, node["target"])) for node in violation["nodes"][:5]]
            lines.append(f"{scheme}: {violation['id']}: {violation['help']}: {'; '.join(targets)}")
    return lines
