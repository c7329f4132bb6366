"""Where Dagster's records of an archive are: SQLite files in its home, or a PostgreSQL database that machines share."""

import os
import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
import yaml

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError
from classface_assets.orchestration.records.chart_records import database_of_chart
from classface_assets.orchestration.records.launchers.settings import LauncherSettings, forwarded_variables
from classface_assets.orchestration.settings.archive_names import ARCHIVE_TAG

SETTINGS_FILE, SETTINGS_BEFORE = "dagster.yaml", "dagster.before.yaml"
ENVIRONMENT_PREFIX = "env:"
CONNECT_TIMEOUT_S = 10
DRIVER = "postgresql+psycopg2"
"""SQLAlchemy 2.1 takes another one for plain `postgresql://`, with which Dagster's notifications fail."""
_OWNER = "classface/archive"
SHARED = "several archives, each with a name"


class RecordsDatabaseError(UserError):
    """The database of Dagster's records cannot be used."""


@dataclass(frozen=True)
class RecordsDatabase:
    """A PostgreSQL database for Dagster's records.

    Attributes:
        url: Such as `postgresql+psycopg2://user:password@host/dagster`.
        variable: The environment variable that holds the URL; "" where it stands in `dagster.yaml` itself.
    """

    url: str
    variable: str = ""

    @property
    def shown(self) -> str:
        """The URL without its password."""
        return sa.make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=True)


def default_settings() -> dict[str, Any]:
    """Dagster's settings as `classface` writes them into every new data folder."""
    return dict(yaml.safe_load((files("classface_assets.orchestration") / SETTINGS_FILE).read_text()))


def parse_database(text: str) -> RecordsDatabase:
    """A database by its URL, or by `env:NAME`, the environment variable that holds it.

    Raises:
        RecordsDatabaseError: It is no URL of PostgreSQL, names no database, or the variable is not set.
    """
    variable = text.removeprefix(ENVIRONMENT_PREFIX) if text.startswith(ENVIRONMENT_PREFIX) else ""
    value = os.environ.get(variable, "") if variable else text
    if not value:
        raise RecordsDatabaseError(
            f"The environment variable {variable} is not set; it should hold the database's URL."
        )
    try:
        url = sa.make_url(value)
    except sa.exc.ArgumentError:
        url = None
    if url is None or not url.drivername.startswith("postgresql") or not url.database:
        raise RecordsDatabaseError(
            "That is no PostgreSQL database; give a URL such as postgresql://user:password@host:5432/dagster."
        )
    stored = url.set(drivername=DRIVER)
    if variable and url.drivername != DRIVER:
        raise RecordsDatabaseError(
            f"The URL in {variable} has to begin with {DRIVER}://, the one driver with which Dagster works."
        )
    return RecordsDatabase(stored.render_as_string(hide_password=False), variable)


def require_reachable(database: RecordsDatabase) -> None:
    """Connect once.

    Raises:
        RecordsDatabaseError: The extra is not installed, the server cannot be reached, or it refuses.
    """
    if find_spec("dagster_postgres") is None:
        raise RecordsDatabaseError(
            "Dagster's records in PostgreSQL need the extra `postgres`: pip install 'classface_assets[postgres]'."
        )
    try:
        with _engine(database.url).connect() as con:
            con.exec_driver_sql("SELECT 1")
    except sa.exc.OperationalError as error:
        raise _unreachable(database.shown, error) from None


def records_database(home: Path) -> RecordsDatabase | None:
    """The PostgreSQL database that an archive's `dagster.yaml` names; None where its records are SQLite files.

    Args:
        home: Dagster's home folder.

    Raises:
        RecordsDatabaseError: The environment variable that holds the URL is not set.
    """
    settings = home / SETTINGS_FILE
    if not settings.exists():
        return None
    written = yaml.safe_load(settings.read_text()) or {}
    url = ((written.get("storage") or {}).get("postgres") or {}).get("postgres_url")
    if isinstance(url, dict):
        return parse_database(f"{ENVIRONMENT_PREFIX}{url.get('env', '')}")
    url = url or database_of_chart(written, DRIVER)
    return RecordsDatabase(url) if url else None


@dataclass(frozen=True)
class RunSettings:
    """Where runs go on, and how many of them; what is None stays as it was.

    Attributes:
        most: How many at a time.
        most_an_archive: How many of them may be of one archive, where several share a Dagster.
        launcher: What starts their processes.
    """

    most: int | None = None
    most_an_archive: int | None = None
    launcher: LauncherSettings | None = None

    @property
    def is_set(self) -> bool:
        """Whether anything is to be changed."""
        return (self.most, self.most_an_archive, self.launcher) != (None, None, None)

    def apply(self, settings: dict[str, Any], variable: str) -> None:
        """Write them into the content of `dagster.yaml`.

        Args:
            settings: The content.
            variable: The environment variable with the URL of the records; "" for none.

        Raises:
            LauncherError: The launcher cannot be used.
        """
        concurrency = settings.setdefault("concurrency", {})
        runs = dict(concurrency.get("runs") or {})
        if self.most is not None:
            runs["max_concurrent_runs"] = self.most
        if self.most_an_archive is not None:
            others = [one for one in runs.get("tag_concurrency_limits") or () if one.get("key") != ARCHIVE_TAG]
            each = {"key": ARCHIVE_TAG, "value": {"applyLimitPerUniqueValue": True}, "limit": self.most_an_archive}
            runs["tag_concurrency_limits"] = [*others, each]
        if runs:
            concurrency["runs"] = runs
        if self.launcher is not None:
            section = self.launcher.section(forwarded_variables(variable), settings.pop("run_launcher", None) or {})
            settings |= {"run_launcher": section} if section else {}


