"""What each asset, and each school year of it, was last materialized with, as Dagster has recorded it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import dagster as dg

from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, asset_name
from classface_assets.orchestration.updates.record import UPDATE_TAG

PAGE_SIZE = 100  # materializations come with their pictures


@dataclass(frozen=True)
class Made:
    """One materialization.

    Attributes:
        asset: Name of the asset.
        school_year: Its school year; None for an asset over all years.
        at: When, in ISO format, UTC.
        run_id: The run.
        update_id: The update that the run belongs to; "" where it belongs to none.
        data_version: Changes with the data.
        unchanged: Whether it was found as it was, and nothing was computed.
        numbers: What it counted, by name.
    """

    asset: str
    school_year: str | None
    at: str
    run_id: str
    update_id: str
    data_version: str
    unchanged: bool
    numbers: dict[str, int | float]


def last_made(instance: dg.DagsterInstance, update_id: str = "", names: ArchiveNames = ALONE) -> list[Made]:
    """The last materialization of each asset and school year, by asset and year.

    Args:
        instance: Where they are recorded.
        update_id: Only those of this update; "" for all.
        names: Of the archive.
    """
    updates = {
        record.dagster_run.run_id: record.dagster_run.tags.get(UPDATE_TAG, "") for record in names.run_records(instance)
    }
    made = [
        _made(asset, record, updates.get(record.run_id, ""))
        for asset in names.recorded_keys(instance)
        for record in _latest(instance, asset)
    ]
    return sorted(
        (one for one in made if update_id in ("", one.update_id)), key=lambda one: (one.asset, one.school_year or "")
    )


def _latest(instance: dg.DagsterInstance, asset: dg.AssetKey) -> Iterator[dg.EventLogRecord]:
    """The last materialization of each of its school years."""
    seen: set[str | None] = set()
    cursor = None
    while True:
        page = instance.fetch_materializations(asset, limit=PAGE_SIZE, cursor=cursor)
        for record in page.records:
            if record.partition_key not in seen:
                seen.add(record.partition_key)
                yield record
        if not page.has_more:
            return
        cursor = page.cursor


def _made(asset: dg.AssetKey, record: dg.EventLogRecord, update_id: str) -> Made:
    materialization = record.asset_materialization
    metadata = {} if materialization is None else {key: one.value for key, one in materialization.metadata.items()}
    tags = {} if materialization is None else materialization.tags or {}
    return Made(
        asset=asset_name(asset),
        school_year=record.partition_key,
        at=datetime.fromtimestamp(record.timestamp, UTC).isoformat(timespec="seconds"),
        run_id=record.run_id,
        update_id=update_id,
        data_version=tags.get("dagster/data_version", ""),
        unchanged=metadata.get("unchanged") is True,
        numbers={k: v for k, v in metadata.items() if isinstance(v, int | float) and not isinstance(v, bool)},
    )
