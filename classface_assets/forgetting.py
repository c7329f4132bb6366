"""What `classface forget` does: a person is erased in the ledger, then from everything that was made, and a receipt."""

import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from shutil import rmtree
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.assets.face_tables import forget_facts
from classface_assets.resources import Archive
from classface_assets.review.view import view_of
from classface_assets.review.views import read_snapshot
from classface_assets.store.decisions import LabelledFace, Person
from classface_assets.store.erase import Removed, erase_faces, photos_that_show, receipt_lines
from classface_assets.store.redact import redact
from classface_assets.store.writing import UnknownError
from classface_assets.upkeep import at_rest


@dataclass(frozen=True)
class Receipt:
    """What was removed of whom. `barred`: how many faces may never be searched for or embedded again."""

    person_ids: tuple[str, ...]
    barred: int
    removed: tuple[Removed, ...]
    photos: tuple[str, ...]

    def lines(self) -> Iterator[str]:
        yield f"Erased: {', '.join(self.person_ids)}"
        yield from receipt_lines(self.removed)
        yield f"{self.barred:>9,}  faces barred from being found or embedded again"
        yield f"{len(self.photos):>9,}  photos still show them; they are never touched:"
        yield from (f"           {path}" for path in self.photos)

    def told(self) -> dict[str, Any]:
        removed = [{"what": one.what, "where": one.where, "count": one.count} for one in self.removed]
        return {
            "personIds": list(self.person_ids),
            "facesBarred": self.barred,
            "removed": removed,
            "photosThatShowThem": list(self.photos),
        }


def whom(archive: Archive, who: str) -> tuple[Person, list[LabelledFace]]:
    """The person of that id or name, and the faces that are said or thought to be theirs. Raises UnknownError."""
    events = archive.open_ledger().events()
    view = view_of(read_snapshot(archive.layout.database, events), events)
    person = view.decisions.persons.get(who) or view.decisions.record(who)
    if person is None or person.erased:
        raise UnknownError(f"Nobody is called {who!r}; `classface people` lists the names.")
    rows = view.faces.filter(pl.col("person_id") == view.decisions.became(person.id))
    columns = rows.select("face_id", "asset_id", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    return person, [LabelledFace(face, photo, (x, y, w, h)) for face, photo, x, y, w, h in columns.iter_rows()]


def forget(archive: Archive, instance: dg.DagsterInstance, who: str) -> Receipt:
    """Erase a person: first in the ledger, so that what a killed call leaves is finished by `finish`.

    Raises UnknownError, and UpkeepError while a run is under way.
    """
    at_rest(instance)
    person, faces = whom(archive, who)
    ledger = archive.open_ledger()
    before = set(ledger.decisions().barred)
    ledger.erase(person.id, faces)
    return finish(archive, instance, before)


def finish(archive: Archive, instance: dg.DagsterInstance, before: Set[str] = frozenset()) -> Receipt:
    """Remove what is left of everybody who was erased; `before` are faces that earlier receipts told of."""
    at_rest(instance)
    layout, decisions = archive.layout, archive.open_ledger().decisions()
    persons = {person.id for person in decisions.persons.values() if person.erased}
    new = {face: mark for face, mark in decisions.barred.items() if face not in before}
    removed = erase_faces(layout, decisions.barred, persons)
    names = redact(archive.ledger or layout.ledger_url, persons)
    records = forget_records(instance, layout.dagster_home)
    removed += [Removed("names and birthdays", "ledger", names), Removed("runs with pictures", "Dagster", records)]
    forget_facts()
    told = tuple(sorted(persons)), len(new), tuple(one for one in removed if one.count)
    return Receipt(*told, tuple(photos_that_show(layout, new)))


def forget_records(instance: dg.DagsterInstance, home: Path) -> int:
    """Delete Dagster's records of runs that have ended: they hold names, and contact sheets of faces."""
    runs = [r.dagster_run for r in instance.get_run_records() if r.dagster_run.is_finished]
    for run in runs:
        instance.delete_run(run.run_id)
        rmtree(home / "storage" / run.run_id, ignore_errors=True)
    instance.wipe_assets(list(instance.all_asset_keys()))
    for log in home.glob("*.log"):
        log.unlink(missing_ok=True)
    for database in home.rglob("*.db"):  # SQLite keeps what was deleted until something is written over it
        with closing(sqlite3.connect(database)) as con, suppress(sqlite3.OperationalError):
            con.execute("VACUUM")
    return len(runs)
