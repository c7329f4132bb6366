"""Parquet files in the data place, written whole, and read by column, in pieces or by row group.

All that is read is compared with the checksums that were written with it (store.files.checksums); a file of an older
version without any is read as it is. A damaged file raises one error that says so in a sentence. Files of other kinds
belong in core.atomic_files.
"""

from bisect import bisect_right
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

import polars as pl

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import StorageError, UserError, sentence_of, translate_storage_errors
from classface_assets.core.languages import sentence
from classface_assets.core.locations import FileEntry, Location
from classface_assets.store.files.checksums import FLAG, ChecksumError, VerifiedFile, with_checksums
from classface_assets.store.files.fetched import ListedFile, hold_written

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

StoredFile = Location | FileEntry
"""A file, or one as it was just listed: of that one at a URL no request asks for the size."""
BATCH_ROWS = 1024
ROW_GROUP_BYTES = 4 << 20


class DamagedFileError(UserError):
    """A file of the data folder, of Parquet or other, is cut off, cannot be read, or is not as it was written.

    Args:
        file: The file.
        why: What is the matter with it.
    """

    def __init__(self, file: Location, why: str) -> None:
        super().__init__(
            sentence(
                "%(file)s is damaged (%(why)s); `classface find-orphans --fix` removes what is damaged and makes it "
                "again.",
                file=file,
                why=why,
            )
        )
        self.file, self.why = file, why


def write_parquet(rows: pl.DataFrame, file: Location, metadata: Mapping[str, str] | None = None) -> None:
    """Write a Parquet file that appears whole, in row groups of about 4 MB so that it can be read in pieces.

    Every byte of it is covered by a checksum (store.files.checksums).

    Args:
        rows: What to write.
        file: Where to.
        metadata: Key-value metadata to store in the file itself.

    Raises:
        StorageError: The disk, drive or server fails.
    """
    group = round(rows.height * ROW_GROUP_BYTES / max(1, rows.estimated_size()))
    group = min(max(group, 64), 100_000)
    written = BytesIO()
    rows.write_parquet(written, row_group_size=group, metadata={**(metadata or {}), FLAG: "1"})
    stretches = with_checksums(written.getbuffer(), _kind_of(file))
    write_file(file, lambda out: out.writelines(stretches))
    if not isinstance(file, Path):
        hold_written(file, b"".join(stretches))


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


def read_parquet(file: StoredFile, columns: list[str] | None = None) -> pl.DataFrame:
    """The rows of a Parquet file.

    Args:
        file: Local or at a URL, of which only the bytes of these columns are fetched.
        columns: The columns to read, of which the file may lack some; None for all.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is cut off, or no Parquet file.
    """
    place = _place_of(file)
    with _translate_damage(place):
        if isinstance(place, Path):
            with _open_binary(place) as source:
                source.check(columns)
            has = None if columns is None else set(pl.read_parquet_schema(place))
            return pl.read_parquet(place, columns=None if has is None else [c for c in columns or () if c in has])
        if columns is None:
            content = ListedFile(file).read() if isinstance(file, FileEntry) else read_file(place)
            VerifiedFile(BytesIO(content), _kind_of(place)).check()
            return pl.read_parquet(BytesIO(content))
    frames = list(iter_parquet_batches(file, columns, rows=1 << 20))
    return pl.concat(frames) if frames else pl.DataFrame()


def read_parquet_or_empty(file: Location, schema: pl.Schema) -> pl.DataFrame:
    """The rows of a Parquet file, or an empty frame of that schema before the file is first written."""
    try:
        return read_parquet(file)
    except FileNotFoundError:
        return pl.DataFrame(schema=schema)


