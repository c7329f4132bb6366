"""One archive on several machines, as real processes: an object store, PostgreSQL, Ray, Dagster, workers, a reviewer.

Each machine has a HOME and a local folder of its own. One of each kind is killed on the way, and the end is what one
machine alone makes of the same photos and the same decisions.
"""

import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psutil
import pytest
import yaml
from upath import UPath

from classface_assets.core.locations import list_files_recursive
from classface_assets.devtools.sample.compose import SampleArchive
from classface_assets.store.files.duckdb import query_database
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.machines import Machine, answers, free_port, listens, machines, wait_until
from classface_assets_tests.support.ray_cluster import Machines, two_machines, working
from classface_assets_tests.support.remote import YEARS, copy_sample

pytestmark = pytest.mark.slow

DEFINITIONS = "classface_assets.definitions"
FORGOTTEN, NAMED = "Zephyrine Quill", "Barnaby Okonkwo"
LAUNCH = """mutation ($given: ExecutionParams!) { launchRun(executionParams: $given) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }"""
STATUS = "query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }"
ACTOR, RAY = "ray::Worker", "CLASSFACE_RAY_ADDRESS"
OVER = ("SUCCESS", "FAILURE", "CANCELED")
FACES = """SELECT a.path, a.status, round(f.bbox_x) AS x, round(f.bbox_y) AS y, p.name,
  CASE WHEN p.name IS NULL THEN f.cluster_id END AS unknown FROM image_assets a
  LEFT JOIN face_instances f ON f.asset_id = a.asset_id AND a.status = 'ok'
  LEFT JOIN persons p ON p.id = f.person_id ORDER BY ALL"""


@dataclass(frozen=True)
class Dagster:
    """The web server over all workers."""

    client: Client

    def ask(self, query: str, **variables: object) -> dict[str, dict[str, str]]:
        answer = self.client.post("/graphql", {"query": query, "variables": variables}).json
        assert "errors" not in answer, answer
        return dict(answer["data"])

    def launch(self, worker: str, job: str, year: str = "") -> str:
        """Start a job on a worker, as its page does; the run's id."""
        tags = [{"key": "dagster/partition", "value": year}] if year else []
        selector = {"repositoryLocationName": worker, "repositoryName": "__repository__", "jobName": job}
        given = {"selector": selector, "executionMetadata": {"tags": tags}, "runConfigData": {}}
        launched = self.ask(LAUNCH, given=given)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])  # type: ignore[index]

    def status(self, run: str) -> str:
        return self.ask(STATUS, id=run)["runOrError"]["status"]

    def result(self, run: str) -> str:
        """Wait for the end of a run."""
        return wait_until(lambda: status if (status := self.status(run)) in OVER else "", f"the end of run {run}")


def start_worker(machine: Machine, port: int) -> None:
    """Serve the definitions to Dagster; the runs of this code location are processes of this machine."""
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
    dagster = Dagster(Client(f"http://127.0.0.1:{port}", {}))
    wait_until(lambda: answers(dagster.client.url), "Dagster's web server")
    return dagster


def start_review(machine: Machine) -> Client:
    """Start the page where people are named."""
    port = free_port()
    machine.start("classface", "review", "--port", str(port), "--token", TOKEN)
    client = Client(f"http://127.0.0.1:{port}")
    wait_until(lambda: answers(client.url), "the review server")
    return client


def kill_runs_of(worker: Machine) -> None:
    """Kill -9 the processes that execute the runs of a worker, as when memory runs out."""
    server = psutil.Process(worker.processes[0].pid)
    runs = [p for p in server.children(recursive=True) if "spawn_main" in " ".join(p.cmdline())]
    assert runs, "no process executes a run"
    for process in runs:
        process.send_signal(signal.SIGKILL)


def is_released(machine: Machine, dagster: Dagster, run: str) -> bool:
    """Whether a dead run counts as failed, once that is asked for on its machine."""
    machine.classface("release")
    return dagster.status(run) == "FAILURE"


def faces(machine: Machine) -> pl.DataFrame:
    """Every face of the database that the machine has: where it is, and whose."""
    return query_database(machine.local / "classface.duckdb", FACES)


def stored_text(folder: UPath, text: str) -> list[str]:
    """The objects below a URL in which a text stands."""
    return [str(e.path) for e in list_files_recursive(folder) if text.encode() in e.path.read_bytes()]


