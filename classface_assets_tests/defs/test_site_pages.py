"""The pages over all years as runs make them: after each change as if made from nothing, and nobody is left in one."""

import shutil
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from classface_assets.albums.pages.site import build_site
from classface_assets.core.languages import use_language
from classface_assets.defs.albums.albums import SiteConfig, album_site, albums, site_contents
from classface_assets.defs.albums.written_pages import load_written_pages
from classface_assets.defs.catalog.checks.integrity import links_lead_somewhere
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.erasure import erase_person
from classface_assets.store.ledger.ledger import Ledger
from classface_assets_tests.support.direct_runs import call
from classface_assets_tests.support.named_school import YEAR, School, school

__all__ = ["school"]
pytestmark = pytest.mark.slow
PACK = Models(pack="builtin")


def make(school: School, language: str = "en") -> int:
    """Make the albums and check their links, as runs do; how many pages were rendered."""
    archive = Archive(photos=str(school.layout.photos), data=str(school.layout.data), language=language)
    call(albums, archive, PACK, YEAR)
    result = album_site(SiteConfig(), archive=archive)
    assert isinstance(result, dg.MaterializeResult)
    check = links_lead_somewhere(archive)
    assert isinstance(check, dg.AssetCheckResult) and check.passed
    with use_language(language):
        assert pages_of(school.layout.albums) == made_from_nothing(school, archive)
    changed = (result.metadata or {})["pages_changed"]
    assert isinstance(changed, int)
    return changed


def made_from_nothing(school: School, archive: Archive) -> dict[str, bytes]:
    fresh = school.layout.albums.with_name("fresh")
    shutil.copytree(school.layout.albums, fresh)
    for folder in ("students", "classes"):
        shutil.rmtree(fresh / folder)
    build_site(fresh, [YEAR], site_contents(archive))
    pages = pages_of(fresh)
    shutil.rmtree(fresh)
    return pages


def pages_of(folder: Path) -> dict[str, bytes]:
    return {page.relative_to(folder).as_posix(): page.read_bytes() for page in folder.rglob("*.html")}


CHANGES: dict[str, tuple[Callable[[Ledger], object], bool]] = {
    "withdrawn": (lambda ledger: ledger.set_consent("Anna", False), False),
    "given back": (lambda ledger: ledger.set_consent("Anna", True), True),
    "hidden": (lambda ledger: ledger.hide("Anna"), False),
    "shown": (lambda ledger: ledger.show("Anna"), True),
}


def test_after_what_people_said_pages_are_those_of_a_build_from_nothing_and_show_nobody_withheld(
    school: School,
) -> None:
    make(school)
    for what, (change, is_shown) in CHANGES.items():
        change(school.ledger)
        make(school)
        shown = any(b"Anna" in page for page in pages_of(school.layout.albums).values())
        assert shown == is_shown, what
    assert make(school) == 0


def test_another_language_makes_every_page_again(school: School) -> None:
    make(school)
    assert make(school, "de") == 3
    assert make(school, "de") == 0
    assert make(school) == 3


def test_of_somebody_erased_no_page_and_no_record_of_pages_is_left(school: School) -> None:
    make(school)
    stamps = school.layout.fingerprint_file("album_pages").parent
    records = [stamps / "album_pages.json", stamps / "links.json"]
    page = next((school.layout.albums / "students").glob("anna*")).name
    assert all(page in record.read_text() for record in records)
    with dg.DagsterInstance.ephemeral() as instance:
        erase_person(school.archive, instance, "Anna")
    assert not any(record.exists() for record in records)
    assert pages_of(school.layout.albums) == {}
    make(school)
    left = [*pages_of(school.layout.albums).values(), *(record.read_bytes() for record in records)]
    assert not any(b"Anna" in one or page.encode() in one for one in left)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"made_of": 1, "told": {"a": [1]}, "outputs": {}}'])
def test_with_a_damaged_record_every_page_is_rendered(damage: bytes, school: School) -> None:
    make(school)
    assert len(load_written_pages(school.layout, "")) == 3
    for name in ("album_pages", "links", "album_site"):
        school.layout.fingerprint_file(name).write_bytes(damage)
    assert make(school) == 3
