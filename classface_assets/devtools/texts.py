"""Brings the catalogs of translations up to date with the texts in the code: `make texts`.

New texts are added without a translation, which is then written into the catalogs by hand; texts that no longer occur
are removed. A test fails for a text without a translation.
"""

import contextlib
import tempfile
from pathlib import Path

from classface_assets.core.languages import ENGLISH, LANGUAGES, LOCALE_FOLDER

KEYWORDS = ("marked", "sentence:1", "marked_plural:1,2", "translated:1")
"""Functions of `core.languages` that mark texts, besides gettext's own; the numbers are of arguments."""


def extract_texts(template: Path) -> None:
    """Write the texts of code, templates and scripts into a catalog template, as pyproject.toml says where they are."""
    options = ["--mapping-file", "pyproject.toml", "--add-location", "file", "--sort-by-file", "--no-wrap"]
    for keyword in KEYWORDS:
        options += ["--keyword", keyword]
    with contextlib.chdir(Path(__file__).parents[2]):  # the catalogs have the paths from there
        _pybabel("extract", *options, "--output", str(template.resolve()), "classface_assets")


def update_catalog(template: Path, language: str, catalog: Path) -> None:
    """Write a catalog again with the texts of the template and the translations that it had."""
    options = ["--no-fuzzy-matching", "--ignore-obsolete", "--no-wrap", "--ignore-pot-creation-date"]
    _pybabel("update", *options, "--locale", language, "--input-file", str(template), "--output-file", str(catalog))


def main() -> None:
    """Update all catalogs."""
    with tempfile.TemporaryDirectory() as folder:
        template = Path(folder) / "classface.pot"
        extract_texts(template)
        for language in LANGUAGES:
            if language != ENGLISH:
                update_catalog(template, language, LOCALE_FOLDER / language / "LC_MESSAGES" / "classface.po")


def _pybabel(*arguments: str) -> None:
    from babel.messages.frontend import CommandLineInterface

    CommandLineInterface().run(["pybabel", "--quiet", *arguments])


if __name__ == "__main__":
    main()
