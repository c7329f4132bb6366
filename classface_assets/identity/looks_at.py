"""Which of the unknown faces are looked at, within what they may be one, and what becomes of those passed over."""

from dataclasses import replace

import numpy as np
import polars as pl

from classface_assets.identity.material import Material
from classface_assets.identity.numbering import PATTERN
from classface_assets.identity.settings import AssignmentSettings

ALONE = "no other face is near enough"


def looks_at(table: pl.DataFrame, unknown: np.ndarray, settings: AssignmentSettings) -> tuple[np.ndarray, pl.Series]:
    """Which faces are grouped, and for each face the reason that it has while it is in no group."""
    quality = pl.col("quality_score").fill_null(0.0)
    good = table.select(quality >= settings.quality_threshold).to_series().to_numpy()
    now = _in_time(table, settings.time_bucket)
    wanted = unknown & good & now
    if 0 < settings.max_faces < wanted.sum():
        rows = np.flatnonzero(wanted)
        order = np.lexsort((rows, -table["quality_score"].fill_null(0.0).to_numpy()[rows]))
        wanted = np.zeros(len(table), bool)
        wanted[rows[order[: settings.max_faces]]] = True
    why = (
        pl.when(pl.lit(~good))
        .then(pl.lit(f"quality below {settings.quality_threshold:g}"))
        .when(pl.lit(~now))
        .then(pl.lit(f"not taken in {settings.time_bucket}"))
        .when(pl.lit(~wanted))
        .then(pl.lit(f"not among the {settings.max_faces} best faces"))
        .otherwise(pl.lit(ALONE))
    )
    return wanted, pl.select(why).to_series()


def _in_time(table: pl.DataFrame, bucket: str) -> np.ndarray:
    if not bucket:
        return np.ones(len(table), bool)
    return table.select((pl.col("taken_at").dt.strftime("%Y-%m") == bucket).fill_null(False)).to_series().to_numpy()


def good_enough(table: pl.DataFrame, settings: AssignmentSettings) -> np.ndarray:
    """Faces that a partial look leaves as they were; one that is not good enough is not grouped at all."""
    return table["quality_score"].fill_null(0.0).to_numpy() >= settings.quality_threshold


def within_scope(material: Material, table: pl.DataFrame, settings: AssignmentSettings) -> Material:
    """The material with only such edges as the scope and the similarity threshold leave."""
    kept = material.similarities >= settings.similarity_threshold
    if settings.scope != "all":
        place = pl.col("school_year")
        if settings.scope == "event":
            place = pl.concat_str(
                "school_year", pl.col("path").str.replace(r"/?[^/]*$", "").fill_null(""), separator="/"
            )
        code = table.select(place.rank("dense")).to_series().to_numpy()
        kept &= code[material.pairs[:, 0]] == code[material.pairs[:, 1]]
    if kept.all():
        return material
    return replace(material, pairs=material.pairs[kept], similarities=material.similarities[kept])


def as_before(labels: np.ndarray, table: pl.DataFrame, rows: np.ndarray, previous: pl.DataFrame) -> np.ndarray:
    """Faces that were not looked at keep the company that they had, with such of the others as are still together."""
    before = table.select("face_id", "asset_id").join(
        previous.select("face_id", "cluster_id"), on="face_id", how="left", maintain_order="left"
    )
    clusters = before.select(pl.when(pl.col("cluster_id").str.contains(PATTERN)).then("cluster_id")).to_series()
    faces = pl.DataFrame({"label": labels, "code": clusters.rank("dense"), "photo": before["asset_id"], "stays": rows})
    faces = faces.cast({"code": pl.Int64}).with_row_index("row")
    kept = faces.filter(pl.col("stays") & pl.col("code").is_not_null() & (pl.col("label") < 0))
    shares = faces.filter(pl.col("label") >= 0, pl.col("code").is_not_null()).group_by("label", "code").len("shared")
    shares = shares.sort(["shared", "label"], descending=[True, False])
    heirs = shares.unique("label", keep="first", maintain_order=True).unique("code", keep="first", maintain_order=True)
    clash = kept.join(heirs, on="code", suffix="_heir").join(
        faces.select("label", "photo"), left_on=["label_heir", "photo"], right_on=["label", "photo"]
    )
    heirs = heirs.filter(~pl.col("code").is_in(clash["code"].unique().to_list()))
    joined = kept.join(heirs.select("code", pl.col("label").alias("heir")), on="code", how="left")
    new = joined.select(pl.coalesce("heir", pl.col("code") + int(labels.max(initial=-1)))).to_series()
    found = labels.copy()
    found[joined["row"].to_numpy()] = new.to_numpy()
    return found
