"""Exports: photos as a ZIP file, who is where as a table, documents for print and yearbooks; and coverage."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import FileResponse, Response

from classface_assets.albums.exports.contents import SelectionError
from classface_assets.albums.exports.tables import TableFormat, encode_table, face_table
from classface_assets.review.api.archive_response import PRIVATE, archive_response, attachment
from classface_assets.review.api.common import API_PREFIX, Context, problem_responses
from classface_assets.review.api.schemas.exports import Coverage, Document, DocumentRequest
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import NotFoundError, ProblemError
from classface_assets.services.exports.contents import SelectionRequest, load_contents, resolve_selection
from classface_assets.services.exports.coverage import CoverageReport, measure_coverage
from classface_assets.services.exports.documents import ExportSource
from classface_assets.services.exports.jobs import ExportJob, JobState
from classface_assets.services.exports.offers import (
    MEDIA_TYPES,
    ZIP,
    DocumentKind,
    document_name,
    document_writer,
    file_name,
)
from classface_assets.services.exports.photo_archive import prepare_archive
from classface_assets.store.model.purposes import Purpose

router = APIRouter(prefix=f"{API_PREFIX}/exports", tags=["exports"])
MAX_WAIT_S = 120
TABLE_TYPES = {
    TableFormat.CSV: "text/csv",
    TableFormat.XLSX: "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    TableFormat.PARQUET: "application/vnd.apache.parquet",
}
BINARY = {"schema": {"type": "string", "format": "binary"}}
ZIP_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The ZIP file.", "content": {ZIP: BINARY}},
    206: {"description": "The part of it that a Range header asks for.", "content": {ZIP: BINARY}},
    304: {"description": "Not modified."},
}
TABLE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The table.", "content": dict.fromkeys(TABLE_TYPES.values(), BINARY)}
}
FILE_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": dict.fromkeys(sorted(set(MEDIA_TYPES.values())), BINARY)}
}
CSV_RESPONSES: dict[int | str, dict[str, Any]] = {200: {"description": "The table.", "content": {"text/csv": BINARY}}}
YearQuery = Annotated[str, Query(alias="schoolYear", max_length=255)]
ClassQuery = Annotated[str, Query(alias="class", max_length=255)]
GoalQuery = Annotated[int | None, Query(ge=1, le=10_000)]
JobId = Annotated[UUID, Path(alias="id")]


class SelectionParams:
    """The photos that a request is about: those that meet every condition that is given."""

    def __init__(
        self,
        person_id: Annotated[list[UUID] | None, Query(alias="personId", max_length=100)] = None,
        school_class: Annotated[list[str] | None, Query(alias="class", max_length=100)] = None,
        school_year: Annotated[list[str] | None, Query(alias="schoolYear", max_length=100)] = None,
        photo: Annotated[list[str] | None, Query(max_length=1000)] = None,
        purpose: Purpose = Purpose.ALBUM,
    ) -> None:
        people = [str(person) for person in person_id or ()]
        self.purpose = purpose
        self.request = selection_request(people, school_class or (), school_year or (), photo or ())


Selected = Annotated[SelectionParams, Depends()]


def selection_request(
    people: Sequence[str], classes: Sequence[str], years: Sequence[str], photos: Sequence[str]
) -> SelectionRequest:
    """The request, without conditions that are empty, as forms send them."""
    return SelectionRequest(*([text for text in texts if text.strip()] for texts in (people, classes, years, photos)))


def export_source(context: ReviewContext, request: SelectionRequest, purpose: Purpose) -> ExportSource:
    """The photos of a request.

    Raises:
        ProblemError: There are none (409).
    """
    view = context.view()
    contents = load_contents(context.archive, view, purpose)
    try:
        return ExportSource.of(context.layout, contents, resolve_selection(contents, view, request))
    except SelectionError as error:
        raise ProblemError(409, str(error)) from None


def start_document(context: ReviewContext, source: ExportSource, body: DocumentRequest) -> ExportJob:
    """Start making a document."""
    return context.export_jobs.start(
        document_name(source, body.kind),
        MEDIA_TYPES[body.kind],
        context.view().version,
        document_writer(source, body.kind, body.title, body.paper),
    )


def document_source(context: ReviewContext, body: DocumentRequest) -> ExportSource:
    """The photos of a document. Raises as `export_source`."""
    default = Purpose.YEARBOOK if body.kind is DocumentKind.YEARBOOK else Purpose.ALBUM
    request = selection_request([str(one) for one in body.person_ids], body.classes, body.school_years, body.photos)
    return export_source(context, request, body.purpose or default)


@router.head("/photos", include_in_schema=False)
@router.get("/photos", response_class=Response, responses=ZIP_RESPONSES | problem_responses(409, 416))
def photos(request: Request, context: Context, selected: Selected) -> Response:
    """The original photos with a manifest, as a ZIP file that is written while it is sent.

    A download that broke goes on with a `Range` header, and `If-Range` with the ETag.
    """
    source = export_source(context, selected.request, selected.purpose)
    return archive_response(request, prepare_archive(context.layout, source.selected), file_name(source, "zip"))


@router.get("/faces", response_class=Response, responses=TABLE_RESPONSES | problem_responses(409))
def faces(
    context: Context,
    selected: Selected,
    table_format: Annotated[TableFormat, Query(alias="format")] = TableFormat.CSV,
) -> Response:
    """Who is where, a row a named face."""
    source = export_source(context, selected.request, selected.purpose)
    content = encode_table(face_table(source.selected, source.contents.roster), table_format)
    headers = attachment(file_name(source, table_format.value))
    return Response(content, media_type=TABLE_TYPES[table_format], headers=headers)


@router.post("/documents", status_code=202, response_model=Document, responses=problem_responses(409))
def create_document(context: Context, body: DocumentRequest) -> Document:
    """Start making a contact sheet, an album for print, or the portraits for a yearbook."""
    return document_model(start_document(context, document_source(context, body), body))


@router.get("/documents/{id}", response_model=Document, responses=problem_responses(404))
def get_document(context: Context, job_id: JobId) -> Document:
    """How far a document is."""
    return document_model(find_document(context, str(job_id)))


@router.get("/documents/{id}/file", response_class=Response, responses=FILE_RESPONSES | problem_responses(404, 409))
def document_file(context: Context, job_id: JobId) -> Response:
    """The file of a document; waits until it is made."""
    find_document(context, str(job_id))
    job = context.export_jobs.wait(str(job_id), MAX_WAIT_S)
    if job is None:
        raise NotFoundError("document", job_id)
    if job.state is JobState.FAILED:
        raise ProblemError(409, job.reason)
    if job.state is not JobState.DONE:
        raise ProblemError(409, "The document is not finished yet; ask again later.")
    if job.version != context.view().version:
        raise ProblemError(409, "Names or consent changed since this document was made; make it again.")
    path = context.export_jobs.file(job)
    return FileResponse(path, media_type=job.media_type, headers=attachment(job.name) | {"Cache-Control": PRIVATE})


@router.get("/coverage", response_model=Coverage, responses=problem_responses(409))
def coverage(
    context: Context, school_year: YearQuery = "", school_class: ClassQuery = "", goal: GoalQuery = None
) -> dict[str, Any]:
    """How often each student appears, by school year and class; `goal` is the archive's own where none is given."""
    report = coverage_report(context, goal, school_year, school_class)
    students = report.document()["students"]
    return {
        "goal": report.goal,
        "summaries": [asdict(summary) for summary in report.summaries],
        "students": [{"school_class": row.pop("class"), **row} for row in students],
        "not_shown": report.not_shown,
    }


@router.get("/coverage/csv", response_class=Response, responses=CSV_RESPONSES | problem_responses(409))
def coverage_csv(
    context: Context, school_year: YearQuery = "", school_class: ClassQuery = "", goal: GoalQuery = None
) -> Response:
    """The same students as CSV."""
    report = coverage_report(context, goal, school_year, school_class)
    return Response(report.csv(), media_type="text/csv", headers=attachment("coverage.csv"))


def coverage_report(context: ReviewContext, goal: int | None, year: str, school_class: str) -> CoverageReport:
    """The coverage by the view as it is now.

    Raises:
        ProblemError: There is no such school year or class (409).
    """
    try:
        return measure_coverage(context.archive, goal, year, school_class, context.view())
    except SelectionError as error:
        raise ProblemError(409, str(error)) from None


def find_document(context: ReviewContext, job_id: str) -> ExportJob:
    """The document of that id. Raises NotFoundError."""
    job = context.export_jobs.find(job_id)
    if job is None:
        raise NotFoundError("document", job_id)
    return job


def document_model(job: ExportJob) -> Document:
    """The document as the API returns it."""
    return Document.model_validate({name: getattr(job, name) for name in Document.model_fields})
