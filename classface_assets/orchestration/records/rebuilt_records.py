"""New records in Dagster for an archive whose old ones were damaged: what there is, is reported as materialized.

So Dagster's UI shows what there is, and a run with nothing new does nothing: that it is nothing new, the archive's own
fingerprints say.
"""

from collections.abc import Iterable

import dagster as dg

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.store.artifacts.memoization import DamagedRecordError, read_record
from classface_assets.store.catalog.school_year import list_school_years

FROM_FINGERPRINT = {"restored from": "the archive's own record, after Dagster's records were damaged"}


def report_what_there_is(
    instance: dg.DagsterInstance, layout: ArchiveLayout, of_a_year: Iterable[str], of_all: Iterable[str]
) -> int:
    """Report every asset, and every school year of it, of which the archive has a record that it was made.

    Args:
        instance: With new records.
        layout: The archive.
        of_a_year: The assets that the ingest of a school year makes.
        of_all: The assets that are one for all school years.

    Returns:
        How many were reported.
    """
    years, names = list_school_years(layout), names_of(layout)
    ingested = [year for year in years if _is_made(layout, "ingest_year", year)]
    made = [(asset, year) for year in ingested for asset in of_a_year]
    made += [(asset, "") for asset in of_all if _is_made(layout, asset)]
    made += [("albums", year) for year in years if _is_made(layout, "albums", year)]
    for asset, year in made:
        instance.report_runless_asset_event(
            dg.AssetMaterialization(asset_key=names.asset_key(asset), partition=year or None, metadata=FROM_FINGERPRINT)
        )
    return len(made)


def _is_made(layout: ArchiveLayout, name: str, year: str = "") -> bool:
    try:
        read_record(layout.fingerprint_file(name, year))
    except (FileNotFoundError, DamagedRecordError):
        return False
    return True
