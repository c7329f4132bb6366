"""Runs: the latest pipeline runs, starting one, retrying one that failed, and what was learned from the labels."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import polars as pl
from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json
from classface_assets.review.problems import NotFoundError

if TYPE_CHECKING:
    from classface_assets.review.runs.records import RunSummary

PAGE_SIZE = 20
STATES = {"SUCCESS": "done", "FAILURE": "failed", "CANCELED": "cancelled"}
COUNT_NAMES = {"dagster/row_count": "rows"}
router = page_router()


@router.get("/runs")
def runs(
    request: Request, context: Context, number: Annotated[int, Query(alias="page", ge=1, le=100_000)] = 1
) -> Response:
    """List the runs, newest first."""
    summaries, total = context.run_manager().runs(number, PAGE_SIZE)
    lines = [_run_line(run) for run in summaries]
    return render_page(
        request, context, "runs.html.j2", runs=lines, total=total, number=number, pages=-(-total // PAGE_SIZE)
    )


@router.get("/learning")
def learning(request: Request, context: Context) -> Response:
    """What the projection head learned from the labels, and how naming got better as they grew."""
    report, progress = context.head_report(), context.labelling_progress()
    return render_page(
        request,
        context,
        "learning.html.j2",
        report=report,
        epochs=report.get("epochs", []),
        progress=progress.to_dicts(),
    )


@router.get("/learning/training.png")
def training_curve(context: Context) -> Response:
    """The losses and the separation by epoch of the last training."""
    from classface_assets.identity.projection.curve import EPOCH_COLUMNS, draw_training

    report = context.head_report()
    if not report.get("epochs"):
        raise NotFoundError("training", "curve")
    table = pl.DataFrame(report["epochs"], schema=EPOCH_COLUMNS)
    return _png(draw_training(table, f"{report['architecture']} head, {report['people']:,} people"))


@router.get("/learning/progress.png")
def progress_curve(context: Context) -> Response:
    """The accuracy of naming by the number of people labelled."""
    from classface_assets.identity.evaluation.progress import draw_progress

    progress = context.labelling_progress()
    if progress.is_empty():
        raise NotFoundError("progress", "curve")
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
        return JSONResponse({"message": f"Run {run_id[:8]} was started", "notes": [], "undo": [], "reload": True})
    return RedirectResponse(local_path(back), 303)


def _run_line(run: "RunSummary") -> dict[str, Any]:
    """What a line of the page shows of a run."""
    started, ended = run.started_at or run.created_at, run.ended_at
    return {
        "id": run.run_id,
        "job": run.job,
        "year": run.school_year or "",
        "state": STATES.get(run.status, "running"),
        "status": run.status,
        "parameters": {
            name: value for op in run.parameters.values() for name, value in dict(op).items() if value is not None
        },
        "at": datetime.fromtimestamp(started, UTC) if started else None,
        "seconds": ended - started if ended and started else None,
        "counts": _count_lines(run),
        "reason": run.reason,
        "url": run.url,
    }


def _count_lines(run: "RunSummary") -> list[tuple[str, str]]:
    """The first four whole numbers that each asset logged."""
    lines = []
    for asset, numbers in run.counts.items():
        whole = [
            f"{value:,.0f} {COUNT_NAMES.get(name, name).replace('_', ' ')}"
            for name, value in numbers.items()
            if value == int(value)
        ]
        lines.append((asset.replace("_", " "), ", ".join(whole[:4])))
    return lines