def iter_parquet_batches(
    file: StoredFile, columns: list[str] | None = None, rows: int = BATCH_ROWS
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

    place = _place_of(file)
    local = isinstance(place, Path)
    with _translate_damage(place), _open_binary(file) as source:
        parquet = pq.ParquetFile(source, pre_buffer=not local, buffer_size=1 << 20 if local else 0)
        present = None if columns is None else [c for c in columns if c in parquet.schema_arrow.names]
        for batch in parquet.iter_batches(rows, columns=present, use_threads=False):
            yield cast(pl.DataFrame, pl.from_arrow(batch))


def read_matching_rows(file: StoredFile, column: str, values: Collection[str], columns: list[str]) -> pl.DataFrame:
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
    with _translate_damage(_place_of(file)), _open_binary(file) as source:
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


def check_parquet(file: StoredFile, thorough: bool = False) -> bool:
    """Check every byte of a Parquet file.

    Args:
        file: Local or at a URL.
        thorough: Whether a file without checksums is read to its end.

    Returns:
        Whether it has checksums.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: It is damaged.
    """
    with _translate_damage(_place_of(file)), _open_binary(file) as source:
        source.check()
        has_checksums = source.has_checksums
    if has_checksums:
        return True
    if thorough:
        for _ in iter_parquet_batches(file):
            pass
    else:
        read_parquet_metadata(_place_of(file))
    return False


def read_sound_row_groups(file: Location, group_by: str = "") -> pl.DataFrame:
    """What is left of a damaged Parquet file: the rows of the row groups of which no byte is damaged.

    Args:
        file: Local or at a URL.
        group_by: Rows with one value of this column belong together: where any of them is damaged, none is left.

    Returns:
        A frame without columns where nothing is left, as of a file without checksums.
    """
    import pyarrow.parquet as pq

    try:
        with _translate_damage(file), _open_binary(file) as source:
            if not source.has_checksums:
                return pl.DataFrame()
            parquet = pq.ParquetFile(source)
            broken = _damaged_row_groups(parquet, source)
            lost: set[object] = set()
            for group in broken if group_by else ():
                lost.update(parquet.read_row_group(group, [group_by])[group_by].to_pylist())
            sound = [n for n in range(parquet.num_row_groups) if n not in broken]
            if not sound:
                return pl.DataFrame()
            rows = cast(pl.DataFrame, pl.from_arrow(parquet.read_row_groups(sound)))
            return rows.filter(~pl.col(group_by).is_in(list(lost))) if lost else rows
    except (DamagedFileError, FileNotFoundError):
        return pl.DataFrame()


def _kind_of(file: Location) -> str:
    """What a file is by its place: of a part the asset, of any other file its name."""
    if not file.name.startswith("part-"):
        return file.name
    folders = file.parts[:-1]
    return next((folders[n + 1] for n in range(len(folders) - 2, -1, -1) if folders[n] == "parts"), "parts")


def _damaged_row_groups(parquet: "ParquetFile", source: VerifiedFile) -> set[int]:
    starts = [
        min(
            min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset)
            for chunk in (parquet.metadata.row_group(n).column(c) for c in range(parquet.metadata.num_columns))
        )
        for n in range(parquet.num_row_groups)
    ]
    bad = (segment.start for segment, is_damaged in source.damaged_columns() if is_damaged and segment.column)
    return {bisect_right(starts, start) - 1 for start in bad}


def _place_of(file: StoredFile) -> Location:
    return file.path if isinstance(file, FileEntry) else file


@contextmanager
def _open_binary(file: StoredFile) -> Iterator[VerifiedFile]:
    place = _place_of(file)
    if isinstance(place, Path):
        with place.open("rb") as source:
            yield VerifiedFile(source, _kind_of(place))
    elif isinstance(file, FileEntry):
        yield VerifiedFile(cast(BinaryIO, ListedFile(file)), _kind_of(place))
    else:
        with place.fs.open(place.path, "rb", cache_type="none") as source:
            yield VerifiedFile(source, _kind_of(place))


@contextmanager
def _translate_damage(file: Location) -> Iterator[None]:
    try:
        with translate_storage_errors(file):
            yield
    except (FileNotFoundError, PermissionError, StorageError, DamagedFileError):
        raise
    except ChecksumError as error:
        raise DamagedFileError(file, sentence_of(error)) from error
    except IsADirectoryError as error:
        raise DamagedFileError(file, sentence("it is a folder")) from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, ValueError, OSError, MemoryError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DamagedFileError(file, sentence("it cannot be read")) from error
