"""Column chunks are found in a Parquet file's footer where pyarrow finds them."""

import io
import struct
from datetime import UTC, datetime

import polars as pl
import pyarrow.parquet as pq
import pytest

from classface_assets.store.files.footer import ColumnChunk, FooterError, column_chunks

ROWS = 500
FRAME = pl.DataFrame(
    {
        "name": ["a", "b", None, "c", "a"] * (ROWS // 5),
        "number": range(ROWS),
        "share": [0.5, -0.25, None, 1.0, float("nan")] * (ROWS // 5),
        "is_it": [True, False] * (ROWS // 2),
        "when": [datetime(2020, 1, 1 + n % 28, tzinfo=UTC) for n in range(ROWS)],
        "bytes": [b"12"] * ROWS,
        "vector": pl.Series([[1.0, 2.0]] * ROWS, dtype=pl.Array(pl.Float32, 2)),
        "none": pl.Series([None] * ROWS, dtype=pl.String),
        **{f"more {n}": [n] * ROWS for n in range(12)},
    }
)


def content_of(frame: pl.DataFrame, rows_a_group: int, by_pyarrow: bool) -> bytes:
    written = io.BytesIO()
    if by_pyarrow:
        pq.write_table(frame.to_arrow(), written, row_group_size=rows_a_group)
    else:
        frame.write_parquet(written, row_group_size=rows_a_group, metadata={"a key": "a value"})
    return written.getvalue()


def footer_of(content: bytes) -> bytes:
    return content[len(content) - 8 - struct.unpack("<I", content[-8:-4])[0] : -8]


@pytest.mark.parametrize("by_pyarrow", [False, True], ids=["written by Polars", "written by pyarrow"])
@pytest.mark.parametrize("rows", [0, ROWS])
def test_column_chunks_lie_where_pyarrow_finds_them(by_pyarrow: bool, rows: int) -> None:
    content = content_of(FRAME.head(rows), 20, by_pyarrow)
    metadata = pq.read_metadata(io.BytesIO(content))
    chunks = [
        metadata.row_group(group).column(column)
        for group in range(metadata.num_row_groups)
        for column in range(metadata.num_columns)
    ]
    expected = [
        ColumnChunk(
            min(chunk.data_page_offset, chunk.dictionary_page_offset or chunk.data_page_offset),
            chunk.total_compressed_size,
            chunk.path_in_schema.split(".")[0],
        )
        for chunk in chunks
    ]
    assert len(expected) >= FRAME.width * rows // 20
    assert column_chunks(footer_of(content)) == sorted(expected)


def test_what_is_no_whole_footer_is_refused() -> None:
    footer = footer_of(content_of(FRAME, 100, by_pyarrow=False))
    for broken in (b"", footer[:40], footer[: len(footer) // 2], bytes(60), b"\xff" * 60):
        with pytest.raises(FooterError):
            column_chunks(broken)
