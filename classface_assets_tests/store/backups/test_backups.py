"""Backups of a ledger: made only when something is new, whole, a few generations, without anybody who was erased."""

import os
import sqlite3
import threading
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from classface_assets.core.errors import StorageError, UserError
from classface_assets.orchestration.ledger_backups import BackupScheduler
from classface_assets.orchestration.resources import Archive
from classface_assets.services.erasure import _redact_ledger, remove_student
from classface_assets.store.backups.copies import back_up, export_copy
from classface_assets.store.backups.generations import Backup, Retention, list_backups, superfluous
from classface_assets.store.backups.restoration import BackupError, check_backup, newest_good_backup, restore
from classface_assets.store.ledger.database import open_engine
from classface_assets.store.ledger.event_store import DamagedLedgerError, translate_database_errors
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets_tests.store.ledger.test_jsonl import a_bit_of_everything
from classface_assets_tests.support.helpers import face

SECRET = "Zebedee Unforgettable"


def all_bytes(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.rglob("*") if file.is_file())


def test_a_backup_is_made_only_when_something_is_new_and_only_a_few_stay(either: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    assert back_up(either, folder, Retention(2, 1)) is None, "nothing was decided yet"
    for number in range(6):
        either.create_person(f"Somebody {number}")
        assert back_up(either, folder, Retention(2, 1)) is not None
        assert back_up(either, folder, Retention(2, 1)) is None
    backups = list_backups(folder)
    assert [one.last for one in backups] == [6, 5, 4], "the last two, and one of this day"
    assert check_backup(backups[0].file).events == either.events()
    assert {file.name for file in folder.iterdir()} == {".lock", *(one.file.name for one in backups)}
    assert back_up(either, folder, Retention(0)) is None


def test_the_last_backup_of_each_day_stays_and_each_ledger_has_its_own() -> None:
    start = datetime(2026, 3, 1, 8, tzinfo=UTC)
    backups = [
        Backup(Path(f"{ledger}{n:04d}"), start + timedelta(hours=6 * n), n, ledger)
        for ledger in "ab"
        for n in range(60)
    ]
    stay = {one.file.name for one in set(backups) - set(superfluous(backups, Retention(5, 7)))}
    mine = {"0059", "0058", "0057", "0056", "0055", "0054", "0050", "0046", "0042", "0038", "0034", "0030"}
    assert stay == {f"{ledger}{name}" for ledger in "ab" for name in mine}


@pytest.mark.parametrize("text", ["", "many", "5+", "-1", "5+7+2"])
def test_a_retention_that_is_no_number_is_one_sentence(text: str) -> None:
    with pytest.raises(UserError, match=r"^CLASSFACE_LEDGER_BACKUPS is .* such as 5\+7"):
        Retention.parse(text)
    assert Retention.parse(" 3 ") == Retention(3, 0) and Retention.parse("5+7") == Retention()


def test_a_ledger_with_every_kind_of_event_is_the_same_after_backup_and_restore(either: Ledger, tmp_path: Path) -> None:
    folder = tmp_path / "backups"
    a_bit_of_everything(either)
    events, record = either.events(), either.record()
    backup = back_up(either, folder, Retention())
    assert backup is not None
    either.create_person("Somebody else")
    replaced = restore(either.url, check_backup(backup.file), folder, lambda _: None)
    assert either.events() == events and either.record() == record
    assert replaced is not None and check_backup(replaced).events[:-1] == events
    either.create_person("Somebody else")
    assert either.events()[-1].id == events[-1].id + 1
    with (
        pytest.raises(UserError, match="only ever appended to"),
        translate_database_errors(either.url),
        open_engine(either.url, writing=True).begin() as con,
    ):
        con.exec_driver_sql("DELETE FROM events")
    export_copy(either, tmp_path / "copy")
    assert check_backup(tmp_path / "copy").events == either.events()


def test_a_damaged_ledger_takes_the_place_of_no_good_backup(ledger: Ledger, tmp_path: Path) -> None:
    folder, file = tmp_path / "backups", tmp_path / "ledger.sqlite"
    ledger.import_roster([RosterEntry(f"Somebody {number}", f"{number}") for number in range(3000)], "list.csv")
    good = back_up(ledger, folder, Retention(1, 0))
    ledger.create_person("The last one")
    data = bytearray(file.read_bytes())
    pages = len(data) // 4096
    for page in range(3, pages - 1, 2):
        data[page * 4096 : page * 4096 + 200] = os.urandom(200)
    file.write_bytes(bytes(data))
    with pytest.raises(UserError, match="damaged"):
        back_up(ledger, folder, Retention(1, 0))
    assert good is not None and [one.file for one in list_backups(folder)] == [good.file]
    assert not [left for left in folder.iterdir() if ".tmp" in left.name]


@pytest.mark.parametrize("flaw", ["cut off", "garbage", "a payload", "an order", "no ledger", "nothing"])
def test_a_backup_that_is_not_whole_is_not_restored_and_the_one_before_is(
    flaw: str, ledger: Ledger, tmp_path: Path
) -> None:
    folder = tmp_path / "backups"
    ledger.label("Anna", [face("f")])
    good = back_up(ledger, folder, Retention())
    ledger.label("Ben", [face("g")])
    newest = back_up(ledger, folder, Retention())
    assert good is not None and newest is not None
    flaws = {
        "cut off": lambda: os.truncate(newest.file, 6000),
        "garbage": lambda: newest.file.write_bytes(b"x" * 9000),
        "a payload": lambda: _change(newest.file, "UPDATE events SET payload = '{\"name\": 7}' WHERE id = 1"),
        "an order": lambda: _change(newest.file, "UPDATE events SET kind = 'undone', payload = '{\"event_id\": 9}'"),
        "no ledger": lambda: _change(newest.file, "DROP TABLE events"),
        "nothing": lambda: newest.file.write_bytes(b""),
    }
    flaws[flaw]()
    with pytest.raises(BackupError, match=r"cannot be restored .*; choose another backup"):
        check_backup(newest.file)
    found, problems = newest_good_backup(folder, [ledger.record().ledger_id or ""])
    assert found.file == good.file and len(problems) == 1 and newest.file.name in problems[0]


def _change(file: Path, statement: str) -> None:
    with sqlite3.connect(file) as con:
        for (trigger,) in con.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            con.execute(f'DROP TRIGGER "{trigger}"')
        con.execute(statement)
    con.close()


def test_logs_of_a_ledger_that_is_replaced_are_not_applied_to_the_one_that_is_put_back(
    ledger: Ledger, tmp_path: Path
) -> None:
    folder, file = tmp_path / "backups", tmp_path / "ledger.sqlite"
    ledger.create_person("Anna")
    backup = back_up(ledger, folder, Retention())
    con = sqlite3.connect(file, isolation_level=None)
    con.execute("PRAGMA journal_mode = WAL")
    con.execute("BEGIN")
    con.execute("SELECT count(*) FROM events").fetchone()
    ledger.create_person("Ben")
    assert backup is not None and file.with_name("ledger.sqlite-wal").stat().st_size
    restore(ledger.url, check_backup(backup.file), folder, lambda _: None)
    assert [p.name for p in ledger.decisions().persons.values()] == ["Anna"]
    con.close()
    assert [p.name for p in ledger.decisions().persons.values()] == ["Anna"]


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_a_person_who_is_erased_is_in_no_backup_any_more(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = "" if database == "sqlite" else request.getfixturevalue("postgres_ledger")
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"), ledger=url)
    ledger, folder = archive.open_ledger(), archive.layout.ledger_backups
    ledger.import_roster([RosterEntry(SECRET, "7"), RosterEntry("Anna", "8", siblings=(SECRET,))], "list.csv")
    assert archive.back_up_ledger() is not None, "a backup that knows only the list with the name"
    person = ledger.label("Somebody first", [face("a", "p1")]).person
    assert archive.back_up_ledger() is not None, "one that knows the person by another name"
    ledger.rename(person.id, SECRET)
    ledger.set_birth_date(person.id, date(2011, 2, 3))
    ledger.label("Anna", [face("c", "p1")])
    backup = archive.back_up_ledger()
    assert backup is not None
    ledger.set_kind(SECRET, "staff")
    restore(archive.ledger_url, check_backup(backup.file), folder, lambda _: None)  # another one stays beside them
    garbage = folder / "replaced-20260101T000000000000Z.sqlite"
    garbage.write_bytes(b"who knows " + SECRET.encode())
    assert all_bytes(folder).count(SECRET.encode()) >= 5
    ledger.erase(person.id, [face("thought", "p3")])
    removed = {one.what: one.count for one in _redact_ledger(archive, replace(ledger, expected=None), {person.id})}
    assert removed["backups with names and birthdays"] == 4
    assert removed["backups that could not be read, and were deleted"] == 1 and not garbage.exists()
    left = all_bytes(folder)
    assert not any(word in left for word in (SECRET.encode(), b"Somebody first", b"2011-02-03")) and b"Anna" in left
    for one in list_backups(folder):
        assert check_backup(one.file).decisions == one.last
    assert not [file for file in folder.iterdir() if file.name.endswith(("-wal", "-journal"))]


def test_a_student_who_is_removed_from_the_rosters_is_in_no_backup_any_more(tmp_path: Path) -> None:
    archive = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))
    archive.open_ledger().import_roster([RosterEntry(SECRET, "7"), RosterEntry("Anna", "8")], "list.csv")
    assert archive.back_up_ledger() is not None
    assert remove_student(archive, SECRET) == 1
    assert SECRET.encode() not in all_bytes(tmp_path) and b"Anna" in all_bytes(archive.layout.ledger_backups)


