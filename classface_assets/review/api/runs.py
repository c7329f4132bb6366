"""Pipeline runs: clustering all faces, training the projection head, and listing and retrying runs."""

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
from classface_assets.services.identity.method_options import cosine_distance, with_method

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
def cluster(context: Context, body: OptionalClusterRequest, response: Response) -> Any:
    """Cluster all faces, or those of a school year or event, and publish the result.

    Waits for the end, or with `queue` returns the started run.
    """
    if body.school_year is not None and body.event is not None:
        raise ProblemError(409, "Give a schoolYear or an event, not both.")
    given = body.model_dump(exclude={"queue", "preset", "school_year", "event"})
    only = {"only_school_year": body.school_year, "only_event": body.event and body.event.rstrip("/")}
    spec = context.run_manager().assignment_spec(**context.preset_values(body.preset) | with_method(given | only))
    run = execute_run(context, spec, body.queue, response)
    if isinstance(run, RunStarted):
        return run
    counts = count_faces(context.view())
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
def cluster_dual(context: Context, body: OptionalDualClusterRequest, response: Response) -> Any:
    """Match the known people first, then cluster the unknown faces, as every run does, with your own settings."""
    spec = context.run_manager().assignment_spec(
        **context.preset_values(body.preset)
        | with_method(
            {
                "person_threshold": body.person_threshold,
                "method": body.unknown_method,
                "min_cluster_size": body.unknown_min_cluster_size,
                "eps": cosine_distance(body.unknown_eps, body.metric),
                "min_samples": body.min_samples,
                "cluster_selection_epsilon": cosine_distance(body.epsilon, body.metric),
                "linkage": body.linkage,
                "max_faces": body.max_faces,
            }
        )
    )
    run = execute_run(context, spec, body.queue, response)
    if isinstance(run, RunStarted):
        return run
    counts = count_faces(context.view())
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
def train(context: Context, body: OptionalTrainRequest, response: Response) -> Any:
    """Train the projection head on the labelled faces; it is used only if it does better on held-out faces."""
    run = execute_run(
        context, context.run_manager().training_spec(**body.model_dump(exclude={"queue"})), body.queue, response
    )
    if isinstance(run, RunStarted):
        return run
    report = context.head_report()
    trained = report.get("status") == "trained" and context.layout.head.exists()
    return {
        "status": report.get("status", "skipped"),
        "reason": report.get("reason", ""),
        "persons_used": report.get("people", 0),
        "total_faces": report.get("training_faces", 0),
        "training_faces": report.get("training_faces", 0),
        "validation_faces": report.get("held_out_faces", 0),
        "final_train_loss": report.get("train_loss"),
        "final_val_loss": report.get("held_out_loss"),
        "promoted": report.get("promoted", False),
        "architecture": report.get("architecture"),
        "epochs": report.get("epochs", []),
        "model_checkpoint": context.layout.head.name if trained else None,
        "training_time_seconds": (run.ended_at or 0) - (run.started_at or 0),
        "run_id": run.run_id,
    }


@router.get("/runs", response_model=Page[Run], responses=problem_responses())
def list_runs(context: Context, pagination: PageParams) -> dict[str, Any]:
    """List the archive's runs, newest first."""
    runs, total = context.run_manager().runs(pagination.page, pagination.page_size)
    return pagination.response([_run_model(run) for run in runs], total)


@router.get("/runs/{id}", response_model=Run, responses=problem_responses(404))
def get_run(context: Context, run_id: Annotated[UUID, Path(alias="id")]) -> Run:
    """Get one run."""
    return _run_model(context.run_manager().run(str(run_id)))


@router.post("/runs/{id}/retry", response_model=RunStarted, status_code=202, responses=problem_responses(404, 409))
def retry_run(context: Context, run_id: Annotated[UUID, Path(alias="id")]) -> RunStarted:
    """Run the same job again; what is up to date already is skipped."""
    return RunStarted(run_id=context.run_manager().retry(str(run_id)))


def execute_run(context: ReviewContext, spec: "RunSpec", queue: bool, response: Response) -> "RunSummary | RunStarted":
    """Start a run and, unless it is queued, wait for its end.

    Returns:
        The run where it has succeeded; else that it was started, with status 202.

    Raises:
        ProblemError: The run failed, or too many are under way.
    """
    run_id = context.run_manager().start(spec)
    if not queue:
        run = context.run_manager().wait(run_id, MAX_WAIT_S)
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
