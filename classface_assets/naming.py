"""What the command line says of people: the faces of a cluster, the names, the history, the counts."""

from collections.abc import Iterator
from pathlib import Path

from classface_assets.errors import UserError
from classface_assets.store.database import query
from classface_assets.store.ledger import LabelledFace
from classface_assets.store.replay import Decisions, Event, undone_events


class UnknownClusterError(UserError):
    """No face has that cluster id or face id."""


def faces_of(database: Path, cluster: str) -> list[LabelledFace]:
    """The faces of a cluster, or the one face of that id. Raises UnknownClusterError."""
    sql = "SELECT id, asset_id, bbox_x, bbox_y, bbox_w, bbox_h FROM face_instances WHERE cluster_id = ? OR id = ?"
    rows = query(database, sql + " ORDER BY id", [cluster, cluster]).rows()
    if not rows:
        raise UnknownClusterError(
            f"There is no cluster or face {cluster}; `classface stats` shows the largest unknown clusters, "
            "and the album writes each one's id on its page."
        )
    return [LabelledFace(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in rows]


def people_rows(database: Path, decisions: Decisions) -> list[tuple[str, int, str]]:
    """Name, number of faces, and school years of every person, by name."""
    sql = """
        SELECT f.person_id, count(*) AS n, string_agg(DISTINCT a.school_year, ', ' ORDER BY a.school_year) AS years
        FROM face_instances f JOIN image_assets a ON a.asset_id = f.asset_id AND a.status = 'ok'
        WHERE f.person_id IS NOT NULL GROUP BY f.person_id"""
    counts = {person: (n, years) for person, n, years in query(database, sql).iter_rows()} if database.exists() else {}
    rows = [(p.name, *counts.get(p.id, (0, ""))) for p in decisions.persons.values()]
    return sorted(rows, key=lambda row: row[0].casefold())


def faces_are(count: int) -> str:
    return "1 face is" if count == 1 else f"{count:,} faces are"


def history_lines(events: list[Event]) -> Iterator[str]:
    """One line an event, oldest first."""
    undone = undone_events(events)
    names: dict[str, str] = {}
    for event in events:
        payload = event.payload
        person_id = payload.get("person_id", "")
        if "name" in payload and (event.id not in undone or person_id not in names):
            names[person_id] = payload["name"]
        who = payload.get("name") or names.get(person_id, "")
        what = {
            "person_created": f"{who} is a person",
            "person_renamed": f"renamed to {who}",
            "faces_labelled": f"{faces_are(len(payload.get('faces', [])))} {who}",
            "undone": f"undid {payload.get('event_id')}",
        }.get(event.kind, event.kind)
        mark = "  (undone)" if event.id in undone else ""
        yield f"{event.id:>6}  {event.at.astimezone():%Y-%m-%d %H:%M:%S}  {event.actor}  {what}{mark}"


def stats_lines(database: Path) -> Iterator[str]:
    """Files by status, faces named and not, and the largest unknown clusters."""
    statuses = query(database, "SELECT status, count(*) AS n FROM image_assets GROUP BY status ORDER BY n DESC, status")
    yield "Files:    " + (", ".join(f"{n:,} {status}" for status, n in statuses.iter_rows()) or "none")
    sql = """
        SELECT count(*) AS faces, count(person_id) AS named, count(DISTINCT person_id) AS people,
               count(*) FILTER (cluster_id LIKE 'unknown_cluster_%') AS grouped,
               count(DISTINCT cluster_id) FILTER (cluster_id LIKE 'unknown_cluster_%') AS clusters,
               count(*) FILTER (cluster_id LIKE 'unknown_noise_%') AS single
        FROM face_instances"""
    faces, named, people, grouped, clusters, single = query(database, sql).row(0)
    yield f"Faces:    {faces:,}: {named:,} named, {grouped:,} in unknown clusters, {single:,} single"
    yield f"Students: {people:,} named, {clusters:,} unknown"
    largest = query(
        database, "SELECT cluster_id, size FROM clusters WHERE cluster_id LIKE 'unknown_cluster_%' "
        "ORDER BY size DESC, cluster_id LIMIT 5",
    )  # fmt: skip
    for cluster, size in largest.iter_rows():
        yield f'  {size:>4} faces  name them: classface label {cluster} "Name"'
