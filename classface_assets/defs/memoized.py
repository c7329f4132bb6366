"""How an asset passes over what was made of the same before: its stamp, and the result told again."""

from collections.abc import Iterable

import dagster as dg

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.assignment_tables import LastEvent, TableInputs, read_table_inputs
from classface_assets.store.artifacts.memoization import (
    InputFingerprint,
    catalog_fingerprint,
    content_digest,
    file_signature,
    program_digest,
)


def input_fingerprint(layout: ArchiveLayout, asset: str, *made_of: object, year: str = "") -> InputFingerprint:
    """The stamp of an asset, or of its school year, to be made of this by this version of the program."""
    return InputFingerprint(
        layout.fingerprint_file(asset, year), content_digest(program_digest(), *made_of), (layout.data, layout.local)
    )


def archive_state(archive: Archive, models: Models) -> tuple[str, LastEvent | None]:
    """What stands for all faces with their vectors of the pack in use, and for all that people decided."""
    pack = models.describe(archive.layout)
    return catalog_fingerprint(archive.layout, pack.detector_version, pack.key), archive.open_ledger().last()


def state_of_clustering(archive: Archive, models: Models) -> TableInputs:
    """The same, but of what people decided only that by which `cluster_assignments` was made: what they said since
    then counts at the next run. Raises FileNotFoundError before there is that table."""
    facts, last = archive_state(archive, models)
    noted = read_table_inputs(archive.layout.table("cluster_assignments"))
    return TableInputs(facts, last if noted is None else noted.last)


def database_fingerprint(layout: ArchiveLayout, state: tuple[str, object]) -> InputFingerprint:
    """The stamp of the DuckDB file, which two assets write: made of all facts, the decisions and the identities."""
    return input_fingerprint(layout, "database", state, file_signature(layout.table("identities")))


def cached_result(stamp: InputFingerprint) -> dg.MaterializeResult | None:
    """The result as it was told when the output was made, with `unchanged`; None when it is to be made."""
    told = stamp.cached_metadata()
    if told is None:
        return None
    metadata = {name: getattr(dg, kind)(value) if kind else value for name, (kind, value) in told.items()}
    return dg.MaterializeResult(metadata={**metadata, "unchanged": True})


def record_result(
    stamp: InputFingerprint, result: dg.MaterializeResult, outputs: Iterable[Location], **when_unchanged: object
) -> dg.MaterializeResult:
    """The same result, once it is noted with its outputs, and with what is to be told instead when nothing is done."""
    metadata = {**(result.metadata or {}), **when_unchanged}
    stamp.record({name: _to_json(value) for name, value in metadata.items()}, outputs)
    return result


def _to_json(value: object) -> tuple[str, object]:
    """A piece of metadata as JSON holds it: the name of its Dagster class where it has one, and its value."""
    return (type(value).__name__, value.value) if isinstance(value, dg.MetadataValue) else ("", value)
