"""Cards and tiles of faces, and finding people by name, for several pages."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import polars as pl

from classface_assets.core.languages import gettext
from classface_assets.core.names import normalize_name, normalized_name, similar_names
from classface_assets.review.pages.components.students import description_matcher, people_described_by, student_text
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.store.decisions.reconciliation import chosen_covers
from classface_assets.store.decisions.roster import entries_by_person, unlinked_entries
from classface_assets.store.model.person_kinds import PersonKind, PersonStatus
from classface_assets.store.model.roster_entry import RosterEntry

TILES_PER_CARD = 12  # fill a row on a usual screen
_CHRONOLOGICAL = ("school_year", "taken_at", "face_id")


class FaceTile(NamedTuple):
    """What a tile of a face shows; score and probability are 0 to 1, None where the face has no automatic match."""

    face_id: str
    asset_id: str
    school_year: str
    person_id: str | None
    confirmed: bool
    assignment_score: float | None
    assignment_probability: float | None


def cluster_cards(view: ArchiveView, clusters: pl.DataFrame, shown: int = TILES_PER_CARD) -> list[dict[str, Any]]:
    """The cards of clusters.

    Args:
        view: The archive.
        clusters: Rows of `view.clusters`.
        shown: The most tiles of a card; where a cluster has more faces, one tile fewer, in favour of a link to all.

    Returns:
        The clusters' rows with `tiles`, faces spread evenly over the years, oldest first, and `seen`, the hash of all
        the cluster's faces.
    """
    ids = clusters["cluster_id"]
    faces = view.faces.filter(pl.col("cluster_id").is_in(ids.implode())).sort(
        "cluster_id", *_CHRONOLOGICAL, nulls_last=True
    )
    n, i = pl.len().over("cluster_id"), pl.int_range(pl.len()).over("cluster_id")
    fewer = shown - 1
    spread = faces.filter((n <= shown) | ((i * fewer) // n != ((i - 1) * fewer) // n))
    tiles: dict[str, list[FaceTile]] = defaultdict(list)
    for cluster, *face in spread.select("cluster_id", *FaceTile._fields).iter_rows():
        tiles[cluster].append(FaceTile(*face))
    hashes = dict(faces.group_by("cluster_id").agg(faces_hash(pl.col("face_id")).alias("seen")).iter_rows())
    return [
        row | {"tiles": tiles[row["cluster_id"]], "seen": str(hashes[row["cluster_id"]])}
        for row in clusters.iter_rows(named=True)
        if row["cluster_id"] in hashes
    ]


def face_tiles(rows: pl.DataFrame) -> list[FaceTile]:
    """Rows of the view's faces as tiles."""
    return [FaceTile(*face) for face in rows.select(FaceTile._fields).iter_rows()]


def sort_chronologically(rows: pl.DataFrame) -> pl.DataFrame:
    """Faces by school year and time, oldest first."""
    return rows.sort(*_CHRONOLOGICAL, nulls_last=True)


def faces_hash(face_ids: pl.Expr) -> pl.Expr:
    """A number that changes with the faces, by which a form tells which faces it has shown."""
    return face_ids.hash().sum()


def require_unchanged(rows: pl.DataFrame, seen: str) -> pl.DataFrame:
    """The rows of a cluster, if they are those that the form has shown.

    Raises:
        ProblemError: The cluster has changed meanwhile.
    """
    if seen and str(rows.select(faces_hash(pl.col("face_id"))).item()) != seen:
        raise ProblemError(409, gettext("This group has changed since the page was loaded; reload the page."))
    return rows


def partition_chosen(rows: pl.DataFrame, face_ids: Iterable[str]) -> tuple[list[str], list[str]]:
    """The ids of those rows that were selected, and of the others."""
    selected = set(face_ids)
    ids = rows["face_id"].to_list()
    return [f for f in ids if f in selected], [f for f in ids if f not in selected]


def similar_known_names(view: ArchiveView, name: str) -> list[dict[str, Any]]:
    """People and students on the roster with a similar name, for a name that nobody has; most similar first."""
    if view.decisions.people_named(name):
        return []
    on_roster = {
        other: {"id": "", "name": other, "face_count": 0, "known": student_text(entry)}
        for other, entry in unlinked_entries(view.decisions)
    }
    people = nameable_people(view)
    if view.decisions.unlinked_students_named(name):  # whoever is another student of the roster is not meant
        on_roster = {}
        people = people.filter(~pl.col("id").is_in(list(set(view.decisions.students.values()))))
    by_name = on_roster | {row["name"]: row for row in people.iter_rows(named=True)}
    return [by_name[other] for other in similar_names(name, by_name)[:5]]


def similar_name_cards(view: ArchiveView, name: str) -> list[dict[str, Any]]:
    """`similar_known_names` with what tells them apart, for the question which of them is meant.

    Returns:
        `name`, `faces` (their number), `face` (the id of the cover), `known` (class and student id) of each.
    """
    near = similar_known_names(view, name)
    faces = cover_faces(view, [str(person["id"]) for person in near]) if near else {}
    entries = entries_by_person(view.decisions)
    return [
        {
            "name": person["name"],
            "faces": person["face_count"],
            "face": faces.get(str(person["id"])),
            "known": person.get("known") or student_text(entries.get(str(person["id"]))),
        }
        for person in near
    ]


def nameable_people(view: ArchiveView) -> pl.DataFrame:
    """Active students and staff."""
    in_albums = pl.col("kind").is_in([PersonKind.STUDENT.value, PersonKind.STAFF.value])
    return view.persons.filter(pl.col("status") == PersonStatus.ACTIVE, in_albums)


def search_people(view: ArchiveView, q: str, limit: int) -> pl.DataFrame:
    """People whose name contains `q`, or whose class or student id it is.

    First those with a word of the name that begins with it, then by number of faces.
    """
    query = normalize_name(q)
    starts = pl.format(" {}", pl.col("folded")).str.contains(f" {query}", literal=True)
    described = pl.col("id").is_in(people_described_by(view.decisions, q))
    found = nameable_people(view).filter(pl.col("folded").str.contains(query, literal=True) | described)
    return found.sort(starts, "face_count", "folded", descending=[True, True, False]).head(limit)


def search_roster(view: ArchiveView, q: str, limit: int) -> list[tuple[str, RosterEntry]]:
    """Students on the roster who are no person yet, whose name contains `q` or whose class or student id it is.

    Returns:
        (display name, student), first those with a word of the name that begins with `q`.
    """
    query = normalize_name(q)
    students, is_described = unlinked_entries(view.decisions), description_matcher(q)
    found = [(name, entry) for name, entry in students if query in normalized_name(name) or is_described(entry)]
    return sorted(found, key=lambda student: f" {query}" not in f" {normalized_name(student[0])}")[: max(0, limit)]


def cover_faces(view: ArchiveView, person_ids: Sequence[str]) -> dict[str, str]:
    """The face that was chosen for each person, else their best one, confirmed ones first."""
    faces = view.faces.filter(pl.col("person_id").is_in(list(person_ids)))
    best = faces.sort("confirmed", "quality_score", "face_id", descending=[True, True, False], nulls_last=True)
    first = dict(best.group_by("person_id", maintain_order=True).agg(pl.col("face_id").first()).iter_rows())
    return first | chosen_covers(view.decisions, faces, person_ids)
