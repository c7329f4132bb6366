"""What every asset shares: owners, pools, how a table, a picture and a count are shown in Dagster."""

import base64
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

OWNERS = ["team:archive"]
INFERENCE_POOL = "inference"
"""Steps that keep all cores busy with a model: one at a time on a machine."""
PUBLISH_POOL = "publish"
"""Steps that write what is one for all school years: never two at once."""


def table(rows: pl.DataFrame, most: int = 10) -> dg.MetadataValue:
    """The first rows as a Markdown table."""
    if rows.is_empty():
        return dg.MetadataValue.md("none")
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + " --- |" * rows.width]
    for row in rows.head(most).iter_rows():
        lines.append("| " + " | ".join(_cell(value) for value in row) + " |")
    if rows.height > most:
        lines.append(f"\n… and {rows.height - most:,} more")
    return dg.MetadataValue.md("\n".join(lines))


def picture(jpeg_or_png: bytes, alt: str) -> dg.MetadataValue:
    """A small picture, kept in the metadata itself."""
    kind = "png" if jpeg_or_png[:4] == b"\x89PNG" else "jpeg"
    return dg.MetadataValue.md(f"![{alt}](data:image/{kind};base64,{base64.b64encode(jpeg_or_png).decode()})")


def counted(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """How often each value of a column occurs, most frequent first."""
    return rows.group_by(column).len("count").sort("count", column, descending=[True, False])


def result(rows: int, checks: Sequence[dg.AssetCheckResult] = (), **metadata: Any) -> dg.MaterializeResult:
    """A materialization with its row count and whatever else is worth seeing."""
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, **metadata}, check_results=list(checks))


def _cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
