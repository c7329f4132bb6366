"""Which model packs an archive was made with, by what it has recorded: no pack has to be there or named to know it."""

from collections.abc import Iterator

import dagster as dg

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout, decode_folder_name
from classface_assets.orchestration.settings.archive_names import names_of
from classface_assets.store.artifacts.assignment_tables import read_table_inputs
from classface_assets.store.artifacts.memoization import catalog_fingerprint
from classface_assets.store.catalog.school_year import embedding_version, list_school_years
from classface_assets.store.files.deletion import list_subfolders
from classface_assets.store.files.parquet import DamagedFileError
from classface_assets.store.maintenance.pruning import ActivePack

TABLES = ("identities", "cluster_assignments")


class UnknownPackError(UserError):
    """The archive holds data of several model packs, and no record of which of them it uses."""


def own_packs(layout: ArchiveLayout, instance: dg.DagsterInstance) -> list[ActivePack]:
    """The model packs that the archive uses: of the published tables, and of the last embedding of each school year.

    Where neither is recorded, as before the first run has ended, it is the only one whose data are stored.

    Args:
        layout: The archive.
        instance: Where Dagster recorded its runs.

    Returns:
        Sorted; empty where nothing is stored.

    Raises:
        UnknownPackError: Data of several packs are stored, and nothing says which of them is used.
    """
    stored = stored_packs(layout)
    published = [pack for pack in stored if _is_published(layout, pack)]
    embedded = _embedded_packs(layout, instance)
    of_unknown_detector = {vectors for vectors, detector in embedded if not detector}
    of_unknown_detector -= {pack.vectors for pack in published}
    found = [
        pack
        for pack in stored
        if pack in published or (pack.vectors, pack.detector) in embedded or pack.vectors in of_unknown_detector
    ]
    if found or not stored:
        return found
    if len(stored) > 1:
        names = " and ".join(embedding_version(pack.detector, pack.vectors) for pack in stored)
        raise UnknownPackError(
            f"{layout.data} holds data of several model packs ({names}), and no record says which of them is used; "
            "nothing was removed. Name the one in use with --pack, and others that stay with --keep."
        )
    return stored


def stored_packs(layout: ArchiveLayout) -> list[ActivePack]:
    """The packs whose vectors are stored, or whose faces are, where no vectors of that detector are yet."""
    detectors = sorted(map(decode_folder_name, list_subfolders(layout.parts("detections"))), key=len, reverse=True)
    packs = []
    for version in sorted(map(decode_folder_name, list_subfolders(layout.parts("embeddings")))):
        detector = next((one for one in detectors if version.endswith(f" {one}")), version.rpartition(" ")[2])
        packs.append(ActivePack(detector, version[: -len(detector) - 1]))
    embedded = {pack.detector for pack in packs}
    return [*packs, *(ActivePack(detector, "") for detector in sorted(detectors) if detector not in embedded)]


def _is_published(layout: ArchiveLayout, pack: ActivePack) -> bool:
    return catalog_fingerprint(layout, pack.detector, pack.vectors) in set(_published_facts(layout))


def _published_facts(layout: ArchiveLayout) -> Iterator[str]:
    """The digests of the catalogs that the tables of assignments were made of."""
    for table in TABLES:
        try:
            inputs = read_table_inputs(layout.table(table))
        except (FileNotFoundError, DamagedFileError):
            continue
        if inputs is not None:
            yield inputs.facts


def _embedded_packs(layout: ArchiveLayout, instance: dg.DagsterInstance) -> set[tuple[str, str]]:
    """Key and detector of the packs that embedded the faces of the school years last, as Dagster shows them.

    The detector is "" where an older version of the program did not record it.
    """
    packs = set()
    for year in list_school_years(layout):
        asset = dg.AssetRecordsFilter(names_of(layout).asset_key("embeddings"), asset_partitions=[year])
        for record in instance.fetch_materializations(asset, limit=1).records:
            metadata = record.asset_materialization.metadata if record.asset_materialization else {}
            key, detector = (
                str(metadata[name].value) if name in metadata else "" for name in ("model_pack", "detector")
            )
            if key:
                packs.add((key, detector))
    return packs
