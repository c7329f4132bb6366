"""The rooms of the package and the imports between them: `python -m classface_assets.devtools.architecture`.

A room is a folder at the top of the package. Rooms lie on floors, and a module may import from its own room and from
rooms on lower floors only. Within a folder the entries (modules and subfolders) import one another without a circle.
"""

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

PACKAGE = "classface_assets"
MAX_ENTRIES = 12
"""Modules and subfolders of Python that one folder may hold."""

FLOORS: tuple[tuple[str, ...], ...] = (
    ("core",),
    ("vision", "identity", "store", "albums"),
    ("orchestration",),
    ("services",),
    ("api", "defs"),
    ("definitions",),
    ("review",),
    ("cli",),
    ("devtools",),
)
"""The rooms from the ground up. Rooms of one floor do not import each other."""

ENTRY_POINT = "definitions"
"""The one module at the top that is no room: Dagster's loaders find the package's definitions by this name."""


@dataclass(frozen=True)
class Import:
    """One module that imports another, both as dotted names without the package's own."""

    importer: str
    imported: str

    @property
    def rooms(self) -> tuple[str, str]:
        """The rooms of both ends."""
        return self.importer.split(".")[0], self.imported.split(".")[0]


def module_files(root: Path) -> dict[str, Path]:
    """The modules below `root`, which is the package's folder, by dotted name; empty `__init__.py` files left out."""
    files = sorted(file for file in root.rglob("*.py") if file.name != "__init__.py")
    return {".".join(file.relative_to(root).with_suffix("").parts): file for file in files}


def imported_names(tree: ast.AST) -> Iterator[str]:
    """Everything that a module imports, wherever in it: `from a import b` as both `a` and `a.b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def package_imports(root: Path) -> list[Import]:
    """The imports between the modules of the package whose folder is `root`."""
    files = module_files(root)
    found = set()
    for name, file in files.items():
        for imported in imported_names(ast.parse(file.read_text(encoding="utf-8"))):
            target = imported.removeprefix(f"{PACKAGE}.")
            if imported.startswith(f"{PACKAGE}.") and target in files and target != name:
                found.add(Import(name, target))
    return sorted(found, key=lambda one: (one.importer, one.imported))


def floor_of(room: str) -> int:
    """The floor of a room, 0 for the ground.

    Raises:
        KeyError: The room has no floor yet; add it to FLOORS.
    """
    return {name: floor for floor, names in enumerate(FLOORS) for name in names}[room]


def upward_imports(imports: Iterable[Import]) -> list[Import]:
    """The imports from a room into another one on the same floor or above."""
    return [one for one in imports if len(set(one.rooms)) == 2 and floor_of(one.rooms[1]) >= floor_of(one.rooms[0])]


def folder_graphs(imports: Iterable[Import]) -> dict[str, dict[str, set[str]]]:
    """For each folder, which of its entries imports which: an import counts where the paths of its two ends part."""
    graphs: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for one in imports:
        a, b = one.importer.split("."), one.imported.split(".")
        shared = 0
        while a[shared] == b[shared]:
            shared += 1
        graphs[".".join(a[:shared])][a[shared]].add(b[shared])
    return {folder: dict(graph) for folder, graph in graphs.items()}


def import_cycles(imports: Iterable[Import]) -> dict[str, list[str]]:
    """A circle of entries for each folder that has one; empty when none has."""
    cycles = {}
    for folder, graph in folder_graphs(imports).items():
        try:
            TopologicalSorter(graph).prepare()
        except CycleError as error:
            cycles[folder or PACKAGE] = list(error.args[1])
    return cycles


def folder_entries(root: Path) -> dict[str, list[str]]:
    """The modules and subfolders of Python in each folder of the package; the entry point at the top is not counted."""
    entries: dict[str, set[str]] = defaultdict(set)
    for name in module_files(root):
        parts = name.split(".")
        for depth in range(len(parts)):
            entries[".".join(parts[:depth])].add(parts[depth])
    entries[""].discard(ENTRY_POINT)
    return {folder: sorted(names) for folder, names in sorted(entries.items())}


def room_arrows(imports: Iterable[Import]) -> Mapping[tuple[str, str], int]:
    """How many imports lead from one room into another."""
    arrows: dict[tuple[str, str], int] = defaultdict(int)
    for one in imports:
        if len(set(one.rooms)) == 2:
            arrows[one.rooms] += 1
    return arrows


def report(root: Path) -> Iterator[str]:
    """Lines about rooms, floors, arrows and folders, problems last."""
    imports, entries = package_imports(root), folder_entries(root)
    arrows, modules = room_arrows(imports), module_files(root)
    rooms = [room for floor in FLOORS for room in floor if room == ENTRY_POINT or room in entries[""]]
    yield f"{len(modules)} modules in {len(entries)} folders, {len(rooms)} rooms on {len(FLOORS)} floors"
    for room in reversed(rooms):
        count = sum(name.split(".")[0] == room for name in modules)
        below = ", ".join(f"{b} {n}" for (a, b), n in sorted(arrows.items()) if a == room)
        yield f"  floor {floor_of(room)}  {room:<14} {count:>3} modules  -> {below or '-'}"
    largest = max(entries.items(), key=lambda item: len(item[1]))
    yield f"arrows between rooms: {len(arrows)}; most entries in a folder: {len(largest[1])} ({largest[0] or PACKAGE})"
    upward, cycles = upward_imports(imports), import_cycles(imports)
    yield f"upward imports: {len(upward)}; circles: {len(cycles)}"
    yield from (f"  upward: {one.importer} imports {one.imported}" for one in upward)
    yield from (f"  circle in {folder}: {' -> '.join(names)}" for folder, names in cycles.items())
    crowded = {folder: names for folder, names in entries.items() if len(names) > MAX_ENTRIES}
    yield from (f"  {folder or PACKAGE} holds {len(names)} entries" for folder, names in crowded.items())


def main() -> None:
    """Print the report of the package that this module belongs to."""
    print("\n".join(report(Path(__file__).parents[1])))


if __name__ == "__main__":
    main()
