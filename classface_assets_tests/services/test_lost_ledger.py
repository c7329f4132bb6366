"""A lost ledger is not a new one: in every state nothing is published or written, and there are two ways on."""

import contextlib
import io
import json
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from upath import UPath

from classface_assets.cli.__main__ import cli
from classface_assets.core.errors import UserError
from classface_assets.defs.identity.face_tables import face_tables
from classface_assets.defs.identity.identities import identities
from classface_assets.defs.sensors.decisions import decisions as decisions_sensor
from classface_assets.orchestration.resources import Archive, Models
from classface_assets.review.app import create_app
from classface_assets.services.erasure import synchronize_erasures
from classface_assets.services.ledger import accept_new_ledger, check_ledger, find_backup, import_ledger, restore_ledger
from classface_assets.store.backups.copies import export_copy
from classface_assets.store.backups.restoration import BackupError
from classface_assets.store.consent.allowed_photos import load_allowed_photos
from classface_assets.store.consent.photos import PhotoVerdict
from classface_assets.store.ledger.database import read_identity
from classface_assets.store.ledger.event_store import DamagedLedgerError
from classface_assets.store.ledger.identity import LostLedgerError
from classface_assets.store.ledger.jsonl import ExportedLedger, to_jsonl
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.store.ledger.redaction import redact_people
from classface_assets.store.model.purposes import Purpose
from classface_assets.store.model.roster_entry import RosterEntry
from classface_assets.store.published.ledger_record import (
    ArchiveExpectation,
    publish_with_record,
    published_record,
    read_stored_records,
)
from classface_assets_tests.support.direct_runs import call
from classface_assets_tests.support.helpers import TOKEN, face, names
from classface_assets_tests.support.lost_ledgers import (
    DAMAGES,
    NAMES,
    ledger_file,
    make_diverged,
    make_ledger_without_events,
    make_missing,
    make_older,
    make_other,
    named_archive,
    publish,
)

MODELS = Models(pack="builtin")
WAYS_ON = re.compile(r"classface ledger restore`.*(--new-ledger|CLASSFACE_LEDGER)")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """Published, and without a backup."""
    made = named_archive(tmp_path)
    publish(made)
    return made


def classface(archive: Archive, *arguments: str) -> tuple[int, str]:
    """The exit code and all output of a command that is called in this process."""
    output = io.StringIO()
    command = [*arguments, "--photos", archive.photos, "--data", archive.data]
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
        result = CliRunner().invoke(cli, command, catch_exceptions=True)
    error = "" if result.exception is None else str(result.exception)
    return result.exit_code, f"{output.getvalue()}{result.output}{error}"


def ledger_bytes(archive: Archive) -> bytes | None:
    file = ledger_file(archive)
    return file.read_bytes() if file.exists() else None


@pytest.mark.parametrize("state", DAMAGES)
def test_by_a_lost_ledger_nothing_is_published_and_nothing_written_into_it(state: str, archive: Archive) -> None:
    damage, sentence = DAMAGES[state]
    damage(archive)
    before, database = ledger_bytes(archive), archive.layout.database.read_bytes()
    attempts = {
        "materializing the tables": lambda: call(face_tables, archive, MODELS),
        "materializing the identities": lambda: call(identities, archive, MODELS),
        "starting the review server": lambda: create_app(archive, MODELS, TOKEN),
        "labelling": lambda: archive.open_ledger().label("Eve", [face("face9")]),
        "reading the decisions": lambda: archive.open_ledger().decisions(),
        "backing up": archive.back_up_ledger,
        "a check before a run": lambda: archive.open_ledger().require_known(),
    }
    for what, attempt in attempts.items():
        with pytest.raises(Exception, match=sentence) as stopped:
            attempt()
        text = str(getattr(stopped.value, "description", None) or stopped.value)
        assert WAYS_ON.search(text) and "\n" not in text, f"{what}: {text}"
    with pytest.raises(UserError):
        import_ledger(archive, [])
    code, output = classface(archive, "label", "face0", "Eve")
    assert code != 0 and re.search(sentence, output)
    assert ledger_bytes(archive) == before and archive.layout.database.read_bytes() == database
    assert check_ledger(archive).problems
    assert not list(archive.layout.ledger_backups.glob("2*")), "a lost ledger takes the place of no backup"


