"""Parquet files in the data place, written whole, and read by column, in pieces or by row group.

A damaged file raises one error that says so in a sentence. Files of other kinds belong in core.atomic_files.
"""

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, cast

import polars as pl

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError
from classface_assets.core.locations import Location
from classface_assets.core.storage_errors import StorageError, translate_storage_errors

BATCH_ROWS = 1024
ROW_GROUP_BYTES = 4 << 20


class DamagedFileError(UserError):
    """A Parquet file is cut off, or is no Parquet file."""


def write_parquet(rows: pl.DataFrame, file: Location, metadata: Mapping[str, str] | None = None) -> None:
    """Write a Parquet file that appears whole, in row groups of about 4 MB so that it can be read in pieces.

    Args:
        rows: What to write.
        file: Where to.
        metadata: Key-value metadata to store in the file itself.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    group = round(rows.height * ROW_GROUP_BYTES / max(1, rows.estimated_size()))
    group = min(max(group, 64), 100_000)
    pairs = dict(metadata) if metadata else None
    write_file(file, lambda out: rows.write_parquet(out, row_group_size=group, metadata=pairs))


def read_parquet_metadata(file: Location) -> dict[str, str]:
    """The key-value metadata of a Parquet file, without its rows.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    import pyarrow.parquet as pq

    with _translate_damage(file), _open_binary(file) as source:
        metadata = pq.ParquetFile(source).metadata.metadata or {}
    return {name.decode(): value.decode() for name, value in metadata.items()}


def read_parquet(file: Location, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a Parquet file.

    Args:
        file: Local or at a URL, of which only the bytes of these columns are fetched.
        columns: The columns to read, of which the file may lack some; None for all.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    with _translate_damage(file):
        if isinstance(file, Path):
            has = None if columns is None else set(pl.read_parquet_schema(file))
            return pl.read_parquet(file, columns=None if has is None else [c for c in columns or () if c in has])
        if columns is None:
            return pl.read_parquet(BytesIO(file.fs.cat_file(file.path)))
    frames = list(iter_parquet_batches(file, columns, rows=1 << 20))
    return pl.concat(frames) if frames else pl.DataFrame()


def read_parquet_or_empty(file: Location, schema: pl.Schema) -> pl.DataFrame:
    """The rows of a Parquet file, or an empty frame of that schema before the file is first written."""
    try:
        return read_parquet(file)
    except FileNotFoundError:
        return pl.DataFrame(schema=schema)


def iter_parquet_batches(
    file: Location, columns: list[str] | None = None, rows: int = BATCH_ROWS
) -> Iterator[pl.DataFrame]:
    """The rows of a Parquet file in frames of bounded size.

    Args:
        file: Local or at a URL, of which only the bytes of these columns are fetched.
        columns: The columns to read, of which the file may lack some; None for all.
        rows: The most rows a frame.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    import pyarrow.parquet as pq

    local = isinstance(file, Path)
    with _translate_damage(file), _open_binary(file) as source:
        parquet = pq.ParquetFile(source, pre_buffer=not local, buffer_size=1 << 20 if local else 0)
        present = None if columns is None else [c for c in columns if c in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(rows, columns=present, use_threads=False):
            yield cast(pl.DataFrame, pl.from_arrow(batch))


def read_matching_rows(file: Location, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
    """The rows of a Parquet file that have one of some values; other row groups are hardly read.

    Args:
        file: Local or at a URL.
        column: The column to compare.
        values: The values to look for.
        columns: The columns to return, besides `column`; the file may lack some.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    import pyarrow.parquet as pq

    found = []
    with _translate_damage(file), _open_binary(file) as source:
        parquet = pq.ParquetFile(source)
        present = [c for c in dict.fromkeys([column, *columns]) if c in parquet.schema_arrow.names]
        for group in range(parquet.num_row_groups):
            held = cast(pl.DataFrame, pl.from_arrow(parquet.read_row_group(group, [column])))
            if held[column].is_in(list(values)).any():
                rows = cast(pl.DataFrame, pl.from_arrow(parquet.read_row_group(group, present)))
                found.append(rows.filter(pl.col(column).is_in(list(values))))
    return pl.concat(found) if found else pl.DataFrame()


def row_group_values(file: Location, column: str) -> list[list[str | None]]:
    """The values of a column in each row group of a Parquet file.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    import pyarrow.parquet as pq

    with _translate_damage(file), _open_binary(file) as source:
        parquet = pq.ParquetFile(source)
        return [parquet.read_row_group(n, [column])[column].to_pylist() for n in range(parquet.num_row_groups)]


def read_row_group(file: Location, number: int, columns: list[str]) -> pl.DataFrame:
    """Some columns of one row group of a Parquet file.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    import pyarrow.parquet as pq

    with _translate_damage(file), _open_binary(file) as source:
        return cast(pl.DataFrame, pl.from_arrow(pq.ParquetFile(source).read_row_group(number, columns)))


@contextmanager
def _open_binary(file: Location) -> Iterator[BinaryIO]:
    if isinstance(file, Path):
        with file.open("rb") as source:
            yield source
    else:
        with file.fs.open(file.path, "rb", cache_type="none") as source:
            yield source


@contextmanager
def _translate_damage(file: Location) -> Iterator[None]:
    try:
        with translate_storage_errors(file):
            yield
    except (FileNotFoundError, PermissionError, StorageError):
        raise
    except (pl.exceptions.ComputeError, ValueError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(
            f"{file} is damaged and cannot be read; `classface find-orphans --fix` removes it, "
            "and the next run makes it again."
        ) from error
