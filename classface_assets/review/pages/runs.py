"""Runs: what Dagster did lately, and doing again what stopped."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Path, Query, Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import FormText, local_path, page_router, render_page, wants_json

if TYPE_CHECKING:
    from classface_assets.review.runs.records import RunSummary

PAGE_SIZE = 20
STATES = {"SUCCESS": "done", "FAILURE": "stopped", "CANCELED": "stopped"}
COUNT_NAMES = {"dagster/row_count": "rows"}
router = page_router()


@router.get("/runs")
def runs(
    request: Request, desk: Context, number: Annotated[int, Query(alias="render_page", ge=1, le=100_000)] = 1
) -> Response:
    """The runs, last first."""
    told, total = desk.work().runs(number, PAGE_SIZE)
    shown = [_run_line(run) for run in told]
    return render_page(
        request, desk, "runs.html.j2", runs=shown, total=total, number=number, pages=-(-total // PAGE_SIZE)
    )


@router.post("/runs/start")
def start(request: Request, desk: Context, back: FormText = "/runs") -> Response:
    """Recognise everybody again, with all that was said since."""
    return _started_response(request, desk.work().start(desk.work().assignment()), back)


@router.post("/runs/{runId}/again")
def retry_run(
    request: Request,
    desk: Context,
    run_id: Annotated[str, Path(alias="runId", pattern="^[A-Za-z0-9_-]{1,64}$")],
    back: FormText = "/runs",
) -> Response:
    """Do what is left of a run that stopped."""
    return _started_response(request, desk.work().retry(run_id), back)


def _started_response(request: Request, run_id: str, back: str) -> Response:
    if wants_json(request):
        return JSONResponse({"message": f"The run {run_id[:8]} was started", "notes": [], "undo": [], "reload": True})
    return RedirectResponse(local_path(back), 303)


def _run_line(run: "RunSummary") -> dict[str, Any]:
    """What a line shows of a run."""
    started, ended = run.started_at or run.created_at, run.ended_at
    return {
        "id": run.run_id,
        "job": run.job,
        "year": run.school_year or "",
        "state": STATES.get(run.status, "under way"),
        "status": run.status,
        "parameters": {
            name: value for step in run.parameters.values() for name, value in dict(step).items() if value is not None
        },
        "at": datetime.fromtimestamp(started, UTC) if started else None,
        "seconds": ended - started if ended and started else None,
        "counts": _count_lines(run),
        "reason": run.reason,
        "url": run.url,
    }


def _count_lines(run: "RunSummary") -> list[tuple[str, str]]:
    """Some numbers of each asset: whole ones, which count something."""
    told = []
    for asset, numbers in run.counts.items():
        whole = [
            f"{value:,.0f} {COUNT_NAMES.get(name, name).replace('_', ' ')}"
            for name, value in numbers.items()
            if value == int(value)
        ]
        told.append((asset.replace("_", " "), ", ".join(whole[:4])))
    return told
