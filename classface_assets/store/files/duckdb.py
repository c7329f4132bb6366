"""The DuckDB file: an index of the Parquet parts and the ledger, built under a temporary name and renamed.

Only one process can open a DuckDB file for writing, and then no other can even read it; so it is never edited in place,
and readers open it read-only.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb
import polars as pl

from classface_assets.core.atomic_files import remove_abandoned, temporary_path
from classface_assets.core.errors import UserError
from classface_assets.core.failpoints import Failpoint, reached
from classface_assets.core.languages import sentence
from classface_assets.core.schemas import DUCKDB_TABLES


class DatabaseError(UserError):
    """The DuckDB file is not there yet or cannot be read."""


def publish_database(path: Path, tables: Mapping[str, pl.DataFrame]) -> None:
    """Write a new DuckDB file in place of the old one.

    Args:
        path: The file.
        tables: Table name to rows; every table of DUCKDB_TABLES is made, those not given are empty.
    """

    def write(temporary: Path) -> None:
        with duckdb.connect(temporary) as con:
            for table, columns in DUCKDB_TABLES.items():
                con.execute(f"CREATE TABLE {table} ({columns})")
                rows = tables.get(table)
                if rows is not None:
                    insert_rows(con, table, rows)

    replace_database(path, write)


def replace_database(path: Path, write: Callable[[Path], object]) -> None:
    """Put a new DuckDB file in place of the old one, once it is whole.

    Args:
        path: The file.
        write: Writes the file under the temporary name that it is given.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_abandoned(path.parent)
    temporary = temporary_path(path)
    try:
        write(temporary)
        reached(Failpoint.DATABASE_WRITTEN)
        temporary.replace(path)
        reached(Failpoint.DATABASE_SWAPPED)
    finally:
        for left in path.parent.glob(f"{temporary.name}*"):
            left.unlink(missing_ok=True)


# Quoted: the type itself, in an annotation, outlives DuckDB's module, which then reports leaks when a process ends.
def insert_rows(con: "duckdb.DuckDBPyConnection", table: str, rows: pl.DataFrame) -> None:
    """Insert rows into a table, by the names of their columns."""
    if rows.is_empty():
        return
    con.register("new_rows", rows.to_arrow())
    con.execute(f"INSERT INTO {table} BY NAME SELECT * FROM new_rows")
    con.unregister("new_rows")


def query_database(path: Path, sql: str, parameters: Sequence[object] = ()) -> pl.DataFrame:
    """The rows of one SELECT on the published file.

    Args:
        path: The DuckDB file.
        sql: The statement, with `?` for each parameter.
        parameters: The values of the parameters.

    Raises:
        DatabaseError: There is no such file yet, or it cannot be read; the message says what to do.
    """
    if not path.exists():
        raise DatabaseError(
            sentence(
                "%(file)s does not exist yet; run the pipeline first, for example with `classface run`.", file=path
            )
        )
    try:
        # Attached, not connected to: DuckDB would hand a second connection of this process the file that was replaced.
        with duckdb.connect() as con:
            attach_published(con, path)
            con.execute("USE published")
            return con.sql(sql, params=list(parameters)).pl()
    except duckdb.Error as error:
        why = str(error).splitlines()[0]
        raise DatabaseError(
            sentence("%(file)s cannot be read (%(why)s); delete it and run `classface run` again.", file=path, why=why)
        ) from None


def attach_published(con: "duckdb.DuckDBPyConnection", path: Path) -> None:
    """Attach a published file, to be read, as `published`."""
    escaped = str(path).replace("'", "''")
    con.execute(f"ATTACH '{escaped}' AS published (READ_ONLY)")
