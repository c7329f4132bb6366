"""A backfill of sixteen school years as Dagster's UI starts it: its web server, its daemon and its processes.

One year has no folder. It alone fails, with its sentence, and what the UI does again is that year alone.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon
from PIL import Image

from classface_assets.devtools.benchmark.dagster_ui.web_server import DagsterUi, dagster_ui
from classface_assets.orchestration.instance import open_instance
from classface_assets.orchestration.resources import Archive
from classface_assets.orchestration.school_year_runs.partitions import register_school_years

# Dagster's own server calls functions of Dagster that are deprecated.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PATIENCE_S = 300
YEARS = [f"{first}-{first + 1}" for first in range(2000, 2016)]
LATE = YEARS[6]
OTHERS = [year for year in YEARS if year != LATE]
LAUNCH = """mutation ($given: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $given) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
FROM_FAILURE = """mutation ($given: ReexecutionParams!) { reexecutePartitionBackfill(reexecutionParams: $given) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) { ... on PartitionBackfill {
  status numPartitions runs(limit: 50) { id status tags { key value } }
  assetBackfillData { assetBackfillStatuses { ... on AssetPartitionsStatusCounts {
    numPartitionsTargeted numPartitionsMaterialized numPartitionsFailed } } } } } }"""
FAILURES = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { eventConnection(limit: 1000) { events {
  __typename ... on ExecutionStepFailureEvent { stepKey failureMetadata { description } } } } } } }"""
PARTITIONS = """{ assetNodeOrError(assetKey: {path: ["images"]}) { ... on AssetNode {
  partitionStats { numMaterialized numFailed numPartitions }
  assetPartitionStatuses { ... on DefaultPartitionStatuses { materializedPartitions failedPartitions } } } } }"""


@dataclass(frozen=True)
class Backfilled:
    """A backfill that is over, in the words of the UI's API."""

    photos: Path
    ui: DagsterUi
    number: str
    found: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int]:
        """How many partitions were wanted, made, and failed."""
        (asset,) = self.found["assetBackfillData"]["assetBackfillStatuses"]
        return (
            asset["numPartitionsTargeted"],
            asset["numPartitionsMaterialized"],
            asset["numPartitionsFailed"],
        )

    @property
    def years(self) -> list[tuple[str, str]]:
        """The first and the last school year of each run."""
        tags = [{tag["key"]: tag["value"] for tag in run["tags"]} for run in self.found["runs"]]
        ends = ("dagster/asset_partition_range_start", "dagster/asset_partition_range_end")
        return [(one[ends[0]], one[ends[1]]) for one in tags]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backfilled]:
    """The sixteen years, of which one has no folder."""
    folder = tmp_path_factory.mktemp("backfill")
    for year in YEARS:
        add_photo(folder / "photos", year)
    archive = Archive(photos=str(folder / "photos"), data=str(folder / "data"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAGSTER_HOME", "")
        with open_instance(archive.layout) as instance:
            assert register_school_years(instance, archive.layout) == YEARS
            (folder / "photos" / LATE / "photo.png").unlink()
            (folder / "photos" / LATE).rmdir()
            with dagster_ui(archive, instance) as ui:
                given = {"assetSelection": [{"path": ["images"]}], "partitionNames": YEARS, "title": "All years"}
                launched = ui.ask(LAUNCH, {"given": given})["launchPartitionBackfill"]
                yield backfilled(folder / "photos", ui, launched)


def add_photo(photos: Path, year: str) -> None:
    (photos / year).mkdir(parents=True)
    Image.new("RGB", (30, 20 + YEARS.index(year))).save(photos / year / "photo.png")


def backfilled(photos: Path, ui: DagsterUi, launched: dict[str, str]) -> Backfilled:
    """Do what Dagster's daemon does, until the backfill is over."""
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    workspace, queue = ui.workspace, QueuedRunCoordinatorDaemon(interval_seconds=1)
    assert isinstance(workspace, WorkspaceProcessContext)
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        errors = [*execute_backfill_iteration(workspace, logging.getLogger("daemon")), *queue.run_iteration(workspace)]
        assert [error for error in errors if error is not None] == []
        found = ui.ask(BACKFILL, {"id": launched["backfillId"]})["partitionBackfillOrError"]
        if found["status"] not in ("REQUESTED", "FAILING"):
            return Backfilled(photos, ui, launched["backfillId"], found)
        time.sleep(0.2)
    raise AssertionError(f"the backfill is not over after {PATIENCE_S} s")


def test_one_of_sixteen_years_fails_with_its_sentence_and_the_others_are_done(first: Backfilled) -> None:
    assert first.years == [(YEARS[0], YEARS[-1])], "one run for all of them"
    assert first.counts == (16, 15, 1) and first.found["status"] == "COMPLETED_FAILED"
    asset = first.ui.ask(PARTITIONS)["assetNodeOrError"]
    assert asset["partitionStats"] == {"numMaterialized": 15, "numFailed": 1, "numPartitions": 16}
    assert asset["assetPartitionStatuses"] == {"materializedPartitions": OTHERS, "failedPartitions": [LATE]}
    (run,) = first.found["runs"]
    events = first.ui.ask(FAILURES, {"id": run["id"]})["runOrError"]["eventConnection"]["events"]
    (failure,) = [one for one in events if one["__typename"] == "ExecutionStepFailureEvent"]
    sentence = failure["failureMetadata"]["description"]
    assert (
        sentence.startswith(f"{LATE}: There is no folder for the school year {LATE}") and "add the folder" in sentence
    )


def test_what_the_ui_does_again_from_the_failure_is_the_year_that_failed_alone(first: Backfilled) -> None:
    add_photo(first.photos, LATE)
    given = {"parentRunId": first.number, "strategy": "FROM_FAILURE"}
    launched = first.ui.ask(FROM_FAILURE, {"given": given})["reexecutePartitionBackfill"]
    again = backfilled(first.photos, first.ui, launched)
    assert again.years == [(LATE, LATE)] and again.counts == (1, 1, 0)
    assert again.found["status"] == "COMPLETED_SUCCESS" and again.found["numPartitions"] == 1
    asset = again.ui.ask(PARTITIONS)["assetNodeOrError"]
    assert asset["partitionStats"] == {"numMaterialized": 16, "numFailed": 0, "numPartitions": 16}