UNCHANGED_RUNS = RunSettings()


def write_settings(home: Path, database: RecordsDatabase | None, runs: RunSettings = UNCHANGED_RUNS) -> None:
    """Write `dagster.yaml`; what people changed in it besides stays, and the file before is set aside.

    Args:
        home: Dagster's home folder.
        database: Where the records are; None for SQLite files in `home`.
        runs: Where runs go on, and how many.

    Raises:
        LauncherError: The launcher cannot be used; nothing is written.
    """
    home.mkdir(parents=True, exist_ok=True)
    file = home / SETTINGS_FILE
    settings = default_settings()
    if file.exists():
        settings |= yaml.safe_load(file.read_text()) or {}
    settings.pop("storage", None)
    if database is not None:
        url: object = {"env": database.variable} if database.variable else database.url
        settings["storage"] = {"postgres": {"postgres_url": url}}
    runs.apply(settings, database.variable if database else "")
    if file.exists():
        shutil.copy2(file, home / SETTINGS_BEFORE)
    content = yaml.safe_dump(settings, sort_keys=False).encode()
    write_file(file, lambda opened: opened.write(content))
    file.chmod(0o600)  # it may hold a password


def claim(database: RecordsDatabase, archive: str, *, name: str = "", take_over: bool) -> None:
    """Note in the database whose records it holds; Dagster tells the records of archives apart by their names alone.

    Args:
        database: An empty one, or one with Dagster's tables.
        archive: Where the archive's data are.
        name: Of the archive, where several share a Dagster; "" for one that needs a database of its own.
        take_over: Whether it may be another archive's by its note: this one moved, or the other is no more.

    Raises:
        RecordsDatabaseError: It holds the records of another archive.
    """
    notes = {_OWNER: SHARED, f"{_OWNER}/{name}": archive} if name else {_OWNER: archive}
    with tempfile.TemporaryDirectory() as home:
        write_settings(Path(home), database)
        with dg.DagsterInstance.from_config(home) as instance:
            cursors = instance.daemon_cursor_storage
            present = cursors.get_cursor_values(set(notes))
            owner = next((present[key] for key, value in notes.items() if present.get(key, value) != value), None)
            if owner is not None and not take_over:
                raise RecordsDatabaseError(_claimed(database, owner))
            cursors.set_cursor_values(notes)


def _claimed(database: RecordsDatabase, owner: str) -> str:
    """The sentence for a database that holds the records of another owner."""
    if owner == SHARED:
        return (
            f"The database {database.shown} holds Dagster's records of archives that have a name; give this one a name "
            "too (classface workspace add), or a database of its own."
        )
    return (
        f"The database {database.shown} holds Dagster's records of the archive in {owner}; each archive without a name "
        "of its own in Dagster needs a database of its own. If that archive is no more, or was moved here, add "
        "--take-over."
    )


def as_database_error(error: BaseException, home: Path) -> RecordsDatabaseError | None:
    """The sentence for an error of the PostgreSQL database that holds the records; None for other errors."""
    if isinstance(error, dg.DagsterInvalidConfigError):
        return _unset_variable(home)
    causes = (error, error.__cause__)  # Dagster tries some times, and then raises an error of its own
    found = next((one for one in causes if isinstance(one, sa.exc.OperationalError | ImportError)), None)
    database = records_database(home) if found is not None else None
    if found is None or database is None:
        return None
    if isinstance(found, ImportError):
        return RecordsDatabaseError(
            f"Dagster's records are in {database.shown}, which needs the extra `postgres`: "
            "pip install 'classface_assets[postgres]'."
        )
    return _unreachable(database.shown, found)


def _unset_variable(home: Path) -> RecordsDatabaseError | None:
    try:
        records_database(home)
    except RecordsDatabaseError as error:
        return error
    return None


def _engine(url: str, **options: str) -> sa.Engine:
    return sa.create_engine(
        url,
        poolclass=sa.NullPool,
        connect_args={"connect_timeout": CONNECT_TIMEOUT_S},
        **options,
    )


def _unreachable(shown: str, error: sa.exc.OperationalError) -> RecordsDatabaseError:
    lines = [line for line in str(error.orig).splitlines() if line.strip()]
    reason = lines[0].strip() if lines else "no answer"
    return RecordsDatabaseError(
        f"Dagster's records in {shown} cannot be reached ({reason}); check that the server runs, and user and password."
    )


def vacuum_records(url: str) -> None:
    """Rewrite the tables of Dagster's records: what was deleted stays in a file until it is overwritten.

    Backups of the server and its write-ahead log are out of reach.

    Args:
        url: The database.
    """
    with _engine(url, isolation_level="AUTOCOMMIT").connect() as con:
        con.exec_driver_sql("SET lock_timeout = '60s'")
        tables = sa.inspect(con).get_table_names()
        for table in ("event_logs", "runs", "run_tags", "asset_keys", "asset_event_tags", "asset_check_executions"):
            if table in tables:
                con.exec_driver_sql(f"VACUUM FULL {table}")
