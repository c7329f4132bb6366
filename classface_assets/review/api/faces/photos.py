"""The photos that a search finds: by people, school year, class, folder, file name and number of faces."""

from dataclasses import replace
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query

from classface_assets.review.api.common import API_PREFIX, ApiModel, Context, Id, Page, PageParams, problem_responses
from classface_assets.review.problems import ProblemError
from classface_assets.services.photos.search.explanation import explain
from classface_assets.services.photos.search.filters import PhotoFilters
from classface_assets.services.photos.search.language import PhotoQueryError
from classface_assets.services.photos.search.matching import PhotoIndex, names_meant, query_notes

router = APIRouter(prefix=API_PREFIX, tags=["faces"])
Text = Annotated[str, Query(max_length=255)]
Names = Annotated[list[Annotated[str, Query(max_length=255)]], Query(max_length=20)]


class FoundPhoto(ApiModel):
    """A photo of a search, with how many faces it has and how many of them have a name."""

    asset_id: Id
    school_year: str
    path: str
    event: str
    width: int | None
    height: int | None
    faces: int
    named: int


class FoundPhotos(Page[FoundPhoto]):
    """A page of photos, the search in words, and notes on names that nobody or several people have."""

    explanation: str
    notes: list[str]


def people_filters(
    q: Annotated[str, Query(max_length=500)] = "",
    people: Annotated[Names, Query(alias="with")] = [],  # noqa: B006  # FastAPI copies it
    without: Names = [],  # noqa: B006
    only: bool = False,
) -> PhotoFilters:
    """What an address says of people; texts without a letter are no filters."""
    shown = tuple(dict.fromkeys(name.strip() for name in people if name.strip()))
    absent = tuple(dict.fromkeys(name.strip() for name in without if name.strip()))
    return PhotoFilters(q=q.strip(), people=shown, absent=absent, only=only)


def place_filters(
    year: Text = "",
    class_name: Annotated[Text, Query(alias="class")] = "",
    event: Annotated[str, Query(max_length=500)] = "",
    file: Text = "",
) -> PhotoFilters:
    """What an address says of years, classes, folders and files."""
    return PhotoFilters(year=year.strip(), class_name=class_name.strip(), event=event.strip(), file=file.strip())


def photo_filters(
    people: Annotated[PhotoFilters, Depends(people_filters)],
    places: Annotated[PhotoFilters, Depends(place_filters)],
    faces: Annotated[str, Query(max_length=20)] = "",
    unnamed: bool = False,
    duplicates: bool = False,
) -> PhotoFilters:
    """All filters of an address."""
    return replace(
        places,
        q=people.q,
        people=people.people,
        absent=people.absent,
        only=people.only,
        faces=faces.strip(),
        unnamed=unnamed,
        duplicates=duplicates,
    )


Filters = Annotated[PhotoFilters, Depends(photo_filters)]


@router.get("/photos", response_model=FoundPhotos, responses=problem_responses())
def list_photos(context: Context, pagination: PageParams, filters: Filters) -> dict[str, Any]:
    """Find photos; all filters hold at once.

    `q` is a search such as `Ana, Ben NOT "Cara Diaz" year:2015 faces:2-5`. `with` and `without` are names and may be
    repeated; with `only=true` nobody else is in the photo. `event` is a folder below the school year, `file` a part of
    the file name, and `faces` a number such as `3`, `2-5` or `>4`.
    """
    try:
        term = filters.term()
    except PhotoQueryError as error:
        raise ProblemError(422, str(error)) from None
    index = PhotoIndex(context.view())
    found = index.find(term)
    items = pagination.slice(found).select(*FoundPhoto.model_fields).to_dicts()
    more = {"explanation": explain(term, names_meant(index, term)), "notes": query_notes(index, term)}
    return pagination.response(items, found.height) | more
