"""How assets appear in Dagster: tables, images, counts and column schemas, and a summary of the assignments."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.evaluation.summary import summarize_assignments
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.vision.contact_sheet import contact_sheet

MAX_ROWS = 8
FACES_PER_ROW = 8


def markdown_table(rows: pl.DataFrame, most: int = 10) -> dg.MetadataValue:
    """The first rows as a Markdown table."""
    if rows.is_empty():
        return dg.MetadataValue.md("none")
    lines = [_markdown_row(rows.columns), "|" + " --- |" * rows.width]
    lines += [_markdown_row([_markdown_cell(value) for value in row]) for row in rows.head(most).iter_rows()]
    if rows.height > most:
        lines.append(f"\n… and {rows.height - most:,} more")
    return dg.MetadataValue.md("\n".join(lines))


def image_markdown(jpeg_or_png: bytes, alt: str) -> dg.MetadataValue:
    """A small image, embedded in the metadata itself."""
    kind = "png" if jpeg_or_png[:4] == b"\x89PNG" else "jpeg"
    return dg.MetadataValue.md(f"![{alt}](data:image/{kind};base64,{base64.b64encode(jpeg_or_png).decode()})")


def value_counts(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """How often each value of a column occurs, most frequent first."""
    return rows.group_by(column).len("count").sort("count", column, descending=[True, False])


def column_schema(columns: Mapping[str, pl.DataType | str]) -> dg.TableSchema:
    """The columns of a table, name → type, as Dagster's UI shows them."""
    return dg.TableSchema([dg.TableColumn(name, str(dtype)) for name, dtype in columns.items()])


def materialize_result(rows: int, checks: Sequence[dg.AssetCheckResult] = (), **metadata: Any) -> dg.MaterializeResult:
    """A materialization with its row count, its checks, and any other metadata."""
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, **metadata}, check_results=list(checks))


def assignment_metadata(assignments: pl.DataFrame) -> dict[str, Any]:
    """How many faces are known people, clusters or noise, as numbers and tables.

    Args:
        assignments: ASSIGNMENTS.
    """
    summary = summarize_assignments(assignments)
    sizes = assignments.group_by("cluster_id").agg(
        pl.len().alias("faces"), pl.col("assignment_score").mean().alias("score")
    )
    largest = sizes.filter(pl.col("faces") > 1).sort("faces", "cluster_id", descending=[True, False])
    return {
        "faces_processed": summary.faces,
        "faces_named": summary.assigned,
        "faces_named_share": round(summary.share(summary.assigned), 4),
        "people": summary.persons,
        "unlabelled": summary.unlabelled,
        "faces_in_unknown_clusters": summary.clustered,
        "unknown_clusters": summary.clusters,
        "single_faces": summary.noise,
        "single_faces_share": round(summary.share(summary.noise), 4),
        "distribution": markdown_table(summary.sizes, most=20),
        "largest": markdown_table(largest, most=12),
    }


@dataclass(frozen=True)
class FaceGroups:
    """What a contact sheet shows: groups of faces, one a row, the largest first.

    Attributes:
        key: Of the metadata.
        title: What the picture shows.
        column: The column that holds the group of a face.
        smallest: The fewest faces of a group that is shown.
    """

    key: str
    title: str
    column: str
    smallest: int


CLUSTERS = FaceGroups("clusters", "the largest clusters, one a row", "cluster_id", smallest=2)
MOVED_FACES = FaceGroups("moved_faces", "faces that moved, those of one former cluster in one row", "from", smallest=1)


def faces_contact_sheet(
    layout: ArchiveLayout, detector: str, faces: pl.DataFrame, rows: pl.DataFrame, shown: FaceGroups
) -> dict[str, Any]:
    """A contact sheet of the largest groups of faces, the best faces of each in one row.

    Args:
        layout: Where the chips lie.
        detector: Version of the detector that found the faces.
        faces: The catalog's faces.
        rows: face_id and the group's column: ASSIGNMENTS, or the faces that moved.
        shown: Which groups.

    Returns:
        The metadata by its key; nothing where there is no group.
    """
    if rows.is_empty() or faces.is_empty():  # of an archive without a face the catalog has no columns
        return {}
    column = shown.column
    of_faces = faces.select("face_id", "school_year", "quality_score")
    grouped = (
        rows.select("face_id", column).join(of_faces, on="face_id").with_columns(pl.len().over(column).alias("size"))
    )
    order = grouped.filter(pl.col("size") >= shown.smallest).sort(
        ["size", column, "quality_score", "face_id"], descending=[True, False, True, False]
    )
    best = order.group_by(column, maintain_order=True).head(FACES_PER_ROW)
    largest = best[column].unique(maintain_order=True).head(MAX_ROWS).to_list()
    best = best.filter(pl.col(column).is_in(largest))
    chips = _chips(layout, detector, best)
    sheet: list[bytes] = []
    for _, group in best.group_by(column, maintain_order=True):
        row = [chips[face] for face in group["face_id"] if face in chips]
        sheet += row + [b""] * (FACES_PER_ROW - len(row)) if row else []
    if not sheet:
        return {}
    return {shown.key: image_markdown(contact_sheet(sheet, columns=FACES_PER_ROW), shown.title)}


def _chips(layout: ArchiveLayout, detector: str, faces: pl.DataFrame) -> dict[str, bytes]:
    """face_id → the aligned crop of these faces (face_id, school_year)."""
    chips: dict[str, bytes] = {}
    for (year,), group in faces.group_by("school_year"):
        chips |= SchoolYearStore(layout, detector, str(year)).chips(group["face_id"].to_list())
    return chips


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _markdown_cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
