"""Asset checks on what all school years share. The rules of one school year are check specs of its asset.

Those are blocking on which others rely. Within a run Dagster itself stops what comes after them; automation does not
ask for those of assets that are run together (see `automation`), or it could not start them together.
"""

import dagster as dg
import numpy as np
import polars as pl

from classface_assets.albums.pages.links import check_links, list_album
from classface_assets.core.layout import ArchiveLayout
from classface_assets.defs.albums.checked_album import load_checked_album, record_checked_album
from classface_assets.defs.albums.target import opened_target
from classface_assets.defs.catalog.checks.check_factory import archive_check
from classface_assets.defs.identity.assignment import labels_not_preserved
from classface_assets.defs.memoized import archive_state, input_fingerprint
from classface_assets.identity.graph.knn_graph import KnnGraph
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.store.artifacts.assignment_tables import is_made_from, read_table_inputs
from classface_assets.store.catalog.photo_records import lost_label_report
from classface_assets.store.decisions.reconciliation import constraints_for
from classface_assets.store.files.duckdb import query_database
from classface_assets.store.files.parquet import read_parquet
from classface_assets.store.model.decisions import Decisions

ERROR, WARN = dg.AssetCheckSeverity.ERROR, dg.AssetCheckSeverity.WARN
SHOWN = 20


@archive_check(
    asset="face_tables", blocking=True, description="The database holds every current face and file, once each."
)
def database_agrees_with_the_parts(archive: Archive, models: Models) -> dg.AssetCheckResult:
    """A warning only where the parts changed since the database was made: another run works on a school year."""
    layout = archive.layout
    is_current = input_fingerprint(
        layout, "face_tables", archive_state(archive, models), layout.database_name
    ).cached_metadata()
    catalog = archive.catalog(models)
    faces = query_database(layout.database, "SELECT count(*) AS n FROM face_instances")["n"][0]
    files = query_database(layout.database, "SELECT count(*) AS n FROM image_assets")["n"][0]
    return dg.AssetCheckResult(
        passed=faces == catalog.faces.height == len(catalog.vectors) and files == catalog.images.height,
        severity=WARN if is_current is None else ERROR,
        metadata={
            "faces in parts": catalog.faces.height,
            "faces in the database": faces,
            "files in the database": files,
        },
    )


@archive_check(asset="knn_graph", blocking=True, description="No face is its own neighbour, no similarity is above 1.")
def neighbours_are_sound(archive: Archive) -> dg.AssetCheckResult:
    """Every clustering method works on these edges."""
    pairs, similarities = KnnGraph.from_frame(read_parquet(archive.layout.table("knn_graph"))).pairs()
    itself = int((pairs[:, 0] == pairs[:, 1]).sum())
    outside = int((np.abs(similarities) > 1.001).sum())
    return dg.AssetCheckResult(
        passed=itself == outside == 0, severity=ERROR, metadata={"to itself": itself, "outside -1…1": outside}
    )


@archive_check(asset="cluster_assignments", description="No person and no cluster has two faces of one photo.")
def one_face_a_photo_in_clusters(archive: Archive, models: Models) -> dg.AssetCheckResult:
    """See `_check_one_face_per_photo`."""
    return _check_one_face_per_photo(archive, models, "cluster_assignments")


@archive_check(asset="identities", description="No person and no cluster has two faces of one photo.")
def one_face_a_photo_in_identities(archive: Archive, models: Models) -> dg.AssetCheckResult:
    """See `_check_one_face_per_photo`."""
    return _check_one_face_per_photo(archive, models, "identities")


@archive_check(
    asset="cluster_assignments",
    description="Every labelled face has its name; where one would lose it, `identities` refuses to publish.",
)
def labelled_faces_keep_their_name_in_clusters(archive: Archive, models: Models) -> dg.AssetCheckResult:
    """A warning, since nothing is published yet."""
    return _check_labels_preserved(archive, models, "cluster_assignments", WARN)


@archive_check(asset="identities", blocking=True, description="Every face that a person labelled has that name.")
def labelled_faces_keep_their_name(archive: Archive, models: Models) -> dg.AssetCheckResult:
    """No album is made where this fails."""
    return _check_labels_preserved(archive, models, "identities", ERROR)


