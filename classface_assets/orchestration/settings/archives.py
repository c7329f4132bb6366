"""The archives that share one Dagster: the file `archives.toml` in its home, from which its code locations are made."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import tomlkit

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import StorageError, UserError
from classface_assets.core.locations import parse_local_folder, parse_location
from classface_assets.orchestration.settings.archive_names import require_archive_name

ARCHIVES_FILE = "archives.toml"
_HEADER = "The archives of this Dagster, a table for each. Written by `classface workspace`."
_TEXTS = ("photos", "data", "local", "pack", "ledger_variable")


class ArchivesError(UserError):
    """The list of archives cannot be read, or an archive cannot be added to it."""


@dataclass(frozen=True)
class RegisteredArchive:
    """One archive of a Dagster.

    Attributes:
        name: Of the archive.
        photos: Its photos folder or URL; "" for the default place.
        data: Its data folder or URL.
        local: Its folder on this machine; "" for the data folder.
        pack: Its model pack; "" for what its own settings say.
        ledger_variable: The environment variable that holds the URL of its ledger; "" for the file in its local folder.
        together: Whether it is loaded by the process that it shares with others; else it has a process of its own.
    """

    name: str
    data: str
    photos: str = ""
    local: str = ""
    pack: str = ""
    ledger_variable: str = ""
    together: bool = False

    @property
    def local_folder(self) -> Path:
        """Where its settings are."""
        return parse_local_folder(self.local or self.data)


def archives_file(home: Path) -> Path:
    """The list of a Dagster with this home."""
    return home / ARCHIVES_FILE


def read_archives(home: Path) -> dict[str, RegisteredArchive]:
    """Name → archive, in the order of the file; empty where there is none.

    Raises:
        ArchivesError: The file cannot be understood.
        StorageError: It cannot be read.
    """
    file = archives_file(home)
    try:
        content = tomllib.loads(file.read_text(encoding="utf-8"))
        return {name: _parse(name, values) for name, values in content.items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise StorageError(f"{file} cannot be read ({error.strerror}); make it readable.") from None
    except (UserError, ValueError) as error:
        raise ArchivesError(f"{file} cannot be used ({error}); correct it.") from None


def _parse(name: str, values: object) -> RegisteredArchive:
    require_archive_name(name)
    if not isinstance(values, Mapping) or not values.get("data"):
        raise ValueError(f"[{name}] names no data folder")
    unknown = set(values) - {*_TEXTS, "together"}
    if unknown:
        raise ValueError(f"[{name}] has {', '.join(sorted(unknown))}, which is none of {', '.join(_TEXTS)}, together")
    texts = {key: str(values.get(key, "")) for key in _TEXTS}
    return RegisteredArchive(name, **texts, together=bool(values.get("together", False)))


def add_archive(home: Path, archive: RegisteredArchive) -> None:
    """Add an archive to the list, which is made if there is none; comments in it stay.

    Raises:
        ArchivesError: As `require_addable`; nothing is written.
    """
    require_addable(home, archive)
    document = _document(home)
    table = tomlkit.table()
    for key in _TEXTS:
        if value := getattr(archive, key):
            table.add(key, value)
    if archive.together:
        table.add("together", True)
    document.add(archive.name, table)
    _write(home, document)


def require_addable(home: Path, archive: RegisteredArchive) -> None:
    """Check that an archive can be added.

    Raises:
        ArchivesError: There is one of that name, or one whose folders overlap.
    """
    present = read_archives(home)
    taken = next((name for name in present if name.casefold() == archive.name.casefold()), None)
    if taken is not None:
        raise ArchivesError(
            f"There is an archive {taken} already, in {present[taken].data}; take another name, or remove that one "
            f"with: classface workspace remove {taken}"
        )
    for other in present.values():
        _require_apart(archive, other)


def _require_apart(archive: RegisteredArchive, other: RegisteredArchive) -> None:
    """Raises ArchivesError where what one archive writes lies in what the other one writes."""
    for own in {archive.data, archive.local} - {""}:
        for theirs in {other.data, other.local} - {""}:
            if _overlap(own, theirs):
                raise ArchivesError(
                    f"{own} and {theirs} of the archive {other.name} lie in one another; each archive needs a data "
                    "folder of its own."
                )


def _overlap(one: str, other: str) -> bool:
    if ("://" in one) != ("://" in other):
        return False
    first, second = ((str(parse_location(text)).rstrip("/\\") + "/").replace("\\", "/") for text in (one, other))
    if "://" not in one:
        first, second = (Path(text).resolve().as_posix().rstrip("/") + "/" for text in (first, second))
    return first.startswith(second) or second.startswith(first)


def remove_archive(home: Path, name: str) -> RegisteredArchive:
    """Take an archive off the list.

    Raises:
        ArchivesError: There is none of that name.
    """
    archive = registered(home, name)
    document = _document(home)
    document.pop(name)
    _write(home, document)
    return archive


def registered(home: Path, name: str) -> RegisteredArchive:
    """The archive of that name.

    Raises:
        ArchivesError: There is none.
    """
    present = read_archives(home)
    if name not in present:
        there = f"there are {', '.join(present)}" if present else "none was added yet"
        raise ArchivesError(f"There is no archive {name!r} in {archives_file(home)}; {there}.")
    return present[name]


def _document(home: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(archives_file(home).read_text(encoding="utf-8"))
    except FileNotFoundError:
        document = tomlkit.document()
        document.add(tomlkit.comment(_HEADER))
        return document


def _write(home: Path, document: tomlkit.TOMLDocument) -> None:
    home.mkdir(parents=True, exist_ok=True)
    write_file(archives_file(home), lambda out: out.write(tomlkit.dumps(document).encode()))
