"""Names in photo files: those of other programs taken over, ours written for them, each after a preview."""

from typing import Annotated, Any, Literal

from fastapi import Form, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.languages import format_number, gettext, marked, ngettext
from classface_assets.review.api.common import Context
from classface_assets.review.context import ReviewContext
from classface_assets.review.pages.components.layout import page_router, render_page, wants_json
from classface_assets.review.pages.components.messages import independently_undoable
from classface_assets.review.pages.photos.region_task import Action, Progress, RegionJob, RegionTask, TaskState
from classface_assets.review.problems import ProblemError
from classface_assets.services.archive_view.model import ArchiveView
from classface_assets.services.face_regions.files import FileStatus, WriteReport
from classface_assets.services.face_regions.matching import Outcome
from classface_assets.services.face_regions.photos import Selection, find_persons
from classface_assets.services.face_regions.reading import ReadOptions, ReadReport, read_names
from classface_assets.services.face_regions.removal import remove_written
from classface_assets.services.face_regions.writing import WriteOptions, write_names
from classface_assets.store.erasure.written_regions import Place, read_written_regions
from classface_assets.store.model.events import undone_event_ids

SHOWN_ROWS = 200
_COUNTED: dict[Place | None, tuple[tuple[str, str], tuple[str, str], str]] = {
    Place.SIDECAR: (
        (marked("Sidecars that were written"), marked("Sidecars that are written")),
        (marked("Sidecars that lost our names"), marked("Sidecars that lose our names")),
        marked("Sidecars that have the right names already"),
    ),
    Place.FILE: (
        (marked("Files that were written"), marked("Files that are written")),
        (marked("Files that lost our names"), marked("Files that lose our names")),
        marked("Files that have the right names already"),
    ),
    None: (
        (marked("Files and sidecars that were written"), marked("Files and sidecars that are written")),
        (marked("Files and sidecars that lost our names"), marked("Files and sidecars that lose our names")),
        marked("Files and sidecars that have the right names already"),
    ),
}
"""What is counted of files in a place, or of all: written and taken back, each as done and as planned; unchanged."""
_WORDS = (
    *(marked("label"), marked("new face"), marked("known"), marked("contradiction"), marked("left out")),
    *(marked("written"), marked("unchanged"), marked("removed")),
)
"""The values of Outcome and FileStatus, which the page shows; in the catalogs by this list."""
router = page_router()


class RegionForm(BaseModel):
    """The form of one of the three actions; `go` does what the preview showed."""

    action: Literal["read", "write", "remove"]
    year: str = Field("", max_length=255)
    person: str = Field("", max_length=2000)
    place: Literal["sidecar", "file"] = "sidecar"
    keywords: bool = False
    confirmed_only: bool = False
    new_faces: bool = False
    go: bool = False


@router.get("/regions")
def regions(request: Request, context: Context) -> Response:
    """The three actions, and the preview or result of the last one."""
    view, task = context.view(), _task(request)
    if task.state.erased != _erased_count(view):
        task.forget_report()
    state, record = task.state, read_written_regions(context.layout)
    return render_page(
        request,
        context,
        "regions.html.j2",
        years=sorted(view.photos["school_year"].unique().to_list(), reverse=True),
        state=state,
        form=_form_of(state),
        result=_result(state),
        written={
            "photos": record["path"].n_unique(),
            "names": record.select("path", "person_id").unique().height,  # those in a file and its sidecar once
        },
        outdated=_outdated_names(view, record["person_id"].to_list()),
    )


@router.get("/regions/state")
def state(request: Request) -> Response:
    """How far the work is, for the page's script."""
    now = _task(request).state
    return JSONResponse({"running": now.running, "done": now.done, "total": now.total})


@router.post("/regions")
def start(request: Request, context: Context, form: Annotated[RegionForm, Form()]) -> Response:
    """Begin a preview, or what it showed."""
    view = context.view()
    people = (form.person.strip(),) if form.person.strip() else ()
    if people and form.action != Action.READ:
        find_persons(view, people)
    selection = Selection((form.year,) if form.year else (), people)
    job = RegionJob(
        Action(form.action),
        form.go,
        ReadOptions(selection, form.new_faces, apply=form.go),
        WriteOptions(selection, Place(form.place), form.keywords, form.confirmed_only, form.go),
    )
    if not _task(request).start(job, _erased_count(view), lambda progress: _work(context, view, job, progress)):
        raise ProblemError(409, gettext("Photos are being read or written already; wait until that is done."))
    if wants_json(request):
        message = (
            gettext("It has begun; you can leave this page") if form.go else gettext("The preview is being prepared")
        )
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse("/regions", 303)


@router.post("/regions/undo")
def undo(request: Request, context: Context) -> Response:
    """Undo all names that the last reading took over."""
    task, view = _task(request), context.view()
    report = task.state.report
    ids = report.events if isinstance(report, ReadReport) else ()
    if not ids or not set(ids) - undone_event_ids(view.events):
        raise ProblemError(404, gettext("There is nothing left to undo; see the history."))
    undone = context.ledger.undo_all(independently_undoable(view.events, ids))
    task.forget_report()
    message = ngettext(
        "Undone: %(num)s change of the names that were taken over",
        "Undone: %(num)s changes of the names that were taken over",
        len(undone),
    )
    if wants_json(request):
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse("/regions", 303)


def _work(context: ReviewContext, view: ArchiveView, job: RegionJob, progress: Progress) -> ReadReport | WriteReport:
    if job.action == Action.READ:
        return read_names(context.archive, view, job.read, progress, context.ledger)
    if job.action == Action.WRITE:
        return write_names(context.archive, view, job.write, progress)
    return remove_written(context.archive, view, job.write.selection, job.apply, progress)


