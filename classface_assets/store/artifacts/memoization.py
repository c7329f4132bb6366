"""Memoization: an output is not made again from the same inputs.

The record of an output is a small JSON file in the local folder, which machines share where the data are at a URL: a
digest of all inputs, every output file with its size and time of change, and the metadata that Dagster shows. It holds
as long as all of these are unchanged. Files that have no checksum of their own, as the pages and pictures of albums,
have one in the record. A Parquet part is never changed and its name never comes back, so the names of the parts stand
for their content.
"""

import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from classface_assets.core.atomic_files import remove_tree, write_file
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, list_directory
from classface_assets.store.catalog.school_year import image_parts, school_year_stores
from classface_assets.store.files.parts import PartDataset

RECORD_DIGEST = "digest"
"""Key of a record: the digest of the rest of it, of its bytes where it is the first key."""
_DIGEST_FIRST, _AFTER_DIGEST = f'{{"{RECORD_DIGEST}": "'.encode(), b'", '
NO_DIGESTS: Mapping[Path, str] = MappingProxyType({})
PROGRAM_FILES = (".py", ".j2", ".css", ".js", ".po")
PACKAGE_FOLDER = Path(str(files("classface_assets")))


@dataclass(frozen=True)
class InputFingerprint:
    """The record of the inputs from which an output was last made, and of the output files.

    Output files are identified by their path below one of `roots`: an archive that is moved keeps its records, and the
    record of a copied archive does not speak of the original's files.

    Attributes:
        file: The small JSON file of the record, on this machine.
        made_of: The digest of the inputs now.
        roots: The folders below which output files lie.
    """

    file: Path
    made_of: str
    roots: tuple[Location, ...]

    def cached_metadata(self) -> dict[str, Any] | None:
        """The metadata of the output, if it was made from exactly these inputs and is unchanged on the disk.

        A record that no longer holds is removed at once, so that a run killed while it writes leaves none behind. Where
        machines share records, an empty file takes its place: a file that is only missing would be fetched again.

        Returns:
            None when the output must be made.
        """
        with suppress(DamagedRecordError, FileNotFoundError):
            recorded = read_record(self.file)
            if recorded.made_of == self.made_of and recorded.outputs == self._outputs(recorded.outputs):
                return dict(recorded.metadata)
        self._remove()
        return None

    def record(
        self,
        metadata: Mapping[str, Any],
        outputs: Iterable[Location],
        digested: Path | None = None,
        digests: Mapping[Path, str] = NO_DIGESTS,
    ) -> None:
        """Record that the output was made from these inputs.

        Args:
            metadata: What Dagster shows of the output.
            outputs: The files that were written.
            digested: The folder whose files have no checksum of their own, so that the record has one of each. Of a
                file that is also there under another name, as a photo in an album is, it has none.
            digests: SHA-256 of some of these files, as they were written, which are not read then.

        Raises:
            StorageError: The disk fails.
            ValueError: A file lies below none of the roots.
        """
        files = {self._name(file): file for file in outputs}
        known = {self._name(file): digest for file, digest in digests.items()}
        found = ((name, known.get(name) or self._digest(file, digested)) for name, file in files.items())
        content = {
            "made_of": self.made_of,
            "told": metadata,
            "outputs": self._outputs(files),
            "digests": {name: digest for name, digest in found if digest is not None},
        }
        body = json.dumps(content).encode()[1:]
        stored = _DIGEST_FIRST + _hash(body).encode() + _AFTER_DIGEST + body
        write_file(self.file, lambda out: out.write(stored))

    def _remove(self) -> None:
        was_there = self.file.exists()
        remove_tree(self.file)
        if was_there and any(not isinstance(root, Path) for root in self.roots):
            write_file(self.file, lambda out: out.write(b""))

    @staticmethod
    def _digest(file: Location, folder: Path | None) -> str | None:
        if folder is None or not isinstance(file, Path) or not str(file).startswith(f"{folder}{os.sep}"):
            return None
        return file_digest(file)

    def _name(self, file: Location) -> str:
        for number, root in enumerate(map(str, self.roots)):
            if str(file).startswith((f"{root}/", f"{root}\\")):
                return f"{number}/{str(file)[len(root) + 1 :]}"
        raise ValueError(f"{file} lies below none of {self.roots}")

    def _outputs(self, names: Iterable[str]) -> dict[str, list[int] | None]:
        found = {}
        for name in names:
            number, _, path = name.partition("/")
            root = self.roots[int(number)]
            found[name] = (
                _local_file_signature(f"{root}/{path}") if isinstance(root, Path) else file_signature(root / path)
            )
        return found


class DamagedRecordError(ValueError):
    """The file of a fingerprint is not as it was written."""


