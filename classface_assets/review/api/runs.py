"""Long work: grouping all faces again, training, and the runs that do it."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Path, Response

from classface_assets.review.api.common import API_PREFIX, Context, Page, PageParams, problem_responses
from classface_assets.review.api.schemas.runs import (
    ClusterResponse,
    DualClusterResponse,
    OptionalClusterRequest,
    OptionalDualClusterRequest,
    OptionalTrainRequest,
    Run,
    RunStarted,
    TrainResponse,
)
from classface_assets.review.api.stats import count_faces
from classface_assets.review.context import ReviewContext
from classface_assets.review.problems import ProblemError

if TYPE_CHECKING:
    from classface_assets.review.runs.launcher import RunSpec
    from classface_assets.review.runs.records import RunSummary

MAX_WAIT_S = 900
router = APIRouter(prefix=API_PREFIX, tags=["work"])


@router.post(
    "/cluster",
    response_model=ClusterResponse | RunStarted,
    responses=problem_responses(409) | {202: {"model": RunStarted}},
)
def cluster(desk: Context, body: OptionalClusterRequest, response: Response) -> Any:
    """Group all faces again and publish. At once, or with `queue` as a run that goes on by itself."""
    given = body.model_dump(exclude={"queue"})
    run = execute_run(desk, desk.work().assignment(**given), body.queue, response)
    if isinstance(run, RunStarted):
        return run
    counts = count_faces(desk.view())
    return {
        "total_faces": counts["total_faces"],
        "clusters_found": counts["unknown_clusters"],
        "noise_count": counts["noise_faces"],
        "status": "done",
        "run_id": run.run_id,
    }


@router.post(
    "/cluster/dual",
    response_model=DualClusterResponse | RunStarted,
    responses=problem_responses(409) | {202: {"model": RunStarted}},
)
def cluster_dual(desk: Context, body: OptionalDualClusterRequest, response: Response) -> Any:
    """Known people first, then clusters of the unknown; what every run does, here with settings of one's own."""
    order = desk.work().assignment(
        person_threshold=body.person_threshold,
        method=body.unknown_method,
        min_cluster_size=body.unknown_min_cluster_size,
        eps=body.unknown_eps,
        max_faces=body.max_faces,
    )
    run = execute_run(desk, order, body.queue, response)
    if isinstance(run, RunStarted):
        return run
    counts = count_faces(desk.view())
    total, assigned = counts["total_faces"], counts["assigned_faces"]
    return {
        "status": "done",
        "supervised": {
            "faces_processed": total,
            "assigned_to_persons": assigned,
            "persons_matched": counts["persons_matched"],
        },
        "unsupervised": {
            "unlabeled_faces": total - assigned,
            "clusters_found": counts["unknown_clusters"],
            "noise_count": counts["noise_faces"],
        },
        "total_faces": total,
        "execution_time_seconds": (run.ended_at or 0) - (run.started_at or 0),
        "run_id": run.run_id,
    }


@router.post(
    "/train", response_model=TrainResponse | RunStarted, responses=problem_responses(409) | {202: {"model": RunStarted}}
)
def train(desk: Context, body: OptionalTrainRequest, response: Response) -> Any:
    """Train the projection head on the labelled faces; it is used where it wins on faces that were held out."""
    run = execute_run(desk, desk.work().training(**body.model_dump(exclude={"queue"})), body.queue, response)
    if isinstance(run, RunStarted):
        return run
    report = desk.head_report()
    return {
        "status": report.get("status", "skipped"),
        "reason": report.get("reason", ""),
        "persons_used": report.get("people", 0),
        "total_faces": report.get("training_faces", 0) + report.get("held_out_faces", 0),
        "training_faces": report.get("training_faces", 0),
        "validation_faces": report.get("held_out_faces", 0),
        "final_train_loss": report.get("train_loss"),
        "final_val_loss": report.get("held_out_loss"),
        "promoted": report.get("promoted", False),
        "model_checkpoint": desk.layout.head.name if desk.layout.head.exists() else None,
        "training_time_seconds": (run.ended_at or 0) - (run.started_at or 0),
        "run_id": run.run_id,
    }


@router.get("/runs", response_model=Page[Run], responses=problem_responses())
def list_runs(desk: Context, asked: PageParams) -> dict[str, Any]:
    """The runs of this archive, last first."""
    runs, total = desk.work().runs(asked.page, asked.page_size)
    return asked.answer([_run_model(run) for run in runs], total)


@router.get("/runs/{id}", response_model=Run, responses=problem_responses(404))
def get_run(desk: Context, run_id: Annotated[UUID, Path(alias="id")]) -> Run:
    return _run_model(desk.work().run(str(run_id)))


@router.post("/runs/{id}/retry", response_model=RunStarted, status_code=202, responses=problem_responses(404, 409))
def retry_run(desk: Context, run_id: Annotated[UUID, Path(alias="id")]) -> RunStarted:
    """The same once more; what was done already is not done again."""
    return RunStarted(run_id=desk.work().retry(str(run_id)))


def execute_run(desk: ReviewContext, order: "RunSpec", queue: bool, response: Response) -> "RunSummary | RunStarted":
    """The run when it has ended well, or that it goes on. Raises ProblemError when it failed."""
    run_id = desk.work().start(order)
    if not queue:
        run = desk.work().wait(run_id, MAX_WAIT_S)
        if run.status == "SUCCESS":
            return run
        if run.ended_at is not None or run.status == "FAILURE":
            raise ProblemError(409, f"The run failed: {run.reason}", runId=run_id)
    response.status_code = 202
    return RunStarted(run_id=run_id)


def _run_model(run: "RunSummary") -> Run:
    times = {name: getattr(run, name) for name in ("created_at", "started_at", "ended_at")}
    when = {name: None if at is None else datetime.fromtimestamp(at, UTC) for name, at in times.items()}
    rest = {name: getattr(run, name) for name in Run.model_fields if name not in when}
    return Run.model_validate(rest | when)
