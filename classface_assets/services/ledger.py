"""A ledger takes the place of another one: restored from a backup, imported, or on purpose a new one; and its check.

Whichever way, people who were erased stay erased, and people who may not be shown by the publication stay withheld,
before anything counts the ledger as the archive's.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.core.names import pluralize
from classface_assets.orchestration.archive_lock import archive_lock
from classface_assets.orchestration.resources import Archive
from classface_assets.services.erasure import synchronize_erasures
from classface_assets.store.backups.generations import list_backups
from classface_assets.store.backups.restoration import (
    BackupError,
    CheckedBackup,
    LostDecisions,
    check_backup,
    count_people_events,
    event_flaw,
    lost_decisions,
    newest_good_backup,
    readable_backup,
    restore,
)
from classface_assets.store.ledger.database import check_database, sqlite_file
from classface_assets.store.ledger.identity import LedgerRecord, LostLedgerError
from classface_assets.store.ledger.jsonl import import_events, is_same_event, read_export
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.transaction import LedgerError
from classface_assets.store.published.carried_refusals import carry_refusals, published_withheld
from classface_assets.store.published.ledger_record import ArchiveExpectation, accept_ledger
from classface_assets.store.published.published_events import published_events

NOT_IN_PUBLICATION = (
    "The published database has decisions too, without the rows of rosters and without decisions since the last run; "
    "import the rosters again afterwards."
)


@dataclass(frozen=True)
class TakenOverLedger:
    """What was done with a ledger before it became the archive's.

    Attributes:
        erased_again: How many people it did not know to be erased.
        left_to_erase: Of how many erased people something may be left on this machine.
        refusals: A sentence for each person whom it would have shown, and withholds now.
    """

    erased_again: int = 0
    left_to_erase: int = 0
    refusals: tuple[str, ...] = ()


@dataclass(frozen=True)
class RestorePlan:
    """What `restore_ledger` will do.

    Attributes:
        backup: The ledger as it will be.
        lost: The decisions that it lacks.
        problems: A sentence for each newer backup that cannot be restored.
    """

    backup: CheckedBackup
    lost: LostDecisions
    problems: tuple[str, ...] = ()

    def lines(self) -> list[str]:
        """What people read before they agree."""
        last = self.backup.events[-1]
        when = f"{last.at.astimezone():%Y-%m-%d %H:%M}"
        found = f"{self.backup.file}: {pluralize(self.backup.decisions, 'decision')}, the last of {when}."
        return [*self.problems, found, str(self.lost)]


@dataclass(frozen=True)
class RestoredLedger:
    """What `restore_ledger` did.

    Attributes:
        decisions: How many there are now.
        replaced: The file of the ledger that was replaced; None where there was none.
        changes: What was done with the backup's ledger.
    """

    decisions: int
    replaced: Path | None
    changes: TakenOverLedger


@dataclass(frozen=True)
class ImportedLedger:
    """What `import_ledger` did: how many events were new, how many were there, and what else was done."""

    new: int
    known: int
    changes: TakenOverLedger


@dataclass
class LedgerReport:
    """The result of `check_ledger`.

    Attributes:
        lines: What is in order.
        problems: What is not.
    """

    lines: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def accept_new_ledger(archive: Archive) -> TakenOverLedger:
    """Take the ledger as it is as the archive's, where it is not the one that the archive knows.

    Raises:
        DamagedLedgerError: It cannot be read.
        LedgerError: The database cannot be used.
    """
    try:
        archive.open_ledger().require_known()
    except LostLedgerError:
        return _take_over(archive, archive.open_unchecked_ledger())
    return TakenOverLedger()


def find_backup(archive: Archive, file: Path | None = None) -> RestorePlan:
    """The backup to restore: that file, or the newest one that passes every check.

    Raises:
        BackupError: There is none, or the file is none.
    """
    records, problems = ArchiveExpectation(archive.layout).records(), list[str]()
    if file is not None:
        backup = check_backup(file)
    else:
        ledger_ids = [one.ledger_id for one in records if one.ledger_id]
        try:
            backup, problems = newest_good_backup(archive.layout.ledger_backups, ledger_ids)
        except BackupError as error:
            backup = _from_publication(archive.layout.database, next(iter(ledger_ids), None), error)
            problems = [str(error), NOT_IN_PUBLICATION]
    known = {one.ledger_id for one in records if one.ledger_id}
    if known and backup.ledger_id and backup.ledger_id not in known:
        problems.append("It is another ledger than the one that the archive knows.")
    lost = lost_decisions(archive.open_unchecked_ledger(), backup, records)
    return RestorePlan(backup, lost, tuple(problems))


def restore_ledger(archive: Archive, plan: RestorePlan) -> RestoredLedger:
    """Put the ledger of a backup in the place of the archive's.

    Raises:
        ArchiveLockedError: A run of this archive is in progress.
        LedgerError: The database cannot be used.
        StorageError: The disk fails.
    """
    layout, changes = archive.layout, list[TakenOverLedger]()
    with archive_lock(layout, "classface ledger restore", lambda _: None, wait=False):
        replaced = restore(
            archive.ledger_url,
            plan.backup,
            layout.ledger_backups,
            lambda ledger: changes.append(_prepare(archive, ledger)),
        )
        accept_ledger(layout, archive.open_unchecked_ledger())
        archive.back_up_ledger()
    decisions = count_people_events(archive.open_ledger().events())
    return RestoredLedger(decisions, replaced, changes[0])


def import_ledger(archive: Archive, lines: Iterable[bytes], new_ledger: bool = False) -> ImportedLedger:
    """Append the events of an exported ledger that the archive's lacks.

    Args:
        archive: The archive.
        lines: Of the file.
        new_ledger: Whether it may be another ledger than the one that the archive knows.

    Raises:
        InvalidLinesError: Lines that are no events.
        CutOffError: Lines are missing at the end.
        ConflictError: The ledger that is there is another one.
        LostLedgerError: With the events, it is still not the archive's.
    """
    export, ledger = read_export(lines), archive.open_unchecked_ledger()
    records = [] if new_ledger else ArchiveExpectation(archive.layout).records()
    with _leaving_no_new_file(sqlite_file(ledger.url)):
        new = import_events(ledger, export.events, export.ledger_id, records)
    changes = _take_over(archive, ledger) if new_ledger else _prepare(archive, ledger)
    archive.back_up_ledger()
    return ImportedLedger(new, len(export.events) - new, changes)


def check_ledger(archive: Archive) -> LedgerReport:
    """Check a ledger: the database's own check, its events and their replay, the archive's records, and backups."""
    report, ledger = LedgerReport(), archive.open_unchecked_ledger()
    records = ArchiveExpectation(archive.layout).records()
    try:
        archive.open_ledger().require_known()
        report.lines.append(_agreement(records))
        file = sqlite_file(ledger.url)
        if file is not None and not file.exists():
            report.lines.append("There is no ledger yet; the first decision creates it.")
            return report
        _check_events(ledger, report)
    except UserError as error:
        report.problems.append(str(error))
    _check_backups(archive, ledger, report)
    return report


def _from_publication(database: Path, ledger_id: str | None, no_backup: BackupError) -> CheckedBackup:
    """The decisions as the published database has them. Raises `no_backup` where it has none."""
    events = published_events(database)
    if not events or event_flaw(events):
        raise no_backup
    return CheckedBackup(database, ledger_id, events)


@contextmanager
def _leaving_no_new_file(file: Path | None) -> Iterator[None]:
    """Remove a file of SQLite that was not there before, where what was to be written into it is refused."""
    is_new = file is not None and not file.exists()
    try:
        yield
    except UserError:
        if file is not None and is_new:
            file.unlink(missing_ok=True)
        raise


def _agreement(records: list[LedgerRecord]) -> str:
    known = max((one.decisions for one in records), default=0)
    return (
        f"Archive: {known:,} decisions are known, and the ledger has them." if known else "Archive: nothing is known."
    )


def _check_events(ledger: Ledger, report: LedgerReport) -> None:
    flaw = check_database(ledger.url)
    if flaw:
        report.problems.append(f"The database reports damage: {flaw}; see `classface ledger restore`.")
        return
    events = ledger.events()
    flaw = event_flaw(events)
    if flaw:
        report.problems.append(f"The ledger is not in order: {flaw}; see `classface ledger restore`.")
        return
    ledger_id = ledger.record().ledger_id
    report.lines.insert(
        0, f"Ledger {ledger_id}: {pluralize(count_people_events(events), 'decision')}, whole, and can be replayed."
    )


def _check_backups(archive: Archive, ledger: Ledger, report: LedgerReport) -> None:
    backups = list_backups(archive.layout.ledger_backups)
    if not backups:
        report.lines.append("Backups: none yet; the next decision or run makes one.")
        return
    good = 0
    for backup in backups:
        try:
            readable_backup(backup.file)
            good += 1
        except BackupError as error:
            report.problems.append(str(error))
    try:
        newest = check_backup(backups[0].file)
        report.lines.append(f"Backups: {good:,} can be read, the newest with {newest.decisions:,} decisions.")
        report.problems += _changed_since(newest, ledger)
    except (BackupError, LedgerError):  # reported above
        return


def _changed_since(backup: CheckedBackup, ledger: Ledger) -> list[str]:
    """A sentence on the events that are others in the ledger than in its backup: bit rot that can still be read."""
    file = sqlite_file(ledger.url)
    if file is not None and not file.exists():  # to read it would create it
        return []
    mine = {event.id: event for event in ledger.events()}
    if backup.ledger_id != ledger.record().ledger_id:
        return []
    changed = [e.id for e in backup.events if e.id in mine and not is_same_event(mine[e.id], e)]
    if not changed:
        return []
    return [
        f"{pluralize(len(changed), 'event')} of the ledger changed since the newest backup, the first is number "
        f"{changed[0]:,}; `classface ledger restore` puts it back as it was."
    ]


def _take_over(archive: Archive, ledger: Ledger) -> TakenOverLedger:
    changes = _prepare(archive, ledger)
    accept_ledger(archive.layout, ledger)
    return changes


def _prepare(archive: Archive, ledger: Ledger) -> TakenOverLedger:
    """Let a ledger know who is erased, and who may not be shown."""
    again, left = synchronize_erasures(archive, ledger)
    refusals = carry_refusals(published_withheld(archive.layout.database), ledger)
    return TakenOverLedger(again, left, tuple(refusals))
