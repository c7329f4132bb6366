"""Names of people in the metadata of photos: written for other programs, read from them, and taken back."""

from typing import Any

from fastapi import APIRouter

from classface_assets.review.api.common import API_PREFIX, Context, problem_responses
from classface_assets.review.api.schemas.regions import (
    OptionalReadRegionsRequest,
    OptionalRegionSelection,
    OptionalWriteRegionsRequest,
    ReadRegionsResponse,
    RegionSelection,
    WriteRegionsResponse,
)
from classface_assets.services.face_regions.photos import Selection
from classface_assets.services.face_regions.reading import ReadOptions, read_names
from classface_assets.services.face_regions.removal import remove_written
from classface_assets.services.face_regions.reports import read_json, write_json
from classface_assets.services.face_regions.writing import WriteOptions, write_names
from classface_assets.store.erasure.written_regions import Place

router = APIRouter(prefix=f"{API_PREFIX}/regions", tags=["regions"])


@router.post("/write", response_model=WriteRegionsResponse, responses=problem_responses(404, 409))
def write(context: Context, body: OptionalWriteRegionsRequest) -> dict[str, Any]:
    """Write names and places of people into sidecars beside the photos; a preview unless `apply` is true."""
    place = Place.FILE if body.in_files else Place.SIDECAR
    options = WriteOptions(_selection(body), place, body.keywords, body.confirmed_only, body.apply)
    return write_json(write_names(context.archive, context.view(), options))


@router.post("/read", response_model=ReadRegionsResponse, responses=problem_responses(404, 409))
def read(context: Context, body: OptionalReadRegionsRequest) -> dict[str, Any]:
    """Take over names that other programs gave faces in the photos; a preview unless `apply` is true."""
    options = ReadOptions(_selection(body), body.new_faces, apply=body.apply)
    return read_json(read_names(context.archive, context.view(), options, ledger=context.ledger))


@router.post("/remove", response_model=WriteRegionsResponse, responses=problem_responses(404, 409))
def remove(context: Context, body: OptionalRegionSelection) -> dict[str, Any]:
    """Take the written names out of sidecars and files again; a preview unless `apply` is true."""
    return write_json(remove_written(context.archive, context.view(), _selection(body), body.apply))


def _selection(body: RegionSelection) -> Selection:
    return Selection(tuple(body.school_years), tuple(body.persons))
