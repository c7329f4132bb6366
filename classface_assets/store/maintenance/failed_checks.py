"""School years of which a check that blocks failed: while there is one, nothing is made of all school years together.

Dagster stops what comes after such a check in the same run, and knows the state of a check for an asset alone, not for
each of its school years. So it is recorded beside the parts, where every run on every machine sees it. The year's next
run, in which the check passes, removes the record.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.languages import sentence
from classface_assets.core.layout import ArchiveLayout, encode_folder_name
from classface_assets.core.locations import Location, list_directory, remove_file
from classface_assets.store.catalog.faces import FaceCatalog
from classface_assets.store.maintenance.damage import UNIT_LENGTH_TOLERANCE


class BlockingCheck(StrEnum):
    """Checks of a school year that are looked at again where all years are read together."""

    NO_FACE_TWICE = "no_face_twice"
    FINITE = "vectors_are_finite"
    UNIT_LENGTH = "vectors_have_unit_length"

    @property
    def asset(self) -> str:
        """The asset of the check."""
        return "detections" if self is BlockingCheck.NO_FACE_TWICE else "embeddings"


class FailedChecksError(UserError):
    """A check that blocks failed in a school year, so nothing is made of all school years together."""


@dataclass(frozen=True)
class FailedChecks:
    """The checks of an asset that failed in a school year.

    Attributes:
        asset: Name of the asset.
        year: The school year.
        checks: Names of the checks.
    """

    asset: str
    year: str
    checks: tuple[str, ...]


def failed_checks(layout: ArchiveLayout) -> list[FailedChecks]:
    """What is recorded of all school years, by year."""
    return sorted(_read(layout), key=lambda one: (one.year, one.asset))


def record_checks(layout: ArchiveLayout, asset: str, year: str, failed: Collection[str]) -> None:
    """Record which of an asset's checks that block failed in a school year; without any, that all passed."""
    file = _file(layout, asset, year)
    if failed:
        content = json.dumps({"asset": asset, "year": year, "checks": sorted(failed)}).encode()
        write_file(file, lambda out: out.write(content))
    else:
        remove_file(file)


def require_passed_checks(layout: ArchiveLayout) -> None:
    """Refuse to go on while a check that blocks has failed in any school year.

    Raises:
        FailedChecksError: It has.
    """
    failed = failed_checks(layout)
    if failed:
        raise FailedChecksError(
            sentence(
                "Nothing is made of the faces of all school years, and what is published stays as it is, for checks "
                "failed: %(checks)s. Run `classface run`, or images, detections and embeddings of that school year in "
                "Dagster: what is broken is made again.",
                checks="; ".join(f"{one.year}: {', '.join(one.checks)} ({one.asset})" for one in failed),
            )
        )


def require_sound_catalog(layout: ArchiveLayout, catalog: FaceCatalog) -> None:
    """Refuse a catalog in which a face is there twice, or a vector is not finite or not of unit length.

    Raises:
        FailedChecksError: It is, or a check that blocks failed in the last run of a school year.
    """
    faces, vectors = catalog.faces, catalog.vectors
    if faces.height:
        twice = faces["face_id"].is_duplicated()
        _record(layout, BlockingCheck.NO_FACE_TWICE, faces["school_year"].filter(twice))
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))
        broken = ~(np.abs(lengths - 1) < UNIT_LENGTH_TOLERANCE)  # true of what is not a number
        check = BlockingCheck.UNIT_LENGTH if np.isfinite(lengths).all() else BlockingCheck.FINITE
        _record(layout, check, faces["school_year"].filter(pl.Series(broken)))
    require_passed_checks(layout)


def _record(layout: ArchiveLayout, check: BlockingCheck, years: pl.Series) -> None:
    """Record the check of these school years as failed, so that their next run makes anew what is broken."""
    for year in years.unique():
        record_checks(layout, check.asset, year, [check.value])


def _file(layout: ArchiveLayout, asset: str, year: str) -> Location:
    return layout.failed_checks / f"{asset} {encode_folder_name(year)}.json"


def _read(layout: ArchiveLayout) -> Iterator[FailedChecks]:
    for entry in list_directory(layout.failed_checks):
        try:
            found = json.loads(read_file(entry.path))
            yield FailedChecks(str(found["asset"]), str(found["year"]), tuple(found["checks"]))
        except (FileNotFoundError, IsADirectoryError):
            continue
        except (ValueError, KeyError, TypeError):  # the check failed whatever else was written
            asset, _, year = entry.path.stem.partition(" ")
            yield FailedChecks(asset, year, ())