@dataclass(frozen=True)
class Team:
    """Two workers, and the machine of Dagster's page and of the reviewer.

    Attributes:
        first, second: The workers.
        office: Where people are named.
        dagster: Over the two workers.
    """

    first: Machine
    second: Machine
    office: Machine
    dagster: Dagster


@contextmanager
def team(folder: Path, shared: Mapping[str, str], records: str) -> Iterator[Team]:
    """A team at work: its records of Dagster are in a database, and the school years are known."""
    with machines(folder, ("first", "second", "office"), shared) as them:
        ports = {name: free_port() for name in ("first", "second")}
        for machine in them.values():
            machine.classface("dagster-config", "--postgres", records)
        for name, port in ports.items():
            start_worker(them[name], port)
        them["first"].classface("years", "sync")
        yield Team(**them, dagster=start_dagster(them["office"], ports))


def ingest_while_machines_die(us: Team, cluster: Machines) -> None:
    """A school year by each worker; a machine of the cluster and the process of a run do not live to see the end."""
    run = us.dagster.launch("first", "ingest_year", YEARS[0])
    wait_until(working, "a batch on the cluster")
    cluster.remove(cluster.second)
    assert us.dagster.result(run) == "SUCCESS"
    wait_until(lambda: not working(ACTOR), "the end of the actors")
    victim = us.dagster.launch("second", "ingest_year", YEARS[1])
    wait_until(lambda: working(ACTOR), "an actor that loads its models")
    kill_runs_of(us.second)
    wait_until(lambda: is_released(us.second, us.dagster, victim), "the end of a run without a process")
    assert us.dagster.result(us.dagster.launch("first", "ingest_year", YEARS[1])) == "SUCCESS"


def files_with(machine: Machine, text: str) -> list[Path]:
    """The files of a machine in which a text stands."""
    files = (file for file in machine.folder.rglob("*") if file.is_file() and file.name != "log")
    return [file for file in files if text.encode() in file.read_bytes()]


def test_machines_that_die_end_with_the_rows_of_one_alone_and_forget_somebody_everywhere(
    bucket: UPath, sample: SampleArchive, postgres_ledger: str, tmp_path: Path
) -> None:
    photos, data = bucket / "photos", bucket / "data"
    copy_sample(sample, photos, YEARS)
    copy_sample(sample, tmp_path / "alone" / "photos", YEARS)
    alone = Machine(tmp_path / "alone", {"CLASSFACE_PHOTOS": "photos", "CLASSFACE_DATA": "local"})
    alone.classface("run")

    records = postgres_ledger.replace("postgresql+psycopg:", "postgresql:")
    shared = {"CLASSFACE_PHOTOS": str(photos), "CLASSFACE_DATA": str(data), "CLASSFACE_LEDGER": postgres_ledger}
    with two_machines() as cluster, team(tmp_path, {**shared, RAY: cluster.address}, records) as us:
        ingest_while_machines_die(us, cluster)
        us.first.power_off()
        shutil.rmtree(us.first.folder)
        assert us.dagster.result(us.dagster.launch("second", "identify")) == "SUCCESS"

        page = start_review(us.office)
        assert faces(us.office).equals(faces(alone))
        for number, name in enumerate((FORGOTTEN, NAMED), 1):
            assert page.post(f"{API}/clusters/unknown_cluster_{number}/label", {"name": name}).status == 200
            alone.classface("label", f"unknown_cluster_{number}", name)
        alone.classface("run")
        assert us.dagster.result(us.dagster.launch("second", "identify")) == "SUCCESS"
        us.first.classface("dagster-config", "--postgres", records)
        us.first.classface("run")
        assert stored_text(data / "albums", FORGOTTEN), "published by a machine whose disk was empty"

        (person,) = [one for one in page.get(f"{API}/persons").json["items"] if one["name"] == FORGOTTEN]
        us.office.classface("forget", FORGOTTEN, "--yes", "--no-run")
        alone.classface("forget", FORGOTTEN, "--yes")
        assert page.get(f"{API}/persons/{person['id']}").status == 404
        us.first.classface("run")
        assert us.dagster.result(us.dagster.launch("second", "identify")) == "SUCCESS"
        assert faces(us.first).equals(faces(us.second)) and faces(us.first).equals(faces(alone))
        assert stored_text(data, FORGOTTEN) == []
        assert [files_with(machine, FORGOTTEN) for machine in (us.first, us.second, us.office)] == [[], [], []]
