"""Runs: the latest pipeline runs, starting one, and retrying one that failed."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json

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
