"""The caption of a photo as a file: CSV for a layout program, or text."""

from typing import Literal

from starlette.responses import Response

from classface_assets.albums.captions import caption_csv, caption_lines
from classface_assets.review.api.common import Context
from classface_assets.review.api.faces.captions import PurposeQuery, caption_of
from classface_assets.review.api.faces.faces import AssetId
from classface_assets.review.pages.components.layout import page_router
from classface_assets.store.model.purposes import Purpose

router = page_router()


@router.get("/photos/{assetId}/caption.{ending}")
def download_caption(
    context: Context, asset_id: AssetId, ending: Literal["csv", "txt"], purpose: PurposeQuery = Purpose.ALBUM
) -> Response:
    """The caption as a file of that kind."""
    found = caption_of(context, context.view(), str(asset_id), purpose)
    rows = [(found.school_year, found.path, found.caption)]
    content = caption_csv(rows).encode("utf-8-sig") if ending == "csv" else caption_lines(rows).encode()
    name = f"caption-{asset_id}.{ending}"
    kind = "text/csv; charset=utf-8" if ending == "csv" else "text/plain; charset=utf-8"
    return Response(content, media_type=kind, headers={"Content-Disposition": f'attachment; filename="{name}"'})
