"""Asset checks on what is one for all school years. A year's own rules stand with its asset, as check specs."""

import dagster as dg
import numpy as np
import polars as pl

from classface_assets.albums.files import find_broken_links, list_album
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.identity.assignment import labels_not_preserved
from classface_assets.defs.memoized import archive_state, input_fingerprint
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.services.working_set import current_catalog
from classface_assets.store.artifacts.assignment_tables import is_made_from, read_table_inputs
from classface_assets.store.catalog.photo_records import lost_label_report
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.model.decisions import Decisions


@dg.asset_check(asset="face_tables", description="The database holds every current face and file, once each.")
def database_agrees_with_the_parts(archive: Archive, models: Models) -> dg.AssetCheckResult:
    facts = current_catalog(archive, models)
    rows = query_database(archive.layout.database, "SELECT count(*) AS n FROM face_instances")["n"][0]
    files = query_database(archive.layout.database, "SELECT count(*) AS n FROM image_assets")["n"][0]
    passed = rows == facts.faces.height == len(facts.vectors) and files == facts.images.height
    counts = {"faces in parts": facts.faces.height, "faces in the database": rows, "files in the database": files}
    return dg.AssetCheckResult(passed=passed, metadata=counts)


@dg.asset_check(asset="knn_graph", description="No face is its own neighbour, no likeness is above 1.")
def neighbours_are_sound(archive: Archive) -> dg.AssetCheckResult:
    pairs, similarities = KnnGraph.from_frame(read_parquet(archive.layout.table("knn_graph"))).pairs()
    itself = int((pairs[:, 0] == pairs[:, 1]).sum())
    outside = int((np.abs(similarities) > 1.001).sum())
    return dg.AssetCheckResult(passed=itself == outside == 0, metadata={"to itself": itself, "outside -1…1": outside})


@dg.asset_check(asset="cluster_assignments", description="No person and no cluster has two faces of one photo.")
def one_face_a_photo_in_clusters(archive: Archive, models: Models) -> dg.AssetCheckResult:
    return _check_one_face_per_photo(archive, models, "cluster_assignments")


@dg.asset_check(asset="identities", description="No person and no cluster has two faces of one photo.")
def one_face_a_photo_in_identities(archive: Archive, models: Models) -> dg.AssetCheckResult:
    return _check_one_face_per_photo(archive, models, "identities")


@dg.asset_check(
    asset="cluster_assignments",
    description="Every labelled face has its name; where one would move, `identities` refuses to publish.",
)
def labelled_faces_keep_their_name_in_clusters(archive: Archive, models: Models) -> dg.AssetCheckResult:
    return _check_labels_preserved(archive, models, "cluster_assignments")


@dg.asset_check(asset="identities", blocking=True, description="Every face that a person labelled has that name.")
def labelled_faces_keep_their_name(archive: Archive, models: Models) -> dg.AssetCheckResult:
    return _check_labels_preserved(archive, models, "identities")


def _check_labels_preserved(archive: Archive, models: Models, asset: str) -> dg.AssetCheckResult:
    file, decisions = archive.layout.table(asset), _decisions_at_materialization(archive, asset)
    of_these_faces = is_made_from(file, archive_state(archive, models)[0])
    moved = labels_not_preserved(read_parquet(file), decisions, current_catalog(archive, models).faces, of_these_faces)
    return dg.AssetCheckResult(passed=not moved, metadata={"labelled": len(decisions.labels), "moved": moved[:20]})


def _decisions_at_materialization(archive: Archive, asset: str) -> Decisions:
    """What people had said when the asset's table was made: what they say while a run goes counts at the next one."""
    noted = read_table_inputs(archive.layout.table(asset))
    return archive.open_ledger().decisions(None if noted is None else noted.until)


@dg.asset_check(
    asset="face_tables",
    description="Every labelled face is in a photo that is there; those that are not wait for the photo to come back.",
)
def labelled_faces_are_in_a_photo(archive: Archive) -> dg.AssetCheckResult:
    lines = lost_label_report(archive.layout, archive.open_ledger().decisions(), most=50)
    return dg.AssetCheckResult(
        passed=not lines,
        severity=dg.AssetCheckSeverity.WARN,
        description=lines[0] if lines else None,
        metadata={"where": "\n".join(lines[1:])},
    )


@dg.asset_check(asset="album_site", description="Every link and picture of the album is there.")
def links_lead_somewhere(archive: Archive) -> dg.AssetCheckResult:
    out = archive.layout.albums
    stamp = input_fingerprint(archive.layout, "links", list_album(out))
    broken = [] if stamp.cached_metadata() is not None else find_broken_links(out)
    if not broken:
        stamp.record({}, [])
    return dg.AssetCheckResult(passed=not broken, metadata={"broken": broken[:20], "count": len(broken)})


def _check_one_face_per_photo(archive: Archive, models: Models, asset: str) -> dg.AssetCheckResult:
    """Faces that a person put together stay together, and a collage may show one twice; of all others no two of one
    photo may share a cluster."""
    told = constraints_for(_decisions_at_materialization(archive, asset), current_catalog(archive, models).faces)
    by_hand = [*told.confirmed, *(face for pair in told.must_link for face in pair)]
    twice = _repeated_faces(archive.layout, asset).filter(
        ~pl.col("face_id").is_in(by_hand), ~pl.col("asset_id").is_in(list(told.collages))
    )
    return dg.AssetCheckResult(passed=twice.is_empty(), metadata={"faces too many": twice["face_id"].to_list()[:20]})


def _repeated_faces(layout: ArchiveLayout, asset: str) -> pl.DataFrame:
    photos = query_database(layout.database, "SELECT id AS face_id, asset_id FROM face_instances")
    rows = read_parquet(layout.table(asset)).join(photos, on="face_id")
    return rows.filter(pl.len().over("asset_id", "cluster_id") > 1)


ASSET_CHECKS = [
    database_agrees_with_the_parts,
    neighbours_are_sound,
    one_face_a_photo_in_clusters,
    one_face_a_photo_in_identities,
    labelled_faces_keep_their_name_in_clusters,
    labelled_faces_keep_their_name,
    labelled_faces_are_in_a_photo,
    links_lead_somewhere,
]
