"""How an asset passes over what was made of the same before: its stamp, and the result told again."""

from collections.abc import Iterable

import dagster as dg

from classface_assets.core.layout import Layout
from classface_assets.core.locations import Place
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.assignment_tables import LastEvent, MadeOf, made_of
from classface_assets.store.artifacts.memoization import Stamp, digest, facts_digest, program_digest, seen


def stamp_of(layout: Layout, asset: str, *made_of: object, year: str = "") -> Stamp:
    """The stamp of an asset, or of its school year, to be made of this by this version of the program."""
    return Stamp(layout.stamp(asset, year), digest(program_digest(), *made_of), (layout.data, layout.local))


def archive_state(archive: Archive, models: Models) -> tuple[str, LastEvent | None]:
    """What stands for all faces with their vectors of the pack in use, and for all that people decided."""
    pack = models.describe(archive.layout)
    return facts_digest(archive.layout, pack.detector_version, pack.key), archive.open_ledger().last()


def state_of_run(archive: Archive, models: Models) -> MadeOf:
    """The same, but of what people decided only that by which `cluster_assignments` was made: what they said since
    then counts at the next run. Raises FileNotFoundError before there is that table."""
    facts, last = archive_state(archive, models)
    noted = made_of(archive.layout.table("cluster_assignments"))
    return MadeOf(facts, last if noted is None else noted.last)


def database_stamp(layout: Layout, state: tuple[str, object]) -> Stamp:
    """The stamp of the DuckDB file, which two assets write: made of all facts, the decisions and the identities."""
    return stamp_of(layout, "database", state, seen(layout.table("identities")))


def unchanged(stamp: Stamp) -> dg.MaterializeResult | None:
    """The result as it was told when the output was made, with `unchanged`; None when it is to be made."""
    told = stamp.told()
    if told is None:
        return None
    metadata = {name: getattr(dg, kind)(value) if kind else value for name, (kind, value) in told.items()}
    return dg.MaterializeResult(metadata={**metadata, "unchanged": True})


def stamped(
    stamp: Stamp, result: dg.MaterializeResult, outputs: Iterable[Place], **when_unchanged: object
) -> dg.MaterializeResult:
    """The same result, once it is noted with its outputs, and with what is to be told instead when nothing is done."""
    metadata = {**(result.metadata or {}), **when_unchanged}
    stamp.put({name: _plain(value) for name, value in metadata.items()}, outputs)
    return result


def _plain(value: object) -> tuple[str, object]:
    """A piece of metadata as JSON holds it: the name of its Dagster class where it has one, and its value."""
    return (type(value).__name__, value.value) if isinstance(value, dg.MetadataValue) else ("", value)
