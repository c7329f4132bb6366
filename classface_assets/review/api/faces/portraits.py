"""The best portrait of each student in each school year: the list, and the pictures."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import Response

from classface_assets.albums.exports.contents import Selection, SelectionError
from classface_assets.review.api.archive_response import PRIVATE
from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Id, Page, PageParams, problem_responses
from classface_assets.review.api.exports import selection_request
from classface_assets.review.api.faces.faces import FaceId
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.exports.contents import SelectionRequest, load_contents, resolve_selection
from classface_assets.services.exports.documents import portrait_jpeg
from classface_assets.services.exports.portrait_list import PortraitList, list_portraits, portrait_picture
from classface_assets.store.model.purposes import Purpose

PATH = "/exports/portraits"
router = APIRouter(prefix=API_PREFIX, tags=["exports"])
Text = Annotated[str, Query(max_length=255)]
PurposeQuery = Annotated[Purpose, Query(description="What the portraits are for: whoever refused it is left out.")]
PICTURE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The portrait.",
        "content": {"image/jpeg": {"schema": {"type": "string", "format": "binary"}}},
    }
}


class BestPortrait(ApiModel):
    """The best portrait of a student in a school year.

    `score` compares the faces of a student, `quality` is the detector's score of this face; `picture` is the address of
    the portrait as yearbooks get it. Class and student id are those of the roster, null without one.
    """

    face_id: Id
    person_id: Id
    person_name: str
    school_year: str
    school_class: str | None
    student_id: str | None
    asset_id: Id
    path: str
    quality: Annotated[float, Field(ge=0, le=1)]
    score: Annotated[float, Field(ge=0, le=1)]
    picture: str


@router.get(PATH, response_model=Page[BestPortrait], responses=problem_responses(409))
def list_best_portraits(
    context: Context,
    pagination: PageParams,
    person: Annotated[Text, Query(alias="person")] = "",
    school_class: Annotated[Text, Query(alias="class")] = "",
    school_year: Annotated[Text, Query(alias="schoolYear")] = "",
    purpose: PurposeQuery = Purpose.YEARBOOK,
) -> dict[str, Any]:
    """The best portrait of each student in each school year, by name and year; all filters hold at once.

    `person` is a name or id. Left out are people and photos that exports leave out, too.
    """
    request = selection_request([person], [school_class], [school_year], [])
    found = _portraits(context, request, purpose)
    best = found.best(pagination.slice(found.rows))
    items = [
        {
            "school_class": row["class"],
            "picture": f"{API_PREFIX}{PATH}/{row['face_id']}?purpose={purpose.value}",
            **{name: row[name] for name in BestPortrait.model_fields if name not in ("school_class", "picture")},
        }
        for row in best.iter_rows(named=True)
    ]
    return pagination.response(items, found.rows.height)


@router.get(PATH + "/{faceId}", response_class=Response, responses=PICTURE_RESPONSES | problem_responses(404))
def get_portrait(context: Context, face_id: FaceId, purpose: PurposeQuery = Purpose.YEARBOOK) -> Response:
    """The portrait cut from the photo of a face: 8 × 10, eyes level and at one height, 640 × 800 pixels."""
    contents = load_contents(context.archive, context.view(), purpose)
    picture = portrait_picture(context.layout, contents, str(face_id))
    if picture is None:
        raise NotFoundError("portrait", face_id)
    return Response(portrait_jpeg(picture), media_type="image/jpeg", headers={"Cache-Control": PRIVATE})


def _portraits(context: ReviewContext, request: SelectionRequest, purpose: Purpose) -> PortraitList:
    """The portraits of a request; of all students where it chooses nothing.

    Raises:
        ProblemError: There is no such person, class or school year (409).
    """
    view = context.view()
    contents = load_contents(context.archive, view, purpose)
    try:
        is_chosen = request.people or request.classes or request.years
        selection = resolve_selection(contents, view, request) if is_chosen else Selection()
    except SelectionError as error:
        raise ProblemError(409, str(error)) from None
    return list_portraits(contents, selection)