@archive_check(
    asset="face_tables",
    description="Every labelled face is in a photo that is there; the labels of others wait for their photo.",
)
def labelled_faces_are_in_a_photo(archive: Archive) -> dg.AssetCheckResult:
    """A warning: the labels count again when the photo comes back."""
    lines = lost_label_report(archive.layout, archive.open_ledger().decisions(), most=50)
    return dg.AssetCheckResult(
        passed=not lines,
        severity=WARN,
        description=lines[0] if lines else None,
        metadata={"where": "\n".join(lines[1:])},
    )


@archive_check(
    asset="student_coverage",
    description="Of the latest school year no more students than `most_below` are in fewer photos than `goal`.",
)
def students_appear_often_enough(archive: Archive) -> dg.AssetCheckResult:
    """A warning: somebody may still take photos of them."""
    table = read_parquet(archive.layout.table("student_coverage")).filter(pl.col("class").is_null())
    latest = table.row(0, named=True) if table.height else None
    if latest is None or not latest["students"]:
        return dg.AssetCheckResult(passed=True, severity=WARN, metadata={"students": 0})
    share = latest["below_goal"] / latest["students"]
    return dg.AssetCheckResult(
        passed=share <= latest["most_below"],
        severity=WARN,
        metadata={
            "school year": latest["school_year"],
            "students": latest["students"],
            "below the goal": latest["below_goal"],
            "in no photo": latest["in_no_photo"],
            "share below the goal": share,
        },
    )


@archive_check(asset="album_site", description="Every link and picture of the album is there.")
def links_lead_somewhere(archive: Archive) -> dg.AssetCheckResult:
    """Of albums that passed, only pages are read again that changed, or link to what is there no more."""
    albums = archive.layout.albums
    with opened_target(archive.layout) as target:
        listed = list_album(albums) if target is None else None
        there = target.site_digest() if target else listed and listed.contents()
        fingerprint = input_fingerprint(archive.layout, "links", there)
        before = load_checked_album(fingerprint)
        if before is not None and fingerprint.cached_metadata() is not None:
            return _links_result([], 0)
        # What is published may be of another machine, whose files are not those that were listed here.
        found = check_links(albums, before if target is None else None, listed)
    if found.broken:
        fingerprint.file.unlink(missing_ok=True)
    else:
        record_checked_album(fingerprint, found.album)
    return _links_result(found.broken, found.read)


def _links_result(broken: list[str], pages_read: int) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(
        passed=not broken,
        severity=ERROR,
        metadata={"broken": broken[:SHOWN], "count": len(broken), "pages read": pages_read},
    )


def _check_labels_preserved(
    archive: Archive, models: Models, asset: str, severity: dg.AssetCheckSeverity
) -> dg.AssetCheckResult:
    table, decisions = archive.layout.table(asset), _decisions_at_materialization(archive, asset)
    is_of_catalog = is_made_from(table, archive_state(archive, models)[0])
    lost = labels_not_preserved(read_parquet(table), decisions, archive.catalog(models).faces, is_of_catalog)
    return dg.AssetCheckResult(
        passed=not lost, severity=severity, metadata={"labelled": len(decisions.labels), "moved": lost[:SHOWN]}
    )


def _decisions_at_materialization(archive: Archive, asset: str) -> Decisions:
    """The decisions when the asset's table was computed: those of a later moment count at the next run."""
    inputs = read_table_inputs(archive.layout.table(asset))
    return archive.open_ledger().decisions(None if inputs is None else inputs.until)


def _check_one_face_per_photo(archive: Archive, models: Models, asset: str) -> dg.AssetCheckResult:
    """No two faces of one photo share a cluster, but those that people put together, and those of a collage."""
    constraints = constraints_for(_decisions_at_materialization(archive, asset), archive.catalog(models).faces)
    by_hand = [*constraints.confirmed, *(face for pair in constraints.must_link for face in pair)]
    repeated = _repeated_faces(archive.layout, asset).filter(
        ~pl.col("face_id").is_in(by_hand), ~pl.col("asset_id").is_in(list(constraints.collages))
    )
    return dg.AssetCheckResult(
        passed=repeated.is_empty(),
        severity=ERROR,
        metadata={"faces too many": repeated["face_id"].to_list()[:SHOWN]},
    )


def _repeated_faces(layout: ArchiveLayout, asset: str) -> pl.DataFrame:
    """The rows of an asset's table whose cluster has several faces of their photo."""
    photos = query_database(layout.database, "SELECT id AS face_id, asset_id FROM face_instances")
    rows = read_parquet(layout.table(asset)).join(photos, on="face_id")
    return rows.filter(pl.len().over("asset_id", "cluster_id") > 1)