def test_a_burst_of_decisions_is_one_backup_and_what_is_left_is_made_at_the_end() -> None:
    made, done = list[int](), threading.Event()

    def make() -> None:
        made.append(1)
        done.set()

    scheduler = BackupScheduler(make, quiet_s=0.2, max_wait_s=60)
    assert scheduler.flush() is None and not made, "nothing was decided"
    scheduler.start()
    for _ in range(50):
        scheduler.notice()
    assert done.wait(30) and made == [1]
    later = BackupScheduler(make, quiet_s=600)
    later.start()
    later.notice()
    assert later.flush() is None and made == [1, 1] and later.flush() is None and made == [1, 1]


def test_a_backup_that_fails_is_reported_and_fails_no_decision() -> None:
    def fail() -> None:
        raise DamagedLedgerError("The ledger is damaged; put it back.")

    scheduler = BackupScheduler(fail)
    scheduler.notice()
    problem = scheduler.flush()
    assert problem is not None and problem.startswith("The decisions are recorded, but the ledger was not backed up")


def test_decisions_that_go_on_without_a_rest_are_backed_up_too() -> None:
    done = threading.Event()
    scheduler = BackupScheduler(done.set, quiet_s=3600, max_wait_s=0.3)
    scheduler.start()
    scheduler.notice()
    scheduler.notice()
    assert done.wait(30)


def test_a_folder_that_cannot_hold_backups_is_one_sentence(ledger: Ledger, tmp_path: Path) -> None:
    ledger.create_person("Anna")
    (tmp_path / "a file").write_text("")
    with pytest.raises(StorageError, match=r"^Backups of the ledger cannot be written to .*CLASSFACE_LEDGER_BACKUPS"):
        back_up(ledger, tmp_path / "a file", Retention())