def test_a_run_with_a_lost_ledger_ends_with_a_sentence_and_goes_on_once_a_new_one_is_meant(archive: Archive) -> None:
    make_missing(archive)
    command = [sys.executable, "-m", "classface_assets.cli", "run", "--photos", archive.photos, "--data", archive.data]
    stopped = subprocess.run(command, capture_output=True, text=True, check=False)
    assert stopped.returncode == 1 and stopped.stdout == "" and stopped.stderr.count("\n") == 1
    assert "published with 10 decisions, and its ledger" in stopped.stderr and not ledger_file(archive).exists()
    assert set(accept_new_ledger(archive).refusals) == {
        "Ben Hidden was hidden when the archive was published; that stays so.",
        "Cem Refused had refused album, yearbook and web when the archive was published; that stays so.",
    }
    archive.open_ledger().require_known()
    assert accept_new_ledger(archive).refusals == ()


def test_a_new_archive_and_one_without_any_decision_just_start(tmp_path: Path) -> None:
    new = Archive(photos=str(tmp_path / "photos"), data=str(tmp_path / "data"))
    assert ArchiveExpectation(new.layout).records() == []
    new.open_ledger().require_known()
    assert not ledger_file(new).exists(), "a look creates nothing"
    new.open_ledger().events()
    publish(new)
    ledger_file(new).unlink()
    new.open_ledger().require_known()
    assert new.open_ledger().label("Anna", [face("f")]).person.name == "Anna"


def test_names_that_were_erased_or_removed_do_not_make_a_ledger_another_one(archive: Archive) -> None:
    ledger = archive.open_ledger()
    person = ledger.decisions().people_named("Dora Tal")[0].id
    ledger.erase(person)
    publish(archive)
    assert redact_people(archive.ledger_url, {person}) == 1
    archive.open_ledger().require_known()
    assert "Dora Tal" not in names(archive.open_ledger())


@pytest.mark.parametrize("state", DAMAGES)
def test_an_archive_of_an_older_version_knows_its_ledger_by_the_events_that_it_published(
    state: str, tmp_path: Path
) -> None:
    archive = named_archive(tmp_path)
    publish(archive, with_record=False)
    with sqlite3.connect(ledger_file(archive)) as con:
        con.execute("DROP TABLE ledger_identity")
    con.close()
    archive.open_ledger().require_known()
    DAMAGES[state][0](archive)
    with pytest.raises((LostLedgerError, DamagedLedgerError)):
        archive.open_ledger().label("Eve", [face("face9")])


def test_a_ledger_of_an_older_version_gets_the_identity_that_the_archive_knows(archive: Archive) -> None:
    known = published_record(archive.layout.database)
    assert known is not None and known.ledger_id
    with sqlite3.connect(ledger_file(archive)) as con:
        con.execute("DROP TABLE ledger_identity")
    con.close()
    archive.open_ledger().create_person("Eve")
    assert archive.open_ledger().record().ledger_id == known.ledger_id


@pytest.mark.parametrize("left", ["database", "file"])
def test_the_published_database_or_the_small_file_alone_is_enough(left: str, archive: Archive) -> None:
    (archive.layout.ledger_record if left == "database" else archive.layout.database).unlink()
    make_missing(archive)
    with pytest.raises(LostLedgerError, match="published with 10 decisions"):
        archive.open_ledger().events()


def test_decisions_after_the_last_publication_are_known_once_they_rest(archive: Archive) -> None:
    archive.open_ledger().create_person("Eve")
    archive.open_ledger().create_person("Fay")
    assert archive.back_up_ledger() is not None
    make_older(archive)
    with pytest.raises(LostLedgerError, match=r"The archive has seen 12 decisions; this ledger \(.*\) has 10"):
        archive.open_ledger().events()


def test_a_server_that_runs_notices_that_its_ledger_is_gone(archive: Archive) -> None:
    ledger = archive.open_ledger()
    ledger.create_person("Eve")
    make_missing(archive)
    with pytest.raises(LostLedgerError):
        ledger.create_person("Fay")
    assert not ledger_file(archive).exists()


