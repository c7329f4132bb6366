"""Who is where, as a table for spreadsheets and statistics: a row a named face."""

import codecs
import io
from enum import StrEnum

import polars as pl

from classface_assets.albums.exports.contents import SelectedPhotos
from classface_assets.albums.exports.manifest import as_plain_cell
from classface_assets.albums.students import arrange_in_rows, faces_from_frame

FACE_TABLE = pl.Schema(
    {
        "photo": pl.String(),  # path below the photos folder
        "school_year": pl.String(),
        "event": pl.String(),  # the folders between the school year's and the photo
        "taken_at": pl.Datetime("us"),
        "name": pl.String(),
        "student_id": pl.String(),
        "class": pl.String(),
        "row": pl.Int32(),  # 1 is the back row
        "position": pl.Int32(),  # in the row, from the left
        "box_x": pl.Float64(),  # pixels of the upright photo
        "box_y": pl.Float64(),
        "box_width": pl.Float64(),
        "box_height": pl.Float64(),
        "probability": pl.Float64(),  # that it is this person; empty where a person named the face
        "named_by": pl.String(),  # person | automatic
        "unnamed_faces": pl.Int32(),  # others in the photo
        "photo_id": pl.String(),
        "face_id": pl.String(),
        "person_id": pl.String(),
    }
)


class TableFormat(StrEnum):
    """The file formats of tables."""

    CSV = "csv"
    XLSX = "xlsx"
    PARQUET = "parquet"


def face_table(selected: SelectedPhotos, roster: pl.DataFrame) -> pl.DataFrame:
    """The named faces of a selection: FACE_TABLE, by photo, row and position.

    Args:
        selected: The photos and their faces.
        roster: ROSTER, for student ids and classes.
    """
    places = [
        (face.face_id, number, position)
        for _, faces in selected.faces.group_by("asset_id", maintain_order=True)
        for number, row in enumerate(arrange_in_rows(faces_from_frame(_for_rows(faces))), start=1)
        for position, face in enumerate(row, start=1)
    ]
    schema = {"face_id": pl.String(), "row": pl.Int32(), "position": pl.Int32()}
    unnamed = selected.faces.group_by("asset_id").agg(pl.col("person_id").null_count().alias("unnamed_faces"))
    ids = roster.drop_nulls("person_id").unique(["person_id", "school_year"], keep="first", maintain_order=True)
    rows = (
        selected.subjects.drop("path")
        .join(selected.photos.select("asset_id", "school_year", "path", "taken_at"), on=["asset_id", "school_year"])
        .join(pl.DataFrame(places, schema=schema, orient="row"), on="face_id", how="left")
        .join(unnamed, on="asset_id", how="left")
        .join(ids.select("person_id", "school_year", "class"), on=["person_id", "school_year"], how="left")
        .join(ids.select("person_id", "student_id").unique("person_id", keep="last", maintain_order=True),
              on="person_id", how="left")
    )  # fmt: skip
    rows = rows.select(
        pl.col("path").alias("photo"),
        "school_year",
        event_of(pl.col("path")).alias("event"),
        "taken_at",
        pl.col("person_name").alias("name"),
        pl.col("student_id", "class").fill_null(""),
        "row",
        "position",
        *(pl.col(f"bbox_{side}").cast(pl.Float64).round(1).alias(f"box_{name}")
          for side, name in (("x", "x"), ("y", "y"), ("w", "width"), ("h", "height"))),
        pl.when("confirmed").then(None).otherwise("assignment_probability").cast(pl.Float64).round(4)
        .alias("probability"),
        pl.when("confirmed").then(pl.lit("person")).otherwise(pl.lit("automatic")).alias("named_by"),
        "unnamed_faces",
        pl.col("asset_id").alias("photo_id"),
        "face_id",
        "person_id",
    )  # fmt: skip
    return rows.cast(FACE_TABLE).sort("photo", "row", "position", "face_id")


def event_of(path: pl.Expr) -> pl.Expr:
    """The event that a photo's path names: its folders below the top one; "" for none."""
    folders = path.str.split("/")
    return folders.list.slice(1, (folders.list.len().cast(pl.Int64) - 2).clip(0)).list.join("/")


def encode_table(table: pl.DataFrame, file_format: TableFormat) -> bytes:
    """The table as a file; texts that spreadsheets would take for formulas are marked as texts in CSV."""
    out = io.BytesIO()
    if file_format is TableFormat.PARQUET:
        table.write_parquet(out)
    elif file_format is TableFormat.CSV:
        texts = pl.col(pl.String).map_elements(as_plain_cell, return_dtype=pl.String)
        out.write(codecs.BOM_UTF8)
        table.with_columns(texts).write_csv(out, line_terminator="\r\n", datetime_format="%Y-%m-%d %H:%M:%S")
    else:
        _write_workbook(table, out)
    return out.getvalue()


def _write_workbook(table: pl.DataFrame, out: io.BytesIO) -> None:
    from openpyxl import Workbook
    from openpyxl.cell import WriteOnlyCell

    workbook = Workbook(write_only=True)
    sheet = workbook.create_sheet("faces")
    sheet.freeze_panes = "A2"
    sheet.append(table.columns)
    for row in table.iter_rows():
        cells = []
        for value in row:
            cell = WriteOnlyCell(sheet, value=value)
            if isinstance(value, str):
                cell.data_type = "s"  # a text that begins with = is no formula
            cells.append(cell)
        sheet.append(cells)
    workbook.save(out)


def _for_rows(faces: pl.DataFrame) -> pl.DataFrame:
    """With the columns that `faces_from_frame` reads."""
    return faces.with_columns(pl.lit(None, pl.String).alias("cluster_id")).drop("landmarks")
