"""Portraits that people were enrolled with: reference pictures of a person that are not photos of the archive.

The person of each portrait is in the ledger. Stored here are the chip, and for each model pack its vector, which can be
made again; the uploaded picture itself is not stored.
"""

from collections.abc import Callable, Iterable, Mapping, Set
from datetime import UTC, datetime
from hashlib import sha256

import numpy as np
import polars as pl

from classface_assets.core.arrays import unit_mean
from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.core.locations import Location, list_directory, remove_file
from classface_assets.store.files.parquet import DamagedFileError, read_parquet
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.model.decisions import Portrait


def portrait_parts(layout: ArchiveLayout, pack: str) -> PartDataset:
    """The portraits' vectors of one model pack."""
    return PartDataset(layout.parts("portraits", pack), ("face_id", "person_id"))


def portrait_chip_file(layout: ArchiveLayout, portrait: Portrait) -> Location:
    """Where the chip of a portrait lies. Like the ledger, it cannot be made again."""
    person_id, face_id = portrait
    return _person_folder(layout, person_id) / f"{encode_folder_name(face_id)}.jpg"


def save_portrait(layout: ArchiveLayout, pack: str, portrait: Portrait, vector: np.ndarray, chip: bytes) -> None:
    """Store a portrait.

    Args:
        layout: The archive.
        pack: The key of the model pack that made the vector.
        portrait: (person id, face id).
        vector: (d,) float32, of unit length.
        chip: The upright picture of the face alone, JPEG.
    """
    write_file(portrait_chip_file(layout, portrait), lambda out: out.write(chip))
    _save_vectors(portrait_parts(layout, pack), {portrait: chip}, vector[None])


def portrait_vectors(layout: ArchiveLayout, pack: str, portraits: Iterable[Portrait]) -> np.ndarray:
    """The vectors (n, d) float32 of those portraits that have one of this pack; (0, 0) where there are none."""
    found = [v for v in _read_vectors(portrait_parts(layout, pack), list(portraits)) if v is not None]
    return np.stack(found) if found else np.zeros((0, 0), np.float32)


def portrait_means(
    layout: ArchiveLayout, pack: str, people: Mapping[str, tuple[Portrait, ...]]
) -> dict[str, np.ndarray]:
    """Person id → the mean vector (d,) of their portraits, of those that the pack has embedded."""
    vectors = {person: portrait_vectors(layout, pack, portraits) for person, portraits in people.items()}
    return {person: unit_mean(of_person) for person, of_person in vectors.items() if len(of_person)}


def portrait_prototypes(
    layout: ArchiveLayout,
    pack: str,
    people: Mapping[str, tuple[Portrait, ...]],
    embed: Callable[[list[bytes]], np.ndarray],
) -> tuple[dict[str, np.ndarray], int]:
    """The prototype of each person who was enrolled with portraits.

    Args:
        layout: The archive.
        pack: The key of the model pack.
        people: Person id → their portraits.
        embed: Makes vectors (n, d) from chips; called for the portraits that this pack has not embedded yet.

    Returns:
        Person id → the unit mean (d,) of their portraits, and how many portraits are lost: those whose chip is not in
        the data folder, as when the ledger was moved to another one.
    """
    every = [portrait for portraits in people.values() for portrait in portraits]
    parts = portrait_parts(layout, pack)
    known = {p: v for p, v in zip(every, _read_vectors(parts, every), strict=True) if v is not None}
    chips = {p: chip for p in every if p not in known and (chip := _read_chip(portrait_chip_file(layout, p)))}
    if chips:
        made = embed(list(chips.values()))
        _save_vectors(parts, chips, made)
        known |= dict(zip(chips, made, strict=True))
    shown = {person: [known[p] for p in portraits if p in known] for person, portraits in people.items()}
    return {person: unit_mean(vectors) for person, vectors in shown.items() if vectors}, len(every) - len(known)


def portrait_chips(layout: ArchiveLayout, persons: Set[str]) -> list[Location]:
    """The chip files of all portraits that these people were ever enrolled with."""
    return [e.path for person in sorted(persons) for e in list_directory(_person_folder(layout, person))]


def remove_portrait_chips(layout: ArchiveLayout, persons: Set[str]) -> int:
    """Delete the chips of all portraits of these people; returns how many there were."""
    chips = portrait_chips(layout, persons)
    for chip in chips:
        remove_file(chip)
    return len(chips)


def all_portrait_parts(layout: ArchiveLayout) -> list[PartDataset]:
    """The portraits' vectors of every model pack."""
    folders = [e.path for e in list_directory(layout.parts("portraits")) if e.is_folder]
    return [PartDataset(folder, ("face_id", "person_id")) for folder in folders]


def portraits_folder(layout: ArchiveLayout) -> Location:
    """Where the chips of all portraits lie, in a folder for each person."""
    return layout.data / "portraits"


def portrait_chip_digests(layout: ArchiveLayout) -> dict[str, str]:
    """The path of each portrait's chip → the SHA-256 that it had when it was first embedded.

    Portraits that only older versions embedded, and those in parts that are damaged, are left out.
    """
    found: dict[str, str] = {}
    for file in (file for parts in all_portrait_parts(layout) for file in parts.files()):
        try:
            rows = read_parquet(file, ["person_id", "face_id", "chip_sha256", "created_at"])
        except (DamagedFileError, FileNotFoundError):
            continue
        if "chip_sha256" not in rows.columns:
            continue
        for person, face, digest in rows.sort("created_at").select("person_id", "face_id", "chip_sha256").iter_rows():
            found.setdefault(str(portrait_chip_file(layout, (person, face))), digest)
    return {path: digest for path, digest in found.items() if digest}


def _person_folder(layout: ArchiveLayout, person_id: str) -> Location:
    return portraits_folder(layout) / encode_folder_name(person_id)


def _read_vectors(parts: PartDataset, portraits: list[Portrait]) -> list[np.ndarray | None]:
    if not portraits or not parts.files():
        return [None] * len(portraits)
    rows = parts.read_matching("face_id", [face for _, face in portraits], ["person_id", "face_id", "vector"])
    if not rows.width:
        return [None] * len(portraits)
    known = dict(zip(rows.select("person_id", "face_id").iter_rows(), rows["vector"].to_numpy(), strict=True))
    return [known.get(portrait) for portrait in portraits]


def _save_vectors(parts: PartDataset, chips: Mapping[Portrait, bytes], vectors: np.ndarray) -> None:
    """Store the vectors (n, d) of portraits, and the digests of the chips that they were made of."""
    now = datetime.now(UTC).replace(tzinfo=None)
    rows = pl.DataFrame(
        [(*portrait, sha256(chip).hexdigest()) for portrait, chip in chips.items()],
        schema=["person_id", "face_id", "chip_sha256"],
        orient="row",
    ).with_columns(created_at=pl.lit(now))
    parts.append(rows.with_columns(pl.Series("vector", vectors, dtype=pl.Array(pl.Float32, vectors.shape[1]))))


def _read_chip(file: Location) -> bytes | None:
    try:
        return read_file(file)
    except FileNotFoundError:
        return None
