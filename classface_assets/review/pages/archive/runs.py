"""Runs: the latest pipeline runs, starting one, retrying one that failed, and what was learned from the labels."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import polars as pl
from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.core.languages import gettext, ngettext
from classface_assets.orchestration.updates.record import read_record, updates
from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import (
    FormText,
    local_path,
    page_router,
    render_page,
    render_page_without_faces,
    wants_json,
)
from classface_assets.review.problems import NotFoundError
from classface_assets.review.runs.update_lines import UpdateLine, recorded_line, update_line

PAGE_SIZE = 20
router = page_router()


@router.get("/runs")
def runs(
    request: Request,
    context: Context,
    before: Annotated[str, Query(pattern="^([A-Za-z0-9_-]{1,64})?$")] = "",
) -> Response:
    """List what was done, newest first: an update and all its runs are one line."""
    groups, older = context.run_manager().updates(before, PAGE_SIZE)
    with_links = context.dagster_page.answers()
    found: list[UpdateLine] = []
    of_runs: set[str] = set()
    for group in groups:
        update_id = group[0].update_id
        of_runs.add(update_id)
        found.append(update_line(group, read_record(context.layout, update_id), with_links))
    if not before:
        oldest = min((line.at for line in found if line.at), default=None) if older else None
        for record in updates(context.layout):
            line = recorded_line(record)
            is_shown = not record.job and record.update_id not in of_runs
            if is_shown and (oldest is None or (line.at and line.at > oldest)):
                found.append(line)
        found.sort(key=lambda line: line.at or datetime.max.replace(tzinfo=UTC), reverse=True)
    return render_page_without_faces(request, context, "runs.html.j2", updates=found, before=before, older=older)


@router.get("/learning")
def learning(request: Request, context: Context) -> Response:
    """What the projection head learned from the labels, and how naming got better as they grew."""
    report, progress = context.head_report(), context.labelling_progress()
    return render_page(
        request,
        context,
        "learning.html.j2",
        report=report,
        reason=_training_reason(report),
        is_stored_reason="gain_needed" not in report and "people_needed" not in report,
        epochs=report.get("epochs", []),
        progress=progress.to_dicts(),
    )


def _training_reason(report: Mapping[str, Any]) -> str:
    """Why the head is used or not, in the language in use; as it is stored where an older version wrote the report."""
    from classface_assets.identity.projection.promotion import PairedTest, describe_lack, describe_promotion

    if report.get("status") == "skipped" and "people_needed" in report:
        return describe_lack(report["people"], report["faces_needed"], report["people_needed"])
    if "gain_needed" not in report:
        return report.get("reason", "")
    tests = (PairedTest(**report[name]) for name in ("test_on_strangers", "nearest_on_strangers", "test_on_others"))
    return describe_promotion(report["promoted"], report["gain_needed"], *tests)


@router.get("/learning/training.png")
def training_curve(context: Context) -> Response:
    """The losses and the separation by epoch of the last training."""
    from classface_assets.identity.projection.curve import EPOCH_COLUMNS, draw_training

    report = context.head_report()
    if not report.get("epochs"):
        raise NotFoundError("curve of the training", "")
    table = pl.DataFrame(report["epochs"], schema=EPOCH_COLUMNS)
    title = ngettext(
        "%(name)s head, %(num)s person", "%(name)s head, %(num)s people", report["people"], name=report["architecture"]
    )
    return _png(draw_training(table, title))


@router.get("/learning/progress.png")
def progress_curve(context: Context) -> Response:
    """The accuracy of naming by the number of people labelled."""
    from classface_assets.identity.evaluation.progress import draw_progress

    progress = context.labelling_progress()
    if progress.is_empty():
        raise NotFoundError("curve of the progress", "")
    return _png(draw_progress(progress))


@router.post("/runs/start")
def start(request: Request, context: Context, back: FormText = "/runs") -> Response:
    """Start the run that updates all matches, with the names given since the last one."""
    return _started_response(request, context.run_manager().start(context.run_manager().assignment_spec()), back)


@router.post("/runs/{runId}/again")
def retry_run(
    request: Request,
    context: Context,
    run_id: Annotated[str, Path(alias="runId", pattern="^[A-Za-z0-9_-]{1,64}$")],
    back: FormText = "/runs",
) -> Response:
    """Retry a run; what is up to date already is skipped."""
    return _started_response(request, context.run_manager().retry(run_id), back)


def _png(content: bytes) -> Response:
    return Response(content, media_type="image/png", headers={"Cache-Control": "private, no-cache"})


def _started_response(request: Request, run_id: str, back: str) -> Response:
    if wants_json(request):
        message = gettext("Run %(run)s was started", run=run_id[:8])
        return JSONResponse({"message": message, "notes": [], "undo": [], "reload": True})
    return RedirectResponse(local_path(back), 303)
