"""How an asset is computed only when its inputs changed: fingerprint, cached result, data version."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import dagster as dg

from classface_assets.core.failpoints import Failpoint, reached
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
from classface_assets.store.files.parts import PartDataset


@dataclass(frozen=True)
class Output:
    """What an asset computed.

    Attributes:
        result: As Dagster records it.
        files: Without which it has to be computed again.
        metadata_when_unchanged: What replaces the result's metadata when nothing is done.
        is_complete: False where the next run has to try the rest again.
        digested: The folder of which the files have no checksum of their own, see `InputFingerprint.record`.
        digests: Those of some of these files, which are not read then.
    """

    result: dg.MaterializeResult
    files: Iterable[Location] = ()
    metadata_when_unchanged: Mapping[str, object] = field(default_factory=dict)
    is_complete: bool = True
    digested: Path | None = None
    digests: Mapping[Path, str] = field(default_factory=dict)


def compute_unless_cached(
    fingerprint: InputFingerprint,
    compute: Callable[[], Output],
    *,
    reuse: bool = True,
    tables: Sequence[Location] = (),
) -> dg.MaterializeResult:
    """The result of an asset, computed only where it is not cached under this fingerprint.

    Args:
        fingerprint: Of all the asset's inputs.
        compute: Computes the asset.
        reuse: False to compute it in any case.
        tables: Files that may differ although the inputs are the same, so that they belong to the data version.

    Returns:
        The result with its data version, by which Dagster's UI knows whether what is downstream is out of date; with
        `unchanged` in its metadata where it was cached.
    """
    if reuse and (cached := _cached_metadata(fingerprint)) is not None:
        return dg.MaterializeResult(
            metadata={**cached, "unchanged": True}, data_version=_data_version(fingerprint, tables)
        )
    output = compute()
    reached(Failpoint.OUTPUT_COMPUTED)
    if not output.is_complete:
        return output.result
    metadata = {**(output.result.metadata or {}), **output.metadata_when_unchanged}
    fingerprint.record(
        {name: _to_json(value) for name, value in metadata.items()}, output.files, output.digested, output.digests
    )
    reached(Failpoint.OUTPUT_RECORDED)
    return with_data_version(output.result, _data_version(fingerprint, tables))


def with_data_version(result: dg.MaterializeResult, version: dg.DataVersion) -> dg.MaterializeResult:
    """The same result with a data version."""
    return dg.MaterializeResult(
        metadata=result.metadata, check_results=list(result.check_results or ()), data_version=version
    )


def parts_version(*datasets: PartDataset) -> dg.DataVersion:
    """The data version of Parquet parts: no part is ever changed, so their names stand for their rows."""
    return dg.DataVersion(content_digest([[file.name for file in dataset.files()] for dataset in datasets]))


def input_fingerprint(layout: ArchiveLayout, asset: str, *inputs: object, year: str = "") -> InputFingerprint:
    """The fingerprint of an asset, or of one school year of it.

    Args:
        layout: The archive.
        asset: Under which name the fingerprint is stored.
        *inputs: All that the asset depends on, beside the version of this program: numbers, texts, lists, mappings,
            and frames.
        year: For an asset that is partitioned by school year.
    """
    return InputFingerprint(
        layout.fingerprint_file(asset, year), content_digest(program_digest(), *inputs), (layout.data, layout.local)
    )


def archive_state(archive: Archive, models: Models) -> tuple[str, LastEvent | None]:
    """The version of the catalog with the embeddings of the pack in use, and the last event of the ledger."""
    pack = models.describe(archive.layout)
    return catalog_fingerprint(archive.layout, pack.detector_version, pack.key), archive.open_ledger().last()


def state_of_clustering(archive: Archive, models: Models) -> TableInputs:
    """The state by which the rest of a run is computed: the catalog as it is, the ledger as the clustering read it.

    Events that were added since `cluster_assignments` was computed count at the next run.

    Raises:
        FileNotFoundError: That table does not exist yet.
    """
    catalog, last = archive_state(archive, models)
    inputs = read_table_inputs(archive.layout.table("cluster_assignments"))
    return TableInputs(catalog, last if inputs is None else inputs.last)


def database_fingerprint(layout: ArchiveLayout, state: tuple[str, object]) -> InputFingerprint:
    """Of the DuckDB file, which two assets write: its inputs are the catalog, the ledger and the identities."""
    return input_fingerprint(layout, "database", state, file_signature(layout.table("identities")))


def _cached_metadata(fingerprint: InputFingerprint) -> dict[str, dg.MetadataValue] | None:
    metadata = fingerprint.cached_metadata()
    if metadata is None:
        return None
    return {name: getattr(dg, kind)(value) if kind else value for name, (kind, value) in metadata.items()}


def _data_version(fingerprint: InputFingerprint, tables: Sequence[Location]) -> dg.DataVersion:
    return dg.DataVersion(content_digest(fingerprint.made_of, [file_signature(table) for table in tables]))


def _to_json(value: object) -> tuple[str, object]:
    """A piece of metadata as JSON holds it: the name of its Dagster class where it has one, and its value."""
    return (type(value).__name__, value.value) if isinstance(value, dg.MetadataValue) else ("", value)
