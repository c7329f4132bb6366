"""One archive on several machines, as real processes: PostgreSQL, an object store, Ray, Dagster, two workers, a reviewer.

Each machine has a HOME and a local folder of its own. One of each kind is killed on the way, and the end is what one
machine alone makes of the same photos and the same decisions.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from upath import UPath

from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.machines import Machine, answers, call, free_port, listens, machines, wait_until
from classface_assets_tests.support.remote import YEARS, copy_sample

pytestmark = pytest.mark.slow

DEFINITIONS = "classface_assets.definitions"
LAUNCH = """mutation ($given: ExecutionParams!) { launchRun(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
LOCATIONS = """{ workspaceOrError { ... on Workspace { locationEntries { name
  locationOrLoadError { __typename ... on PythonError { message } } } } } }"""
FACES = """SELECT a.path, a.status, round(f.bbox_x) AS x, round(f.bbox_y) AS y, f.id, f.cluster_id, p.name
  FROM image_assets a LEFT JOIN face_instances f ON f.asset_id = a.asset_id AND a.status = 'ok'
  LEFT JOIN persons p ON p.id = f.person_id ORDER BY ALL"""


@dataclass(frozen=True)
class Dagster:
    """The web server of the machines."""

    url: str

    def ask(self, query: str, **variables: object) -> dict[str, dict[str, object]]:
        found = call(f"{self.url}/graphql", {"query": query, "variables": variables})
        assert "errors" not in found, found
        return dict(found["data"])

    def launch(self, worker: str, job: str, year: str = "") -> str:
        """Start a job on a worker; the run's id."""
        tags = [{"key": "dagster/partition", "value": year}] if year else []
        selector = {
            "repositoryLocationName": worker,
            "repositoryName": "__repository__",
            "jobName": job,
        }
        given = {"selector": selector, "executionMetadata": {"tags": tags}, "runConfigData": {}}
        launched = self.ask(LAUNCH, given=given)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def status(self, run: str) -> str:
        return str(self.ask(STATUS, id=run)["runOrError"]["status"])

    def finished(self, run: str) -> str:
        """Wait for the end of a run."""
        over = ("SUCCESS", "FAILURE", "CANCELED")
        return str(wait_until(lambda: self.status(run) if self.status(run) in over else "", f"the end of run {run}"))


def start_worker(machine: Machine, port: int) -> None:
    """Serve the definitions to Dagster; runs of this code location are processes of this machine."""
    machine.start("dagster", "api", "grpc", "-h", "127.0.0.1", "-p", str(port), "-m", DEFINITIONS)
    wait_until(lambda: listens(port), "the code server")


def start_dagster(machine: Machine, workers: dict[str, int]) -> Dagster:
    """Start web server and daemon over the workers."""
    servers = [
        {"grpc_server": {"host": "127.0.0.1", "port": port, "location_name": name}} for name, port in workers.items()
    ]
    (machine.folder / "workspace.yaml").write_text(yaml.safe_dump({"load_from": servers}))
    port = free_port()
    machine.start("dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "-w", "workspace.yaml")
    machine.start("dagster-daemon", "run", "-w", "workspace.yaml")
    dagster = Dagster(f"http://127.0.0.1:{port}")
    wait_until(lambda: answers(dagster.url), "Dagster's web server")
    return dagster


def review_server(machine: Machine) -> str:
    """Start the review page; its address."""
    port = free_port()
    machine.start("classface", "review", "--port", str(port), "--token", TOKEN)
    url = f"http://127.0.0.1:{port}"
    wait_until(lambda: answers(url), "the review server")
    return f"{url}/api/v1"


def test_harness(bucket: UPath, sample: SampleArchive, postgres_ledger: str, postgres: str, tmp_path: Path) -> None:
    photos, data = bucket / "photos", bucket / "data"
    copy_sample(sample, photos, YEARS)
    shared = {
        "CLASSFACE_PHOTOS": str(photos),
        "CLASSFACE_DATA": str(data),
        "CLASSFACE_LEDGER": postgres_ledger,
    }
    import time

    t = time.time()
    a = b = c = None

    def p(*a):
        print(round(time.time() - t, 1), *a, flush=True)

    with machines(tmp_path, ("a", "b", "c"), shared) as team:
        a, b, c = team.values()
        records = postgres_ledger.replace("postgresql+psycopg:", "postgresql:")
        for one in (a, b, c):
            p(one.classface("dagster-config", "--postgres", records))
        p(a.classface("years", "sync"))
        ports = {"a": free_port(), "b": free_port()}
        start_worker(a, ports["a"])
        start_worker(b, ports["b"])
        dagster = start_dagster(c, ports)
        p("ui")
        p(dagster.ask(LOCATIONS))
        runs = [dagster.launch("a", "ingest_year", YEARS[0]), dagster.launch("b", "ingest_year", YEARS[1])]
        p([dagster.finished(run) for run in runs])
        p(dagster.finished(dagster.launch("b", "identify")))
        api = review_server(c)
        p(call(f"{api}/clusters", token=TOKEN))