def test_the_sensor_of_decisions_skips_with_the_sentence(archive: Archive) -> None:
    import dagster as dg

    make_missing(archive)
    with (
        dg.DagsterInstance.ephemeral() as instance,
        dg.build_sensor_context(instance=instance, resources={"archive": archive, "models": MODELS}) as context,
    ):
        skipped = decisions_sensor(context)
    assert isinstance(skipped, dg.SkipReason) and "is missing" in str(skipped.skip_message)


def test_a_record_that_cannot_be_read_stops_everything_with_a_sentence(archive: Archive) -> None:
    archive.layout.ledger_record.write_bytes(b"{")
    with pytest.raises(UserError, match=r"ledger\.json does not say which ledger the archive has"):
        archive.open_ledger().events()


@pytest.mark.parametrize("state", DAMAGES)
def test_a_lost_ledger_is_put_back_from_its_backup(state: str, archive: Archive) -> None:
    events = archive.open_ledger().events()
    assert archive.back_up_ledger() is not None
    DAMAGES[state][0](archive)
    lost = ledger_bytes(archive)
    plan = find_backup(archive)
    restored = restore_ledger(archive, plan)
    assert archive.open_ledger().events() == events and restored.decisions == 10
    assert restored.changes.refusals == ()
    archive.open_ledger().require_known()
    assert not check_ledger(archive).problems
    assert (restored.replaced is None) == (lost is None)
    if lost is not None and restored.replaced is not None:
        assert restored.replaced.read_bytes() == lost, "what it replaced stays under another name"
    assert archive.open_ledger().label("Eve", [face("face9")]).faces == 1


def test_a_restore_counts_the_decisions_that_it_gives_up(archive: Archive) -> None:
    assert archive.back_up_ledger() is not None
    for name in ("Eve", "Fay", "Gil"):
        archive.open_ledger().create_person(name)
    plan = find_backup(archive)
    assert str(plan.lost) == "Decisions that the backup does not have, and that are lost: 3."
    assert any("10 decisions" in line for line in plan.lines())
    archive.backup_scheduler.flush()
    (made, *_) = sorted(archive.layout.ledger_backups.glob("2*.sqlite"), reverse=True)
    make_missing(archive)
    made.unlink()
    plan = find_backup(archive)
    assert str(plan.lost) == "Decisions that the backup does not have, and that are lost: at least 3."
    restore_ledger(archive, plan)
    assert len(names(archive.open_ledger())) == len(NAMES)


def test_whoever_was_refused_or_hidden_stays_so_when_an_older_ledger_is_restored(archive: Archive) -> None:
    make_older(archive)  # without Ben being hidden and Cem refusing
    older = ledger_file(archive).parent / "older.sqlite"
    ledger_file(archive).rename(older)
    restored = restore_ledger(archive, find_backup(archive, older))
    assert len(restored.changes.refusals) == 2
    persons = {p.name: p for p in archive.open_ledger().decisions().persons.values()}
    assert persons["Ben Hidden"].status == "hidden" and Purpose.ALBUM in persons["Cem Refused"].refused
    assert not persons["Anna Weiss"].refused and persons["Anna Weiss"].status == "active"
    archive.layout.database.unlink()  # also when only the ledger counts
    publish(archive)
    allowed = load_allowed_photos(archive.layout.database, archive.open_ledger(), Purpose.ALBUM)
    assert allowed.photos["verdict"].to_list() == [PhotoVerdict.WITHHELD.value]
    assert {e.actor for e in archive.open_ledger().events()[-2:]} == {"classface ledger"}
    archive.open_ledger().set_consent("Cem Refused", True)
    assert not archive.open_ledger().decisions().people_named("Cem Refused")[0].refused, "somebody may decide"


