"""The ids that older versions gave to photos: digests of their files' bytes, which any edit of the metadata changes.

A file that is unchanged has that id as its digest, so its rows and the decisions about it are found again.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from classface_assets.core.locations import remove_file
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.files.parts import PartDataset
from classface_assets.store.files.several_datasets import held_ids

FACE_KEY = ["asset_id", "face_id"]


@dataclass(frozen=True)
class FormerIds:
    """The former ids of some photos.

    Attributes:
        current: Former id → asset id of today.
        first: Asset id of today → the former ids of its files, in the order of their paths: two files that differed in
            their metadata alone were two photos.
        orientation: Former id → the EXIF orientation of its file, unchanged since faces were detected in it.
    """

    current: Mapping[str, str] = field(default_factory=dict)
    first: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    orientation: Mapping[str, int] = field(default_factory=dict)

    @property
    def ids(self) -> set[str]:
        """All former ids, and those that their photos have now."""
        return self.current.keys() | self.first.keys()


def former_ids(images: pl.DataFrame) -> FormerIds:
    """The former ids of the photos among some files.

    Args:
        images: Some columns of IMAGES; without `file_digest`, as older versions wrote them, there are no former ids.
    """
    if "file_digest" not in images.columns:
        return FormerIds()
    order = [name for name in ("school_year", "path") if name in images.columns]
    known = images.filter(pl.col("file_digest") != pl.col("asset_id")).sort(order)
    pairs = known.select("file_digest", "asset_id").unique(maintain_order=True)
    grouped = pairs.group_by("asset_id", maintain_order=True).agg("file_digest")
    turned = known.select("file_digest", "orientation").iter_rows() if "orientation" in known.columns else ()
    return FormerIds(dict(pairs.iter_rows()), {new: tuple(old) for new, old in grouped.iter_rows()}, dict(turned))


def renamed_photos(images: pl.DataFrame, named: Collection[str]) -> list[tuple[str, str]]:
    """The photos that the ledger or the list of erased people still knows by former ids.

    Args:
        images: The files (IMAGES) of all school years.
        named: Every asset id in the ledger and that list.

    Returns:
        (Former id, asset id of today), sorted.
    """
    known = set(named)
    return sorted((old, new) for old, new in former_ids(images).current.items() if old in known)


def map_to_current_ids(rows: pl.DataFrame, former: FormerIds) -> pl.DataFrame:
    """Detection rows under the ids that their photos have now.

    Of a picture that was two photos only the faces of one are retained: those that have its new id already, else those
    of its first file in which faces were detected.

    Args:
        rows: asset_id, face_id and any other columns.
        former: The former ids of the photos.
    """
    there = set(rows["asset_id"].unique()) if rows.width else set()
    taken, left_out = _choose_former_ids(there, former)
    if not taken and not left_out:
        return rows
    retained = rows.filter(~pl.col("asset_id").is_in(list(left_out)))
    renamed = retained.with_columns(
        pl.col("asset_id").replace(taken), pl.col("asset_id").is_in(list(taken)).alias("renamed")
    )
    # Killed while it rewrote them, a run leaves some rows under both ids.
    return (
        renamed.sort("renamed", maintain_order=True).unique(FACE_KEY, keep="first", maintain_order=True).drop("renamed")
    )


def rewrite_former_ids(parts: PartDataset, former: FormerIds) -> int:
    """Rewrite the parts that hold rows under former ids, one after the other.

    The new part is there before the old one goes: killed at any moment, the next call goes on.

    Returns:
        How many parts were rewritten.
    """
    held = {file: set(read_parquet(file, ["asset_id"])["asset_id"].unique()) for file in parts.files()}
    taken, left_out = _choose_former_ids(set().union(*held.values()), former)
    stale = [file for file, ids in held.items() if ids & (taken.keys() | left_out)]
    for file in stale:
        rows = read_parquet(file).filter(~pl.col("asset_id").is_in(list(left_out)))
        parts.append(_with_current_ids(rows, taken, former))
        remove_file(file)
    return len(stale)


def superseded_faces(parts: PartDataset, former: FormerIds) -> set[str]:
    """The face ids that `rewrite_former_ids` leaves out: those of a picture that was two photos, detected twice."""
    rows = parts.read(FACE_KEY)
    _, left_out = _choose_former_ids(set(rows["asset_id"].unique()) if rows.width else (), former)
    return set(rows.filter(pl.col("asset_id").is_in(list(left_out)))["face_id"].drop_nulls()) if left_out else set()


def copy_former_rows(
    own: PartDataset,
    others: Sequence[PartDataset],
    former: FormerIds,
    photos: set[str],
    held: Iterable[Collection[str]] | None = None,
) -> set[str]:
    """Copy the rows of some photos that other datasets hold under former ids.

    Args:
        own: The dataset to append to.
        others: The datasets to copy from, in this order.
        former: The former ids of the photos.
        photos: The asset ids whose rows are missing.
        held: For each of the others those of `former.ids` that it holds; None to look.

    Returns:
        The asset ids that no other dataset holds.
    """
    missing = set(photos)
    if not missing or not former.current:
        return missing
    for other, there in zip(others, held_ids(others, "asset_id", former.ids) if held is None else held, strict=True):
        taken = {old: new for old, new in _choose_former_ids(there, former)[0].items() if new in missing}
        if taken:
            for rows in other.scan():
                theirs = rows.filter(pl.col("asset_id").is_in(list(taken)))
                own.append(_with_current_ids(theirs, taken, former))
            missing -= set(taken.values())
        if not missing:
            break
    return missing


def _with_current_ids(rows: pl.DataFrame, taken: Mapping[str, str], former: FormerIds) -> pl.DataFrame:
    """Whole rows as this version would have written them."""
    turned = {old: former.orientation[old] for old in taken if old in former.orientation}
    known = pl.col("asset_id").replace_strict(turned, default=None, return_dtype=pl.Int16)
    had = pl.col("orientation") if "orientation" in rows.columns else pl.lit(None, pl.Int16)
    return rows.with_columns(pl.coalesce(had, known).alias("orientation")).with_columns(
        pl.col("asset_id").replace(taken)
    )


def _choose_former_ids(there: Collection[str], former: FormerIds) -> tuple[dict[str, str], set[str]]:
    """For the asset ids of some rows: former ids → those of today, and the former ids whose rows are left out."""
    taken: dict[str, str] = {}
    left_out: set[str] = set()
    for new in {former.current[old] for old in there if old in former.current}:
        olds = former.first[new]
        chosen = olds[0] if new in there else next(old for old in olds if old in there)
        taken |= {chosen: new} if chosen in there else {}
        left_out |= {old for old in olds if old in there and old != chosen}
    return taken, left_out