@dataclass(frozen=True)
class OutputRecord:
    """What the file of a fingerprint holds.

    Attributes:
        made_of: The digest of the inputs.
        metadata: What Dagster shows of the output.
        outputs: Size and time of change of the output files, by number of the root and path below it.
        digests: The digests of some of them.
    """

    made_of: str
    metadata: dict[str, Any]
    outputs: dict[str, list[int] | None]
    digests: dict[str, str]

    def damaged(
        self, roots: Sequence[Location], is_read: Callable[[str, os.stat_result], bool]
    ) -> Iterator[tuple[Path, str]]:
        """The output files with a digest that are not as they were written, or not there, each with why.

        Args:
            roots: The folders below which output files lie.
            is_read: Whether the file of that name and status is read although its size and time of change are the same.
        """
        for name, digest in self.digests.items():
            path = f"{roots[int(name[: name.index('/')])]}{name[name.index('/') :]}"
            with suppress(OSError):
                status = os.stat(path)  # noqa: PTH116
                is_unchanged = [status.st_size, status.st_mtime_ns] == self.outputs.get(name)
                if not is_read(name, status) and is_unchanged:
                    continue
            file = Path(path)
            if file.is_dir():
                yield file, "it is a folder"
            elif not file.exists():
                yield file, "it is missing"
            elif file_digest(file) not in (digest, None):
                yield file, "its checksum does not match"


def read_record(file: Path) -> OutputRecord:
    """What the file of a fingerprint holds.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedRecordError: It is damaged.
    """
    try:
        stored = file.read_bytes()
        if not stored:  # in place of a record that no longer held
            raise FileNotFoundError(file)
        content = json.loads(stored)
        if not _has_its_digest(stored, content):
            raise DamagedRecordError("its checksum does not match")
        outputs, metadata = dict(content["outputs"]), dict(content["told"])
        return OutputRecord(content["made_of"], metadata, outputs, dict(content.get("digests", {})))
    except FileNotFoundError:
        raise
    except DamagedRecordError:
        raise
    except IsADirectoryError:
        raise DamagedRecordError("it is a folder") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise DamagedRecordError("it cannot be read") from None


def file_digest(file: Path) -> str | None:
    """A digest of a file's bytes; None where it is not there, or there under another name too."""
    with suppress(OSError), file.open("rb") as opened:
        status = os.fstat(opened.fileno())
        return None if status.st_nlink > 1 else hashlib.file_digest(opened, "sha256").hexdigest()
    return None


def content_digest(*things: object) -> str:
    """A digest of numbers, texts, lists, mappings and frames: equal only for equal content.

    A frame counts with its schema and its rows in their order.
    """
    return _hash(json.dumps(things, sort_keys=True, default=_frame_digest).encode())


def file_signature(file: Location) -> list[int] | None:
    """Size and time of change of a file; None when it is not there."""
    if isinstance(file, Path):
        return _local_file_signature(str(file))
    found = (entry for entry in list_directory(file.parent) if entry.path == file)
    return next(([entry.size, entry.mtime_ns] for entry in found if not entry.is_folder), None)


def catalog_fingerprint(layout: ArchiveLayout, detector: str, pack: str) -> str:
    """A digest that changes when the catalog of all faces does (`store.catalog.faces.load_catalog`).

    It does with every file, face or vector more or less, and with other thresholds or models.
    """
    years = []
    for store in school_year_stores(layout, detector):
        settings = store.active_settings()
        found = None if settings is None else _part_names(store.detection_parts(settings))
        images, vectors = image_parts(layout, store.year), store.embedding_parts(pack)
        years.append([store.year, _part_names(images), settings, found, _part_names(vectors)])
    return content_digest(detector, pack, layout.year_pattern, layout.year_start, years)


@functools.cache
def program_digest(folder: Path = PACKAGE_FOLDER) -> str:
    """The digest of the program itself: outputs of another version of it are made again.

    That is its code, the templates with what pages of albums contain beside them, and the translations.
    """
    files = sorted(file for file in folder.rglob("*.*") if file.suffix in PROGRAM_FILES)
    return content_digest([(file.relative_to(folder).as_posix(), _hash(file.read_bytes())) for file in files])


def _local_file_signature(file: str) -> list[int] | None:
    """`file_signature` of a local file given as text, which is quicker: an album has tens of thousands."""
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116
        return [status.st_size, status.st_mtime_ns]
    return None


def _part_names(parts: PartDataset) -> list[str]:
    return [file.name for file in parts.files()]


def _has_its_digest(stored: bytes, content: Mapping[str, Any]) -> bool:
    """Whether a record is as it was written; those of the first versions have no digest."""
    if stored.startswith(_DIGEST_FIRST):
        body = stored[len(_DIGEST_FIRST) + 32 + len(_AFTER_DIGEST) :]
        return bool(content[RECORD_DIGEST] == _hash(body))
    return RECORD_DIGEST not in content or content[RECORD_DIGEST] == _digest_of_older_record(content)


def _digest_of_older_record(content: Mapping[str, Any]) -> str:
    plain = {name: value for name, value in content.items() if name != RECORD_DIGEST}
    return _hash(json.dumps(plain, sort_keys=True).encode())


def _frame_digest(thing: object) -> str:
    if not isinstance(thing, pl.DataFrame):
        raise TypeError(f"{type(thing).__name__} has no digest")
    return _hash(f"{thing.schema}".encode() + thing.hash_rows().to_numpy().tobytes())


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
