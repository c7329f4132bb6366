"""A clock that is years wrong, and one that is set while something goes on: order is by number, never by time."""

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from classface_assets.core import atomic_files
from classface_assets.core.atomic_files import is_abandoned, remove_abandoned, temporary_path
from classface_assets.core.errors import as_storage_error
from classface_assets.defs.sensors.decisions import is_quiet
from classface_assets.orchestration.records import run_processes
from classface_assets.store.catalog import photo_dates
from classface_assets.store.ledger import database
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets_tests.support.helpers import FACES, names, who

YEARS = 365 * 24 * 3600


def clock_of(wrong_by: float) -> type[datetime]:
    """The class `datetime` of a machine whose clock is wrong by so many seconds."""

    class Clock(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Clock":  # type: ignore[override]
            there = datetime.now(tz) + timedelta(seconds=wrong_by)  # type: ignore[arg-type]
            return cls.fromisoformat(there.isoformat())

    return Clock


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[float], None]]:
    """Sets the clock of the ledger and of the choice of dates to be wrong by so many seconds."""

    def set_to(wrong_by: float) -> None:
        for module in (database, photo_dates):
            monkeypatch.setattr(module, "datetime", clock_of(wrong_by))

    yield set_to


def test_decisions_count_in_the_order_in_which_they_were_made_whatever_the_clock_said(
    ledger: Ledger, set_clock: Callable[[float], None]
) -> None:
    for wrong_by, name in ((0, "Ada"), (-9 * YEARS, "Ben"), (14 * YEARS, "Cem"), (-20 * YEARS, "Dora")):
        set_clock(wrong_by)
        ledger.label(name, FACES[:1])
        assert who(ledger) == {FACES[0].face_id: name}
    times = [event.at for event in ledger.events()]
    assert times != sorted(times) and [event.id for event in ledger.events()] == list(range(1, len(times) + 1))
    ledger.undo()
    assert who(ledger) == {FACES[0].face_id: "Cem"}, "the last decision is that of the greatest number"
    set_clock(0)
    ledger.rename("Cem", "Cem Oz")
    assert names(ledger)[2] == "Cem Oz"
    last = ledger.last()
    assert last is not None and last[0] == ledger.events()[-1].id
    assert ledger.events(after=times.index(max(times)))[-1].id == last[0]


def test_a_burst_of_names_ends_although_its_last_event_lies_in_the_future() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    assert not is_quiet((now + timedelta(seconds=20)).isoformat(), now), "two machines, seconds apart"
    assert is_quiet((now + timedelta(days=900)).isoformat(), now), "else no run would start for years"


def test_what_this_process_writes_is_not_abandoned_when_the_clock_jumps_ahead(tmp_path: Path) -> None:
    """A machine without a battery wakes in 1970 and learns the time in the middle of a run."""
    own = temporary_path(tmp_path / "table.parquet")
    own.write_bytes(b"half")
    os.utime(own, (0, 0))
    remove_abandoned(tmp_path)
    assert own.exists() and not is_abandoned(own)


def test_a_file_of_a_dead_process_with_our_number_is_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container every process that was started has the same number."""
    left = temporary_path(tmp_path / "table.parquet")
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    monkeypatch.setattr(atomic_files, "_OWN_TOKEN", "none")
    assert is_abandoned(left)


def test_a_run_that_began_in_the_future_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    class NoEvents:
        def all_logs(self, *_: object, **__: object) -> list[object]:
            return []

    is_alive = run_processes._has_process
    assert is_alive(NoEvents(), "a run", time.time() - 5)  # type: ignore[arg-type]
    assert not is_alive(NoEvents(), "a run", time.time() + 3 * YEARS)  # type: ignore[arg-type]


def test_dates_of_photos_are_believed_although_the_clock_was_set_back(set_clock: Callable[[float], None]) -> None:
    dates = [datetime(year, 5, 4, tzinfo=UTC).replace(tzinfo=None) for year in (2023, 2150)]
    frame = pl.DataFrame({"at": dates, "source": ["exif", "exif"]})
    expected = [False, True]
    for wrong_by in (0, -30 * YEARS):
        set_clock(wrong_by)
        assert frame.select(photo_dates._is_doubted(None)).to_series().to_list() == expected


def test_a_locked_ledger_is_waited_for_and_then_one_sentence(
    ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.label("Ada", FACES[:1])
    with closing(sqlite3.connect(tmp_path / "ledger.sqlite", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN EXCLUSIVE")
        threading.Timer(0.5, other.execute, ["COMMIT"]).start()
        ledger.label("Ben", FACES[1:2])
        assert names(ledger) == ["Ada", "Ben"], "it waited"
        other.execute("BEGIN EXCLUSIVE")
        monkeypatch.setattr(database, "_LOCK_TIMEOUT", 0.2)
        with pytest.raises(
            LedgerError, match=r"is in use by another program, .* nothing was recorded: .* try again\.$"
        ):
            ledger.label("Cem", FACES[2:3])
        other.execute("COMMIT")
    assert names(ledger) == ["Ada", "Ben"]


def test_locked_records_of_dagster_are_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "runs.db"
    with closing(sqlite3.connect(file)) as one, closing(sqlite3.connect(file, timeout=0.1)) as other:
        one.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as error:
            other.execute("CREATE TABLE runs (id)")
    sentence = str(as_storage_error(error.value, file))
    assert sentence.startswith(f"{file} is in use by another program") and "\n" not in sentence
