"""Captions of printed photos: who is in them, row by row for groups, and when they were taken."""

import polars as pl

from classface_assets.albums.captions import CaptionFace, PlaceStatus, create_caption
from classface_assets.albums.cards import GROUP_PHOTO_FACES

_ISOLATE, _END_OF_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
"""Around a name, so that one that is written from right to left does not turn the words beside it."""


def photo_captions(photos: pl.DataFrame, faces: pl.DataFrame) -> dict[tuple[str, str], str]:
    """(school year, asset id) -> the caption of each photo; of one without a named face only the date.

    Args:
        photos: The `album_photos`.
        faces: All their faces, columns as `ExportContents.faces`.
    """
    groups = faces.group_by("school_year", "asset_id")
    by_photo = {key: _who(group) for key, group in groups if group["person_name"].count()}
    captions = {}
    for year, asset, taken in photos.select("school_year", "asset_id", "taken_at").iter_rows():
        date = f"{taken.day} {taken:%B %Y}" if taken else ""
        captions[year, asset] = " · ".join(filter(None, (by_photo.get((year, asset), ""), date)))
    return captions


def _who(faces: pl.DataFrame) -> str:
    columns = ("face_id", "person_name", "bbox_x", "bbox_y", "bbox_w", "bbox_h")
    caption = create_caption([_caption_face(*row) for row in faces.select(columns).iter_rows()])
    return caption.text if faces.height >= GROUP_PHOTO_FACES and len(caption.rows) > 1 else caption.listed


def _caption_face(face_id: str, name: str | None, *box: float) -> CaptionFace:
    x, y, w, h = box
    if name is None:
        return CaptionFace(face_id, (x, y, w, h), PlaceStatus.MISSING)
    return CaptionFace(face_id, (x, y, w, h), PlaceStatus.NAMED, f"{_ISOLATE}{name}{_END_OF_ISOLATE}")
