"""Albums in the language of the archive's settings."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from classface_assets.core.errors import UserError
from classface_assets.core.languages import LANGUAGES, use_language
from classface_assets.defs.albums.albums import (
    SiteConfig,
    album_contents,
    album_fingerprint,
    site_contents,
    site_fingerprint,
)
from classface_assets.orchestration.configured_resources import resolve_archive
from classface_assets.orchestration.settings.file import parse_value, set_values
from classface_assets.orchestration.settings.values import SettingsError
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets_tests.albums.test_albums import Archive, archive
from classface_assets_tests.support.helpers import DETECTOR
from classface_assets_tests.support.named_school import YEAR, School
from classface_assets_tests.support.windows import browser

__all__ = ["archive", "browser"]
pytestmark = pytest.mark.slow
SAME_IN_FRENCH = re.compile(r"[\d· ]*(photos?|originals?)[ ·]*", re.I)
STUDENTS = {"en": "Students", "de": "Schüler", "fr": "Élèves", "es": "Alumnos", "pl": "Uczniowie"}


def texts_of(file: Path) -> set[str]:
    """The texts of a page without what the archive itself says: names, files, numbers."""
    html = re.sub(r"<(script|bdi|code|head)\b.*?</\1>", "", file.read_text(encoding="utf-8"), flags=re.S)
    return {text.strip() for text in re.split(r"<[^>]*>", html) if re.search(r"[^\W\d]{4,}", text)}


def test_pages_of_an_album_are_in_its_language_and_nothing_of_them_is_left_in_english(archive: Archive) -> None:
    pages: dict[str, dict[str, set[str]]] = {}
    for language in LANGUAGES:
        with use_language(language):
            archive.build()
        files = sorted(archive.out.rglob("*.html"))
        pages[language] = {str(file.relative_to(archive.out)): texts_of(file) for file in files}
        assert all(f'<html lang="{language}" dir="ltr">' in file.read_text(encoding="utf-8") for file in files)
        assert STUDENTS[language] in pages[language]["index.html"]
    for language in set(LANGUAGES) - {"en"}:
        for name, texts in pages[language].items():
            same = texts & pages["en"][name]
            assert [text for text in same if not SAME_IN_FRENCH.fullmatch(text)] == [], (language, name)


def test_an_album_fits_a_phone_from_right_to_left(archive: Archive, browser: Browser) -> None:
    with use_language("ar"):  # the texts are English, as there is no catalog
        archive.build()
    with browser.new_context(viewport={"width": 390, "height": 844}) as context:
        page = context.new_page()
        for file in sorted(archive.out.rglob("*.html")):
            page.goto(file.as_uri())
            assert page.evaluate("getComputedStyle(document.body).direction") == "rtl"
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), file


def test_the_language_is_a_setting_and_changes_the_fingerprints_of_albums(
    school: School, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLASSFACE_LANGUAGE", raising=False)
    set_values(tmp_path, {"language": parse_value("language", "de")})
    assert resolve_archive(None, tmp_path).language == "de"
    monkeypatch.setenv("CLASSFACE_LANGUAGE", "pl")
    assert resolve_archive(None, tmp_path).language == "pl"
    monkeypatch.setenv("CLASSFACE_LANGUAGE", "xx")
    with pytest.raises(UserError, match="CLASSFACE_LANGUAGE is 'xx'"):
        resolve_archive(None, tmp_path)
    with pytest.raises(SettingsError, match="language cannot be 'xx'"):
        set_values(tmp_path, {"language": "xx"})
    store, contents = SchoolYearStore(school.layout, DETECTOR, YEAR), album_contents(school.archive, YEAR)
    albums = [str(album_fingerprint(store, *contents, language)) for language in ("en", "de", "pl")]
    site = site_contents(school.archive)
    sites = [str(site_fingerprint(school.layout, site, SiteConfig(), language)) for language in ("en", "de", "pl")]
    assert len(set(albums)) == len(set(sites)) == 3
    assert albums[0] == str(album_fingerprint(store, *contents)), "English albums stay as they are"
