"""The words of the code: identifiers are standard terms of the field, and private words are gone."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
FOLDERS = ("classface_assets", "classface_assets_tests")

PRIVATE_WORDS = frozenset(
    {
        *("told", "tell", "tells", "telling", "said", "say", "says", "spoken", "asked", "wanted"),
        *("kept", "whose", "whom", "became", "anew", "stands", "standing", "likest", "alike", "likeness", "felt"),
        *("barred", "begun", "gather", "gathered", "mend", "mended", "strike", "struck", "leftovers", "stragglers"),
        *("homes", "desk", "eyes", "shelf", "company", "chase", "demands", "knower"),
    }
)
"""Words that no identifier holds: each had a meaning only here."""

EXCEPTIONS = frozenset({"all_anew", "faces_whose_chip_is_broken", "wanted", "tell", "gather", "gather_every"})
"""Names with such a word that others rely on: a key of the run config, of metadata and of an answer; file.tell,
DataFrame.gather and gather_every."""


def words_of(identifier: str) -> set[str]:
    """`FaceCatalog` and `face_catalog` are both face and catalog."""
    return set(re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", identifier).lower().split("_"))


def identifiers(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Every name that code gives or uses, with its line; of tests their sentences are left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id, node.lineno
        elif isinstance(node, ast.Attribute):
            yield node.attr, node.lineno
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            if not node.name.startswith("test_"):
                yield node.name, node.lineno
        elif isinstance(node, ast.arg):
            yield node.arg, node.lineno
        elif isinstance(node, ast.keyword) and node.arg:
            yield node.arg, node.value.lineno
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).split(".")[-1], node.lineno


def test_no_identifier_holds_a_private_word() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{line}: {name}"
        for folder in FOLDERS
        for file in sorted((ROOT / folder).rglob("*.py"))
        for name, line in identifiers(ast.parse(file.read_text(encoding="utf-8")))
        if name not in EXCEPTIONS and words_of(name) & PRIVATE_WORDS
    ]
    assert found == []


def test_every_kind_of_identifier_is_looked_at() -> None:
    code = "import a.told\nclass SaidSo:\n    def kept(self, whose, *, anew=1): self.became = f(desk=1)\n"
    assert {name for name, _ in identifiers(ast.parse(code)) if words_of(name) & PRIVATE_WORDS} == {
        *("told", "SaidSo", "kept", "whose", "anew", "became", "desk")
    }


def test_every_exception_is_in_use() -> None:
    files = [file.read_text(encoding="utf-8") for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")]
    used = {name for text in files for name, _ in identifiers(ast.parse(text))}
    assert used >= EXCEPTIONS
