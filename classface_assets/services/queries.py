"""What commands look up in a published archive: faces and photos by what a person types, and summaries as text.

The SQL is in `store.published.queries`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import polars as pl

from classface_assets.core.errors import UserError
from classface_assets.identity.evaluation.summary import CHANGES_SCHEMA, change_counts
from classface_assets.orchestration.resources import Archive
from classface_assets.store.files.parquet import read_parquet_or_empty
from classface_assets.store.model.decisions import Decisions
from classface_assets.store.model.face_ref import FaceRef
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.published import queries


class UnknownClusterError(UserError):
    """No face has that cluster id or face id."""


class UnknownPhotoError(UserError):
    """No photo has that path or id."""


def find_faces(database: Path, cluster: str) -> list[FaceRef]:
    """The faces of a cluster, or the one face of that id.

    Raises:
        UnknownClusterError: There is neither.
        DatabaseError: Nothing is published yet.
    """
    rows = queries.boxes_of_cluster(database, cluster).rows()
    if not rows:
        raise UnknownClusterError(
            f"There is no cluster or face {cluster}; `classface stats` shows the largest unknown clusters, "
            "and the album writes each one's id on its page."
        )
    return [FaceRef(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows]


def find_photo(database: Path, photo: str) -> str:
    """The asset id of the photo of that path below the photos folder, or of that id.

    Raises:
        UnknownPhotoError: There is none.
        DatabaseError: Nothing is published yet.
    """
    found = queries.photo_id(database, photo)
    if found is None:
        raise UnknownPhotoError(
            f"There is no photo {photo}; give its path in the photos folder, such as 2019-2020/a.jpg."
        )
    return found


def list_people(database: Path, decisions: Decisions) -> list[tuple[str, int, str]]:
    """(name, number of faces, school years) of every person, by name. Merged and erased people are left out."""
    counts: dict[str, tuple[int, str]] = {}
    if database.exists():
        counts = {person: (faces, years) for person, faces, years in queries.people_with_faces(database).iter_rows()}
    listed = [
        p
        for p in decisions.persons.values()
        if p.status != PersonStatus.MERGED and not p.erased and p.kind != PersonKind.NOT_A_FACE
    ]
    rows = [
        (p.display_name + " (hidden)" * (p.status == PersonStatus.HIDDEN), *counts.get(p.id, (0, ""))) for p in listed
    ]
    return sorted(rows, key=lambda row: row[0].casefold())


def stats_lines(database: Path) -> Iterator[str]:
    """Files by status, faces with and without a name, and the largest unknown clusters, as lines of text."""
    statuses = queries.file_counts(database)
    yield "Files:    " + (", ".join(f"{n:,} {status}" for status, n in statuses.iter_rows()) or "none")
    n = queries.face_counts(database)
    named = f"{n['faces']:,}: {n['named']:,} named"
    hidden = f", {n['hidden']:,} of hidden people" if n["hidden"] else ""
    yield f"Faces:    {named}{hidden}, {n['clustered']:,} in unknown clusters, {n['single']:,} single"
    yield f"Students: {n['people']:,} named, {n['clusters']:,} unknown"
    for cluster, size in queries.largest_unknown_clusters(database).iter_rows():
        yield f'  {size:>4} faces  name them: classface label {cluster} "Name"'


def archive_counts(database: Path) -> dict[str, object]:
    """Files by status, the numbers of `queries.face_counts`, and the largest unknown clusters by size."""
    return {
        "files": dict(queries.file_counts(database).iter_rows()),
        "faces": queries.face_counts(database),
        "largest_unknown_clusters": dict(queries.largest_unknown_clusters(database).iter_rows()),
    }


def change_lines(archive: Archive, name_of: Callable[[str], str], most: int) -> Iterator[str]:
    """What changed when the identities were last published: counts by kind, then single faces.

    Args:
        archive: The archive, whose table `changes` is read.
        name_of: Turns a cluster id into the name that is shown.
        most: How many faces are listed with their former and new cluster and the reason.
    """
    moved = read_parquet_or_empty(archive.layout.table("changes"), CHANGES_SCHEMA)
    if moved.is_empty():
        yield "Nothing moved when the students were last published."
        return
    for old, new, faces in change_counts(moved).iter_rows():
        yield f"{faces:>7,}  {old} -> {new}"
    existed_before = moved.filter(pl.col("from").is_not_null())
    shown = existed_before.head(most)
    for face, old, new, reason in shown.iter_rows():
        yield f"{face}  {name_of(old)} -> {name_of(new or 'nothing')}  {reason}"
    if hidden := existed_before.height - shown.height:
        yield f"… and {hidden:,} more; --most shows more of them."