def test_without_any_backup_the_published_decisions_are_put_back(tmp_path: Path) -> None:
    archive = named_archive(tmp_path)
    ledger = archive.open_ledger()
    row = RosterEntry("Anna Weiss", "7", consents={"web": False})
    ledger.import_roster([row, RosterEntry("Nobody Yet", "8")], "list.csv")
    ledger.erase("Dora Tal", [face("face3", "photo", (310, 10, 80, 80))])
    synchronize_erasures(archive)
    publish(archive, with_record=False)
    before = ledger.decisions()
    make_missing(archive)
    plan = find_backup(archive)
    assert any(line.startswith("There is no backup of the ledger") for line in plan.lines())
    assert any("without the rows of rosters" in line for line in plan.lines())
    restored = restore_ledger(archive, plan)
    decisions = archive.open_ledger().decisions()
    assert restored.changes.refusals == ("Anna Weiss had refused web when the archive was published; that stays so.",)
    assert "Dora Tal" not in {p.name for p in decisions.persons.values()}
    assert {f: label.person_id for f, label in decisions.labels.items()} == {
        f: label.person_id for f, label in before.labels.items()
    }
    withheld = {p.name: (p.status, p.refused) for p in before.persons.values() if not p.erased}
    assert {p.name: (p.status, p.refused) for p in decisions.persons.values()} == withheld
    archive.layout.database.unlink()
    make_missing(archive)
    with pytest.raises(BackupError, match="choose another backup"):
        restore_ledger(archive, find_backup(archive, tmp_path / "no such file"))


def test_whoever_was_refused_or_hidden_stays_so_in_a_new_ledger_too(archive: Archive) -> None:
    make_other(archive)
    archive.open_unchecked_ledger().create_person("Cem Refused")
    assert len(accept_new_ledger(archive).refusals) == 2
    decisions = archive.open_ledger().decisions()
    assert len(decisions.people_named("Cem Refused")) == 1
    withheld = {p.name for p in decisions.persons.values() if p.refused or p.status == "hidden"}
    assert withheld == {"Ben Hidden", "Cem Refused"}
    assert {decisions.persons[label.person_id].name for label in decisions.labels.values()} == withheld


def test_an_erased_person_comes_back_by_no_restore(archive: Archive) -> None:
    backup = archive.back_up_ledger()
    assert backup is not None
    mine = ledger_file(archive).parent.parent / "my own copy.sqlite"
    mine.write_bytes(backup.file.read_bytes())
    ledger = archive.open_ledger()
    ledger.erase("Dora Tal", [face("face3", "photo", (310, 10, 80, 80))])
    synchronize_erasures(archive)
    make_missing(archive)
    restored = restore_ledger(archive, find_backup(archive, mine))
    assert restored.changes.erased_again == 1
    decisions = archive.open_ledger().decisions()
    assert set(decisions.erased_faces) == {"face3"}
    assert not [p for p in decisions.persons.values() if p.name == "Dora Tal" and not p.erased]


def test_an_exported_ledger_takes_its_identity_along_and_its_end(archive: Archive, tmp_path: Path) -> None:
    ledger = archive.open_ledger()
    record, events = ledger.record(), ledger.events()
    lines = [line.encode() for line in to_jsonl(events, ExportedLedger(record.ledger_id or "", len(events)))]
    make_missing(archive)
    with pytest.raises(UserError, match="cut off: it has 9 of 10"):
        import_ledger(archive, lines[:-1])
    old = [line.encode() for line in to_jsonl(events)]
    with pytest.raises(LostLedgerError, match="has 7"):
        import_ledger(archive, old[:-3])
    assert import_ledger(archive, lines).new == 10
    assert archive.open_ledger().record() == record and archive.open_ledger().events() == events
    archive.open_ledger().require_known()
    make_missing(archive)
    assert import_ledger(archive, old).new == 10, "a file of an older version is known by its events"
    assert archive.open_ledger().record() == record
    other = Ledger(f"sqlite:///{tmp_path}/other.sqlite")
    other.create_person("Somebody")
    make_ledger_without_events(archive)
    foreign = [line.encode() for line in to_jsonl(other.events())]
    with pytest.raises(LostLedgerError):
        import_ledger(archive, foreign)
    assert import_ledger(archive, foreign, new_ledger=True).new == 1
    archive.open_ledger().require_known()


def test_a_check_finds_bit_rot_that_can_still_be_read(archive: Archive) -> None:
    assert archive.back_up_ledger() is not None and not check_ledger(archive).problems
    file = ledger_file(archive)
    content = file.read_bytes()
    assert content.count(b"Anna Weiss") == 1
    file.write_bytes(content.replace(b"Anna Weiss", b"Anna Wciss"))
    archive.open_ledger().require_known()
    (problem,) = check_ledger(archive).problems
    assert "1 event of the ledger changed since the newest backup, the first is number 1" in problem