def _task(request: Request) -> RegionTask:
    """The server's one task."""
    found: RegionTask | None = getattr(request.app.state, "region_task", None)
    if found is None:
        found = request.app.state.region_task = RegionTask()
    return found


def _erased_count(view: ArchiveView) -> int:
    return sum(person.erased for person in view.decisions.persons.values())


def _outdated_names(view: ArchiveView, written: list[str]) -> int:
    """How many people are named in files though nobody may be shown them any more."""
    persons = view.decisions.persons
    people = {view.decisions.canonical_id(p) for p in written}
    return sum(p not in persons or persons[p].status != "active" or "album" in persons[p].refused for p in people)


def _form_of(state: TaskState) -> dict[str, Any]:
    """What the form of the last action held."""
    job = state.job or RegionJob(Action.READ, False)
    selection = job.read.selection
    return {
        "action": job.action.value if state.job else "",
        "apply": job.apply,
        "year": next(iter(selection.years), ""),
        "person": next(iter(selection.persons), ""),
        "new_faces": job.read.new_faces,
        "place": job.write.place.value,
        "keywords": job.write.keywords,
        "confirmed_only": job.write.confirmed_only,
    }


def _result(state: TaskState) -> dict[str, Any] | None:
    """What the page shows of a report: counts as sentences, then rows."""
    if isinstance(state.report, ReadReport):
        return _read_result(state.report)
    if isinstance(state.report, WriteReport) and state.job is not None:
        return _write_result(state.report, state.job)
    return None


def _read_result(report: ReadReport) -> dict[str, Any]:
    done = report.applied
    counts = [
        (report.count(Outcome.LABEL), gettext("Faces that got a name") if done else gettext("Faces that get a name")),
        (
            report.count(Outcome.NEW_FACE),
            gettext("Named places that became faces") if done else gettext("Named places that become faces"),
        ),
        (report.count(Outcome.KNOWN), gettext("Names that are known here already")),
        (report.count(Outcome.CONTRADICTION), gettext("Names that contradict a decision here, and are not taken over")),
        (report.count(Outcome.LEFT_OUT), gettext("Names that are left out")),
        (report.own, gettext("Names that this archive has written itself")),
        (len(report.untied), gettext("Names without a place in their photo, which are not taken over")),
    ]
    order = [Outcome.CONTRADICTION, Outcome.LEFT_OUT, Outcome.NEW_FACE, Outcome.LABEL, Outcome.KNOWN]
    tags = {Outcome.CONTRADICTION: "bad", Outcome.LABEL: "good", Outcome.NEW_FACE: "good"}
    rows = sorted(report.names, key=lambda one: (order.index(one.outcome), one.path))
    return {
        "counts": [one for one in counts if one[0]],
        "lead": ngettext(
            "%(num)s photo read, %(named)s of them with names.",
            "%(num)s photos read, %(named)s of them with names.",
            report.photos,
            named=format_number(report.with_names),
        ),
        "programs": list(report.programs().items()),
        "new_people": report.new_people,
        "problems": report.problems,
        "changes": report.count(Outcome.LABEL) + report.count(Outcome.NEW_FACE),
        "rows": [
            {
                "photo": one.face.asset_id if one.face else "",
                "path": one.path,
                "names": one.name,
                "tag": tags.get(one.outcome, ""),
                "what": gettext(one.outcome.value),
                "why": " · ".join(filter(None, [one.program, one.reason])),
            }
            for one in rows[:SHOWN_ROWS]
        ],
        "more": max(0, len(rows) - SHOWN_ROWS),
        "undo": list(report.events),
    }


def _write_result(report: WriteReport, job: RegionJob) -> dict[str, Any]:
    planned = not report.applied
    written, taken_back, unchanged = _COUNTED[None if job.action == Action.REMOVE else job.write.place]
    counts = [
        (report.count(FileStatus.WRITTEN), gettext(written[planned])),
        (report.count(FileStatus.REMOVED), gettext(taken_back[planned])),
        (report.count(FileStatus.UNCHANGED), gettext(unchanged)),
        (report.count(FileStatus.LEFT_OUT), gettext("Photos that are left out")),
        (report.unnamed_photos, gettext("Photos of nobody who may be named")),
        (report.withheld, gettext("People who are not named, as albums do not show them")),
        (len(report.conflicts), gettext("Faces with another name in their file, which stays")),
    ]
    order = [FileStatus.LEFT_OUT, FileStatus.REMOVED, FileStatus.WRITTEN, FileStatus.UNCHANGED]
    tags = {FileStatus.LEFT_OUT: "bad", FileStatus.WRITTEN: "good"}
    rows = sorted(report.files, key=lambda one: (order.index(one.status), one.path))
    return {
        "counts": [one for one in counts if one[0]],
        "lead": "",
        "programs": [],
        "new_people": (),
        "problems": [
            gettext("%(path)s: %(ours)s here, %(theirs)s there", path=path, ours=ours, theirs=theirs)
            for path, ours, theirs in report.conflicts
        ],
        "changes": report.count(FileStatus.WRITTEN) + report.count(FileStatus.REMOVED),
        "rows": [
            {
                "photo": "",
                "path": one.path,
                "names": ", ".join(one.names),
                "tag": tags.get(one.status, ""),
                "what": gettext(one.status.value),
                "why": one.reason,
            }
            for one in rows[:SHOWN_ROWS]
        ],
        "more": max(0, len(rows) - SHOWN_ROWS),
        "undo": [],
    }
