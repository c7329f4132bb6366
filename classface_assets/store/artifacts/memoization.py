"""Stamps: what an output was made of, noted so that it is not made again of the same.

A stamp is a small JSON file on this machine: a digest of all that went in, every file that came out with its size and
time of change, and what was told of them. It holds as long as all of that is so. A part is never changed and its name
never comes back, so the names of the parts stand for what is in them.
"""

import functools
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from importlib.resources import files
from pathlib import Path
from typing import Any

import polars as pl

from classface_assets.core.atomic_files import write_file
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, list_directory
from classface_assets.store.catalog.school_year import (
    active_detection_settings,
    detection_parts,
    embedding_parts,
    image_parts,
    list_school_years,
)
from classface_assets.store.files.parts import PartDataset

PACKAGE_FOLDER = Path(str(files("classface_assets")))


@dataclass(frozen=True)
class InputFingerprint:
    """The stamp kept in `file`, for an output to be made of what `made_of` is the digest of.

    Outputs are known by their place below one of `roots`: an archive that is moved keeps its stamps, and a copy's stamp
    does not speak of the original's files.
    """

    file: Path
    made_of: str
    roots: tuple[Location, ...]

    def cached_metadata(self) -> dict[str, Any] | None:
        """What was told of the output when it was made of just this and is still there; None: it is to be made.

        A stamp that no longer holds is removed at once, so that a run killed while it writes leaves none behind.
        """
        with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            noted = json.loads(self.file.read_text(encoding="utf-8"))
            if noted["made_of"] == self.made_of and noted["outputs"] == self._outputs(noted["outputs"]):
                return dict(noted["told"])
        self.file.unlink(missing_ok=True)
        return None

    def record(self, told: Mapping[str, Any], outputs: Iterable[Location]) -> None:
        """Note what was made, and what is told of it. Raises StorageError, and ValueError for a file of no root."""
        noted = {"made_of": self.made_of, "told": told, "outputs": self._outputs(map(self._name, outputs))}
        write_file(self.file, lambda out: out.write(json.dumps(noted).encode()))

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


def content_digest(*things: object) -> str:
    """Of numbers, texts, lists and mappings: the same only for the same. A frame stands for its rows in their order."""
    return _hash(json.dumps(things, sort_keys=True, default=_frame_digest).encode())


def file_signature(file: Location) -> list[int] | None:
    """Size and time of change of a file; None when it is not there."""
    if isinstance(file, Path):
        return _local_file_signature(str(file))
    found = (entry for entry in list_directory(file.parent) if entry.path == file)
    return next(([entry.size, entry.mtime_ns] for entry in found if not entry.is_folder), None)


def catalog_fingerprint(layout: ArchiveLayout, detector: str, pack: str) -> str:
    """Changes when what `gather` reads does: a file, a face or a vector more or less, other thresholds or models."""
    years = []
    for year in list_school_years(layout):
        settings = active_detection_settings(layout, detector, year)
        found = None if settings is None else _part_names(detection_parts(layout, detector, year, settings))
        vectors = embedding_parts(layout, detector, pack, year)
        years.append([year, _part_names(image_parts(layout, year)), settings, found, _part_names(vectors)])
    return content_digest(detector, pack, layout.year_pattern, layout.year_start, years)


@functools.cache
def program_digest(folder: Path = PACKAGE_FOLDER) -> str:
    """Of the program itself, code and templates: what another version of it made is made anew."""
    files = sorted(file for ending in ("*.py", "*.j2", "*.css") for file in folder.rglob(ending))
    return content_digest([(file.relative_to(folder).as_posix(), _hash(file.read_bytes())) for file in files])


def _local_file_signature(file: str) -> list[int] | None:
    """The same of a local file, as text: there are tens of thousands in an album."""
    with suppress(OSError):
        status = os.stat(file)  # noqa: PTH116
        return [status.st_size, status.st_mtime_ns]
    return None


def _part_names(parts: PartDataset) -> list[str]:
    return [file.name for file in parts.files()]


def _frame_digest(thing: object) -> str:
    if not isinstance(thing, pl.DataFrame):
        raise TypeError(f"{type(thing).__name__} has no digest")
    return _hash(f"{thing.schema}".encode() + thing.hash_rows().to_numpy().tobytes())


def _hash(content: bytes) -> str:
    return blake2b(content, digest_size=16).hexdigest()
