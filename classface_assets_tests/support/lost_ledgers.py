"""A small archive that was published with decisions, and every way in which its ledger may be lost afterwards."""

import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.schemas import ASSIGNMENTS
from classface_assets.orchestration.resources import Archive
from classface_assets.store.catalog.faces import load_catalog
from classface_assets.store.files.duckdb import publish_database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.published.ledger_record import publish_with_record
from classface_assets.store.published.tables import build_tables
from classface_assets_tests.support.helpers import (
    DETECTOR,
    PACK,
    add_detections,
    add_images,
    add_vectors,
    face,
    face_rows,
)

YEAR = "2018-2019"
NAMES = ("Anna Weiss", "Ben Hidden", "Cem Refused", "Dora Tal")
FACE_IDS = [f"face{n}" for n in range(len(NAMES))]


def named_archive(folder: Path, ledger: str = "") -> Archive:
    """An archive of one photo with a face of each of NAMES, named but not published; Ben is hidden, Cem refused."""
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"), ledger=ledger)
    (folder / "photos" / YEAR).mkdir(parents=True)
    layout = archive.layout
    add_images(layout, YEAR, ("photo", "class.jpg"))
    add_detections(layout, YEAR, face_rows("photo", *FACE_IDS))
    add_vectors(layout, YEAR, *FACE_IDS)
    opened = archive.open_ledger()
    for number, name in enumerate(NAMES):
        opened.label(name, [face(FACE_IDS[number], "photo", (10 + 100 * number, 10, 80, 80))])
    opened.hide("Ben Hidden")
    opened.set_consent("Cem Refused", False)
    return archive


def publish(archive: Archive, with_record: bool = True) -> None:
    """Publish as `identities` does, or as versions did that recorded no ledger."""
    layout, ledger = archive.layout, archive.open_ledger()
    tables = _tables(layout, ledger)
    if with_record:
        publish_with_record(layout, tables, ledger.record())
        return
    publish_database(layout.database, tables)
    layout.ledger_record.unlink(missing_ok=True)


def _tables(layout: ArchiveLayout, ledger: Ledger) -> dict[str, pl.DataFrame]:
    labels = ledger.decisions().labels
    rows = [(f, f"person_{label.person_id}", label.person_id, 1.0, "labelled") for f, label in labels.items()]
    assignments = pl.DataFrame(
        [(*row, *[None] * (len(ASSIGNMENTS) - len(row))) for row in rows], schema=ASSIGNMENTS, orient="row"
    )
    return build_tables(load_catalog(layout, DETECTOR, PACK), assignments, ledger.events())


def ledger_file(archive: Archive) -> Path:
    return archive.layout.local / "ledger.sqlite"


def make_missing(archive: Archive) -> None:
    ledger_file(archive).unlink()


def make_empty_file(archive: Archive) -> None:
    ledger_file(archive).write_bytes(b"")


def make_ledger_without_events(archive: Archive) -> None:
    ledger_file(archive).unlink()
    Ledger(archive.ledger_url).events()


def make_older(archive: Archive) -> None:
    """The last two decisions are gone, as in a copy of a while ago."""
    with sqlite3.connect(ledger_file(archive)) as con:
        for (trigger,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            con.execute(f'DROP TRIGGER "{trigger}"')
        con.execute("DELETE FROM events WHERE id > (SELECT max(id) FROM events) - 2")
    con.close()


def make_diverged(archive: Archive) -> None:
    """A copy of a while ago, in which as many and more decisions were made since."""
    make_older(archive)
    unchecked = archive.open_unchecked_ledger()
    for name in ("Eve", "Fay", "Gil"):
        unchecked.create_person(name)


def make_other(archive: Archive) -> None:
    ledger_file(archive).unlink()
    other = Ledger(archive.ledger_url)
    for number in range(12):
        other.create_person(f"Somebody {number}")


def make_garbage(archive: Archive) -> None:
    ledger_file(archive).write_bytes(b"no database at all " * 500)


def damage_pages(archive: Archive) -> None:
    """The header is fine, the pages behind it are not."""
    file = ledger_file(archive)
    data = bytearray(file.read_bytes())
    data[4096:] = bytes(len(data) - 4096)
    file.write_bytes(bytes(data))


DAMAGES: dict[str, tuple[Callable[[Archive], None], str]] = {
    "missing": (make_missing, r"published with 10 decisions, and its ledger \(sqlite:.*\) is missing"),
    "an empty file": (make_empty_file, r"published with 10 decisions; this ledger \(.*\) has none"),
    "without events": (make_ledger_without_events, r"published with 10 decisions; this ledger \(.*\) has none"),
    "older": (make_older, r"published with 10 decisions; this ledger \(.*\) has 8"),
    "diverged": (make_diverged, r"published with 10 decisions; this ledger \(.*\) has 11, and event 10 is another one"),
    "another": (make_other, r"published with 10 decisions of another ledger; this one \(.*\) has 12"),
    "garbage": (make_garbage, r"cannot be used \(it is damaged: file is not a database\)"),
    "damaged pages": (damage_pages, r"cannot be used \(it is damaged: .*malformed"),
}
"""What may happen to a ledger → how, and the sentence about it."""


def copy_archive(archive: Archive, folder: Path) -> Archive:
    """A copy with everything that lies beside the photos."""
    shutil.copytree(archive.layout.data, folder / "data")
    (folder / "photos" / YEAR).mkdir(parents=True)
    return Archive(photos=str(folder / "photos"), data=str(folder / "data"))
