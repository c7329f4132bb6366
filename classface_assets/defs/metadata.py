"""What every asset shares: owners, pools, how a table, a picture and a count are shown in Dagster.

What the assignments look like in Dagster: counts, the largest clusters, and a contact sheet of them.
"""

import base64
from collections.abc import Sequence
from typing import Any

import dagster as dg
import polars as pl

from classface_assets.core.layout import ArchiveLayout
from classface_assets.identity.evaluation.summary import summarize_assignments
from classface_assets.store.catalog.school_year import active_detection_settings, detection_parts
from classface_assets.vision.contact_sheet import contact_sheet
from classface_assets.vision.models.pack_info import PackInfo

OWNERS = ["team:archive"]
INFERENCE_POOL = "inference"
"""Steps that keep all cores busy with a model: one at a time on a machine."""
PUBLISH_POOL = "publish"
"""Steps that write what is one for all school years: never two at once."""


def markdown_table(rows: pl.DataFrame, most: int = 10) -> dg.MetadataValue:
    """The first rows as a Markdown table."""
    if rows.is_empty():
        return dg.MetadataValue.md("none")
    lines = ["| " + " | ".join(rows.columns) + " |", "|" + " --- |" * rows.width]
    for row in rows.head(most).iter_rows():
        lines.append("| " + " | ".join(_markdown_cell(value) for value in row) + " |")
    if rows.height > most:
        lines.append(f"\n… and {rows.height - most:,} more")
    return dg.MetadataValue.md("\n".join(lines))


def image_markdown(jpeg_or_png: bytes, alt: str) -> dg.MetadataValue:
    """A small picture, kept in the metadata itself."""
    kind = "png" if jpeg_or_png[:4] == b"\x89PNG" else "jpeg"
    return dg.MetadataValue.md(f"![{alt}](data:image/{kind};base64,{base64.b64encode(jpeg_or_png).decode()})")


def value_counts(rows: pl.DataFrame, column: str) -> pl.DataFrame:
    """How often each value of a column occurs, most frequent first."""
    return rows.group_by(column).len("count").sort("count", column, descending=[True, False])


def materialize_result(rows: int, checks: Sequence[dg.AssetCheckResult] = (), **metadata: Any) -> dg.MaterializeResult:
    """A materialization with its row count and whatever else is worth seeing."""
    return dg.MaterializeResult(metadata={"dagster/row_count": rows, **metadata}, check_results=list(checks))


def _markdown_cell(value: object) -> str:
    text = f"{value:.3f}" if isinstance(value, float) else "" if value is None else str(value)
    return text.replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")


def assignment_metadata(rows: pl.DataFrame) -> dict[str, Any]:
    """What became of the faces, known people and unknown ones, as numbers and tables for Dagster."""
    told = summarize_assignments(rows)
    sizes = rows.group_by("cluster_id").agg(pl.len().alias("faces"), pl.col("assignment_score").mean().alias("score"))
    largest = sizes.filter(pl.col("faces") > 1).sort("faces", "cluster_id", descending=[True, False])
    return {
        "faces_processed": told.faces,
        "faces_named": told.assigned,
        "faces_named_share": told.share(told.assigned),
        "people": told.persons,
        "unlabelled": told.unlabelled,
        "faces_in_unknown_clusters": told.clustered,
        "unknown_clusters": told.clusters,
        "single_faces": told.noise,
        "single_faces_share": told.share(told.noise),
        "distribution": markdown_table(told.sizes, most=20),
        "largest": markdown_table(largest, most=12),
    }


def cluster_contact_sheet(
    layout: ArchiveLayout, pack: PackInfo, faces: pl.DataFrame, rows: pl.DataFrame, clusters: int = 8, each: int = 8
) -> dict[str, Any]:
    """A contact sheet of the largest clusters, one a row, best faces first; empty when there is no cluster."""
    if rows.is_empty():
        return {}
    placed = rows.join(faces, on="face_id").filter(pl.len().over("cluster_id") >= 2)
    order = placed.with_columns(pl.len().over("cluster_id").alias("size")).sort(
        ["size", "cluster_id", "quality_score", "face_id"], descending=[True, False, True, False]
    )
    wanted = order.group_by("cluster_id", maintain_order=True).head(each)
    chosen = wanted["cluster_id"].unique(maintain_order=True).head(clusters).to_list()
    wanted = wanted.filter(pl.col("cluster_id").is_in(chosen))
    chips = _chips(layout, pack, wanted)
    sheet = []
    for _, group in wanted.group_by("cluster_id", maintain_order=True):
        line = [chips[face] for face in group["face_id"] if face in chips]
        sheet += line + [b""] * (each - len(line))
    return (
        {"clusters": image_markdown(contact_sheet(sheet, columns=each), "the largest clusters, one a row")}
        if sheet
        else {}
    )


def _chips(layout: ArchiveLayout, pack: PackInfo, faces: pl.DataFrame) -> dict[str, bytes]:
    """The chips of a few faces, read from their school years' parts alone."""
    chips: dict[str, bytes] = {}
    for (year,), group in faces.group_by("school_year"):
        settings = active_detection_settings(layout, pack.detector_version, str(year)) or ""
        parts = detection_parts(layout, pack.detector_version, str(year), settings)
        chips.update(parts.read_matching("face_id", group["face_id"].to_list(), ["face_id", "chip"]).iter_rows())
    return chips
