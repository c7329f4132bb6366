"""A name that is erased: written over on the disk, while nobody may change anything else."""

import sqlite3
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa

from classface_assets.orchestration.resources import Archive
from classface_assets.services.erasure import synchronize_erasures
from classface_assets.store.erasure.tombstones import erased_faces, record_locally_erased, tombstones_file
from classface_assets.store.ledger.jsonl import from_jsonl, import_events, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.ledger.transaction import ConflictError
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.support.helpers import WRITER, face, python, who

SECRET = "Zebedee Unforgettable"


def with_one_erased(ledger: Ledger) -> str:
    """A ledger that told a person's name in every way there is, before the person was erased; the person's id."""
    person = ledger.label("Somebody first", [face("a", "p1"), face("b", "p2")]).person
    ledger.rename(person.id, SECRET)
    ledger.set_birth_date(person.id, date(2011, 2, 3))
    ledger.import_roster([RosterEntry(SECRET, "7"), RosterEntry("Anna", "8", siblings=(SECRET,))], "list.csv")
    ledger.label("Anna", [face("c", "p1")])
    ledger.erase(person.id, [face("thought", "p3")])
    return person.id


def refuses_changes(ledger: Ledger) -> bool:
    engine = sa.create_engine(ledger.url, poolclass=sa.NullPool)
    for statement in ("UPDATE events SET actor = 'x'", "DELETE FROM events WHERE id = 1", "DELETE FROM touched"):
        with pytest.raises(sa.exc.DBAPIError, match="only ever appended to"), engine.begin() as con:
            con.exec_driver_sql(statement)
    return True


def stored_bytes(ledger: Ledger) -> bytes:
    """All that the database has on its disk of what is in it; PostgreSQL's log of changes is kept for a while."""
    url = sa.make_url(ledger.url)
    if url.get_backend_name() == "sqlite":
        return b"".join(file.read_bytes() for file in Path(str(url.database)).parent.iterdir())
    with sa.create_engine(url, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT").connect() as con:
        con.exec_driver_sql("CHECKPOINT")
    files = (file for file in Path(str(url.query["host"]), "db", "base").rglob("*") if file.is_file())
    return b"".join(file.read_bytes() for file in files)


def test_an_erased_name_is_written_over_on_the_disk_too_and_nothing_else_may_ever_change(either: Ledger) -> None:
    person = with_one_erased(either)
    before = either.decisions()
    assert refuses_changes(either) and SECRET.encode() in stored_bytes(either)
    assert redact_people(either.url, {person}) == 4
    assert refuses_changes(either) and SECRET.encode() not in stored_bytes(either)
    lines = "".join(to_jsonl(either.events()))
    assert not any(words in lines for words in (SECRET, "Somebody first", "2011-02-03")) and "Anna" in lines
    after = either.decisions()
    assert (
        after.erased_faces == before.erased_faces
        and set(after.erased_faces) == {"a", "b", "thought"}
        and after.labels == before.labels
    )
    assert redact_people(either.url, {person}) == 0
    with pytest.raises(ConflictError, match="was erased"):
        either.label("Somebody else", [face("a", "p1")])


def test_an_erased_name_is_in_no_log_of_a_ledger_that_keeps_one(ledger: Ledger) -> None:
    with_one_erased(Ledger(ledger.url))
    con = sqlite3.connect(str(sa.make_url(ledger.url).database))
    con.execute("PRAGMA journal_mode = WAL")
    person = ledger.label(SECRET + " the Second", [face("z")]).person.id
    ledger.erase(person)
    con.execute("SELECT count(*) FROM events").fetchone()
    redact_people(ledger.url, {p.id for p in ledger.decisions().persons.values() if p.erased})
    assert SECRET.encode() not in stored_bytes(ledger), "though somebody has it open"
    con.close()


HOSTILE = """
import sys, sqlalchemy as sa
engine = sa.create_engine(sys.argv[1], poolclass=sa.NullPool)
print("begins", flush=True)
while True:
    try:
        with engine.begin() as con:
            con.exec_driver_sql("UPDATE events SET actor = 'somebody else'")
        print("changed", flush=True)
    except sa.exc.DBAPIError as error:
        assert "only ever appended to" in str(error) or "database is locked" in str(error), error
"""


@pytest.mark.slow
def test_while_a_name_is_overwritten_others_write_on_and_nobody_else_may_change_an_event(either: Ledger) -> None:
    gone = [with_one_erased(Ledger(either.url)) if n == 0 else either.erase(str(n)).person.id for n in _people(either)]
    writers = [python(WRITER, either.url, name, 12) for name in "ab"]
    hostile = python(HOSTILE, either.url)
    assert hostile.stdout and hostile.stdout.readline() == "begins\n"
    assert all(redact_people(either.url, {person}) for person in gone)
    assert [writer.communicate()[1] for writer in writers] == ["", ""]
    hostile.kill()
    assert hostile.communicate() == ("", "")
    assert {f"{name}-{n}" for name in "ab" for n in range(12)} <= set(who(either)) and refuses_changes(either)
    assert SECRET not in "".join(to_jsonl(either.events()))


def _people(ledger: Ledger) -> range:
    for number in range(1, 6):
        ledger.label(str(number), [face(f"f{number}")])
    return range(6)


def test_a_ledger_exported_before_an_erasure_adds_nothing_to_the_one_that_knows_of_it(either: Ledger) -> None:
    with_one_erased(either)
    before = from_jsonl(line.encode() for line in to_jsonl(either.events()[:-1]))
    redact_people(either.url, {p.id for p in either.decisions().persons.values() if p.erased})
    known = either.events()
    assert import_events(either, before) == 0 and either.events() == known
    other = [replace(e, payload={**e.payload, "name": "x"}) if e.kind == "person_renamed" else e for e in before]
    strange = [replace(e, actor="x") for e in other]
    with pytest.raises(ConflictError, match="two ledgers"):
        import_events(either, strange)


def test_an_older_ledger_that_learns_of_an_erasure_loses_the_name_and_bars_the_faces(
    ledger: Ledger, tmp_path: Path
) -> None:
    """Be it by what is kept beside the data, or by an export of the ledger that knows."""
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path), ledger=ledger.url)
    person = with_one_erased(ledger)
    before = ledger.events()[:-1]
    assert synchronize_erasures(archive) == (0, 1)
    record_locally_erased(archive.layout, {person})  # as `classface forget` does when all is taken out
    assert synchronize_erasures(archive) == (0, 0) and SECRET not in tombstones_file(archive.layout).read_text()
    events = ledger.events()

    older = Ledger(f"sqlite:///{tmp_path}/older.sqlite")
    import_events(older, before)
    restored = archive.model_copy(update={"ledger": older.url})
    assert set(erased_faces(restored.layout, older.events())) == {"a", "b", "thought"}, "even before anything is done"
    assert synchronize_erasures(restored) == (1, 0) and set(older.decisions().erased_faces) == {"a", "b", "thought"}
    assert SECRET not in "".join(to_jsonl(older.events())) and synchronize_erasures(restored) == (0, 0)

    another = Ledger(f"sqlite:///{tmp_path}/another.sqlite")
    import_events(another, before)
    assert import_events(another, events) == 1 and another.decisions().erased_faces == ledger.decisions().erased_faces
    synchronize_erasures(archive.model_copy(update={"ledger": another.url}))
    assert SECRET not in "".join(to_jsonl(another.events()))

    ledger.undo(events[-1].id)
    assert erased_faces(archive.layout, ledger.events()) == {}, "the ledger that knows of it has the last word"