def test_a_check_of_a_missing_ledger_creates_none(archive: Archive) -> None:
    assert archive.back_up_ledger() is not None
    ledger_file(archive).unlink()
    (problem,) = check_ledger(archive).problems
    assert "is missing" in problem and not ledger_file(archive).exists()


def test_the_commands_of_the_ledger_are_used_from_the_command_line(archive: Archive) -> None:
    assert classface(archive, "ledger", "check")[0] == 0
    code, output = classface(archive, "ledger", "backup")
    assert code == 0 and "Backed up: " in output
    assert "nothing new" in classface(archive, "ledger", "backup")[1]
    make_diverged(archive)
    code, output = classface(archive, "ledger", "check")
    assert code == 1 and "event 10 is another one" in output
    assert classface(archive, "ledger", "restore")[0] == 1, "without an answer nothing is done"
    code, output = classface(archive, "ledger", "restore", "--yes")
    assert code == 0 and "and that are lost: 3." in output and "Restored: 10 decisions." in output, output
    assert classface(archive, "ledger", "check")[0] == 0
    code, output = classface(archive, "hide", "Anna Weiss")
    assert code == 0 and len(list(archive.layout.ledger_backups.glob("2*.sqlite"))) == 2, (
        "a command backs up at its end"
    )
    stored = read_stored_records(archive.layout)
    assert stored is not None and stored.record.decisions == 11


@pytest.fixture
def on_postgresql(tmp_path: Path, postgres_ledger: str) -> Iterator[Archive]:
    archive = named_archive(tmp_path, postgres_ledger)
    publish(archive)
    yield archive


def test_a_ledger_in_postgresql_is_backed_up_and_put_back_the_same(on_postgresql: Archive) -> None:
    archive = on_postgresql
    events, record = archive.open_ledger().events(), archive.open_ledger().record()
    backup = archive.back_up_ledger()
    assert backup is not None and backup.file.suffix == ".jsonl" and archive.back_up_ledger() is None
    assert json.loads(backup.file.read_text().splitlines()[0])["ledger"] == {"id": record.ledger_id, "events": 10}
    import sqlalchemy as sa

    engine = sa.create_engine(archive.ledger_url, poolclass=sa.NullPool)
    with engine.begin() as con:
        con.exec_driver_sql("DROP TABLE touched, events, ledger_identity")
    with pytest.raises(LostLedgerError, match="has none"):
        archive.open_ledger().create_person("Eve")
    with engine.begin() as con:
        assert read_identity(con) is None
    assert restore_ledger(archive, find_backup(archive)).replaced is None
    assert archive.open_ledger().events() == events and archive.open_ledger().record() == record
    for name in ("Eve", "Fay"):
        archive.open_ledger().create_person(name)
    restored = restore_ledger(archive, find_backup(archive))
    assert archive.open_ledger().events() == events and restored.replaced is not None
    assert "Fay" in restored.replaced.read_text()
    archive.open_ledger().create_person("Gil")
    assert archive.open_ledger().events()[-1].id == 11


def test_an_archive_at_a_url_knows_its_ledger_without_the_disk_that_it_lay_on(bucket: UPath, tmp_path: Path) -> None:
    def archive() -> Archive:
        return Archive(photos=str(tmp_path / "photos"), data=str(bucket / "data"), local=str(tmp_path / "local"))

    server = archive()
    layout = server.layout
    server.open_ledger().label("Anna Weiss", [face("face0")])
    publish_with_record(layout, {}, server.open_ledger().record())
    export_copy(server.open_ledger(), tmp_path / "copy.sqlite")
    server.open_ledger().label("Ben", [face("face1")])
    assert archive().back_up_ledger() is not None
    shutil.rmtree(tmp_path / "local")
    with pytest.raises(LostLedgerError, match=r"The archive has seen 4 decisions, and its ledger .* is missing"):
        archive().open_ledger().events()
    opened = archive().open_ledger()
    with pytest.raises(LostLedgerError):
        opened.events()
    plan = find_backup(archive(), tmp_path / "copy.sqlite")
    assert str(plan.lost) == "Decisions that the backup does not have, and that are lost: at least 2."
    restore_ledger(archive(), plan)
    assert len(opened.events()) == 2, "a server that runs learns of it"
