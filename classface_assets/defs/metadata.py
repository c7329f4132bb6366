"""How assets appear in Dagster: tables, images, counts and column schemas, and a summary of the assignments."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.evaluation.summary import summarize_assignments
from classface_assets.store.catalog.school_year import SchoolYearStore
from classface_assets.vision.contact_sheet import contact_sheet

MAX_CLUSTERS = 8
FACES_PER_CLUSTER = 8


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


def cluster_contact_sheet(
    layout: ArchiveLayout, detector: str, faces: pl.DataFrame, assignments: pl.DataFrame
) -> dict[str, Any]:
    """A contact sheet of the largest clusters, one a row, best faces first.

    Args:
        layout: Where the chips lie.
        detector: Version of the detector that found the faces.
        faces: The catalog's faces.
        assignments: ASSIGNMENTS.

    Returns:
        The metadata `clusters`; nothing where there is no cluster.
    """
    if assignments.is_empty():
        return {}
    clustered = assignments.join(faces, on="face_id").filter(pl.len().over("cluster_id") >= 2)
    order = clustered.with_columns(pl.len().over("cluster_id").alias("size")).sort(
        ["size", "cluster_id", "quality_score", "face_id"], descending=[True, False, True, False]
    )
    best = order.group_by("cluster_id", maintain_order=True).head(FACES_PER_CLUSTER)
    largest = best["cluster_id"].unique(maintain_order=True).head(MAX_CLUSTERS).to_list()
    best = best.filter(pl.col("cluster_id").is_in(largest))
    chips = _chips(layout, detector, best)
    sheet: list[bytes] = []
    for _, group in best.group_by("cluster_id", maintain_order=True):
        row = [chips[face] for face in group["face_id"] if face in chips]
        sheet += row + [b""] * (FACES_PER_CLUSTER - len(row))
    if not sheet:
        return {}
    image = contact_sheet(sheet, columns=FACES_PER_CLUSTER)
    return {"clusters": image_markdown(image, "the largest clusters, one a row")}


def moved_contact_sheet(
    layout: ArchiveLayout, detector: str, faces: pl.DataFrame, moved: pl.DataFrame
) -> dict[str, Any]:
    """A contact sheet of the faces that moved, those of best quality of each former cluster in one row.

    Args:
        layout: Where the chips lie.
        detector: Version of the detector that found the faces.
        faces: The catalog's faces.
        moved: The face_id and the cluster that it was in (from) of each face that moved.

    Returns:
        The metadata `moved_faces`; nothing where none moved.
    """
    if moved.is_empty() or faces.is_empty():  # of an archive without a face the catalog has no columns
        return {}
    order = moved.join(faces, on="face_id").with_columns(pl.len().over("from").alias("size"))
    order = order.sort(["size", "from", "quality_score", "face_id"], descending=[True, False, True, False])
    best = order.group_by("from", maintain_order=True).head(FACES_PER_CLUSTER)
    rows = best["from"].unique(maintain_order=True).head(MAX_CLUSTERS).to_list()
    best = best.filter(pl.col("from").is_in(rows))
    chips = _chips(layout, detector, best)
    sheet: list[bytes] = []
    for _, group in best.group_by("from", maintain_order=True):
        row = [chips[face] for face in group["face_id"] if face in chips]
        sheet += row + [b""] * (FACES_PER_CLUSTER - len(row)) if row else []
    if not sheet:
        return {}
    image = contact_sheet(sheet, columns=FACES_PER_CLUSTER)
    return {"moved_faces": image_markdown(image, "faces that moved, those of one former cluster in one row")}


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
