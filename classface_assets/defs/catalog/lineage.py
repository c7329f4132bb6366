"""Which column comes from which, where a column is handed on as it is or joined: not where it is computed."""

from collections.abc import Mapping, Sequence

import dagster as dg

from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.orchestration.settings.archive_names import ALONE, ArchiveNames, asset_name

_PHOTO_COLUMNS = (
    *("asset_id", "school_year", "path", "width", "height", "taken_at", "status", "reason", "taken_at_source"),
    *("utc_offset", "file_digest", "taken_at_doubt", "orientation", "page"),
)


def _handed_on(asset: str, columns: Sequence[str]) -> dict[str, list[dg.TableColumnDep]]:
    return {column: [dg.TableColumnDep(asset_key=asset, column_name=column)] for column in columns}


_LINEAGE: Mapping[str, Mapping[str, Sequence[dg.TableColumnDep]]] = {
    "detections": _handed_on("images", ["asset_id"]),
    "embeddings": {
        **_handed_on("detections", ["face_id"]),
        "vector": [dg.TableColumnDep(asset_key="detections", column_name="chip")],
    },
    "face_tables": {**_handed_on("images", _PHOTO_COLUMNS), **_handed_on("detections", ["rotation"])},
    "knn_graph": {
        **_handed_on("embeddings", ["face_id"]),
        "neighbours": [dg.TableColumnDep(asset_key="embeddings", column_name="vector")],
        "similarities": [dg.TableColumnDep(asset_key="embeddings", column_name="vector")],
    },
    "cluster_assignments": _handed_on("knn_graph", ["face_id"]),
    "identities": _handed_on("cluster_assignments", ASSIGNMENTS.names()),
}


def column_lineage(asset: str, names: ArchiveNames = ALONE) -> dg.TableColumnLineage | None:
    """The lineage of the columns of the table that the asset is named for; None where none is simple."""
    deps = _LINEAGE.get(asset)
    if deps is None:
        return None
    return dg.TableColumnLineage({column: [_in_archive(dep, names) for dep in deps[column]] for column in deps})


def _in_archive(dep: dg.TableColumnDep, names: ArchiveNames) -> dg.TableColumnDep:
    return dg.TableColumnDep(asset_key=names.asset_key(asset_name(dep.asset_key)), column_name=dep.column_name)
