"""Export: choose photos, see what an export of them holds and leaves out, and download it."""

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Depends, Form, Query, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.albums.exports.contents import classes_of
from classface_assets.albums.exports.print.document import PageSize
from classface_assets.core.languages import gettext
from classface_assets.review.api.common import Context
from classface_assets.review.api.exports import (
    JobId,
    document_source,
    export_source,
    find_document,
    selection_request,
    start_document,
)
from classface_assets.review.api.schemas.exports import DocumentRequest
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.layout import page_router, render_page, wants_json
from classface_assets.review.problems import ProblemError
from classface_assets.services.exports.contents import roster_table
from classface_assets.services.exports.offers import DocumentKind, file_name, summarize_source
from classface_assets.store.model.purposes import Purpose

router = page_router()
Text = Annotated[str, Query(max_length=2000)]


class DocumentForm(BaseModel):
    """A document to be made, of the photos that the page shows."""

    kind: DocumentKind
    person: str = Field("", max_length=255)
    school_class: str = Field("", max_length=255, alias="class")
    year: str = Field("", max_length=255)
    photo: str = Field("", max_length=2000)
    purpose: Purpose | None = None
    title: str = Field("", max_length=255)
    paper: PageSize = PageSize.A4


class ChosenPhotos:
    """What the page's form chooses: a person (name or id), a class, a school year, a folder or photo; a purpose."""

    def __init__(
        self,
        person: Text = "",
        school_class: Annotated[str, Query(max_length=255, alias="class")] = "",
        year: Text = "",
        photo: Text = "",
        purpose: Purpose = Purpose.ALBUM,
    ) -> None:
        self.person, self.school_class, self.year, self.photo = person, school_class, year, photo
        self.purpose = purpose

    @property
    def is_empty(self) -> bool:
        """Whether nothing is chosen."""
        return not any((self.person, self.school_class, self.year, self.photo))


@router.get("/export")
def export(request: Request, context: Context, chosen: Annotated[ChosenPhotos, Depends()]) -> Response:
    """What can be exported of a person, class, school year or some photos."""
    view = context.view()
    classes = classes_of(roster_table(view.decisions, chosen.purpose))
    known = view.decisions.persons.get(chosen.person)
    return render_page(
        request,
        context,
        "export.html.j2",
        chosen={
            "person": known.display_name if known else chosen.person,
            "class": chosen.school_class,
            "year": chosen.year,
            "photo": chosen.photo,
            "purpose": chosen.purpose.value,
        },
        classes=sorted(set(classes["class"])),
        years=sorted({*view.photos["school_year"], *classes["school_year"]}, reverse=True),
        purposes=[each.value for each in Purpose],
        documents=context.export_jobs.recent(),
        papers=[size.value for size in PageSize],
        **_offer(context, chosen),
    )


@router.post("/export/documents")
def create_document(request: Request, context: Context, form: Annotated[DocumentForm, Form()]) -> Response:
    """Start making a document, and go to its page."""
    body = DocumentRequest.model_validate(
        {
            "kind": form.kind,
            "person_ids": [form.person] if form.person else [],
            "classes": [form.school_class] if form.school_class else [],
            "school_years": [form.year] if form.year else [],
            "photos": [form.photo] if form.photo else [],
            "purpose": form.purpose,
            "title": form.title,
            "paper": form.paper,
        }
    )
    job = start_document(context, document_source(context, body), body)
    page = f"/export/documents/{job.id}"
    if wants_json(request):
        return JSONResponse({"message": gettext("The document is being made"), "notes": [], "undo": [], "go": page})
    return RedirectResponse(page, 303)


@router.get("/export/documents/{id}")
def document(request: Request, context: Context, job_id: JobId) -> Response:
    """How far a document is, and its file when it is made."""
    job = find_document(context, str(job_id))
    return render_page(request, context, "document.html.j2", job=job, is_current=job.version == context.view().version)


def _offer(context: ReviewContext, chosen: ChosenPhotos) -> dict[str, Any]:
    """What an export of the chosen photos holds; a sentence where it has none."""
    nothing: dict[str, Any] = {"summary": None, "problem": "", "file": "", "query": []}
    if chosen.is_empty:
        return nothing
    request = selection_request([chosen.person], [chosen.school_class], [chosen.year], [chosen.photo])
    try:
        source = export_source(context, request, chosen.purpose)
    except ProblemError as error:
        return nothing | {"problem": error.detail}
    selection = source.selection
    query = [
        *(("personId", one) for one in selection.people),
        *(("class", one) for one in selection.classes),
        *(("schoolYear", one) for one in selection.years),
        *([("photo", chosen.photo)] if chosen.photo else []),
        ("purpose", chosen.purpose.value),
    ]
    summary = asdict(summarize_source(source))
    return nothing | {"summary": summary, "file": file_name(source, "zip"), "query": query}
