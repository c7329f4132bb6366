"""The REST API is what its OpenAPI document says: schemathesis with all its checks, at an archive in use.

CONTRACT_SEEDS, such as `1 2 3`, runs it for minutes with each of these seeds, and with real pipeline runs.
"""

import os
import re
import subprocess
import sys
import unicodedata
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import TypeAdapter, ValidationError

from classface_assets.core.errors import InvalidNameError
from classface_assets.core.names import clean_name
from classface_assets.devtools.benchmark.review.server_thread import running_server
from classface_assets.orchestration.resources import Models
from classface_assets.review.api.common import Name
from classface_assets.review.app import create_app
from classface_assets.review.auth.attempts import LoginAttempts
from classface_assets_tests.conftest import World
from classface_assets_tests.support import contract
from classface_assets_tests.support.clients import API, Client
from classface_assets_tests.support.helpers import TOKEN
from classface_assets_tests.support.used_archive import use_archive

CONFIG = Path(contract.__file__).with_name("schemathesis.toml")
SEEDS = os.environ.get("CONTRACT_SEEDS", "").split()
RUN_CALLS = ("/cluster", "/cluster/dual", "/train", "/assign")


class CountedAnswers:
    """An ASGI app that counts the answers of another one by method, path and status."""

    def __init__(self, app: Any) -> None:
        self.app, self.counts = app, Counter[tuple[str, str, int]]()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def counted(message: Any) -> None:
            if message["type"] == "http.response.start":
                self.counts[scope["method"], scope["path"], message["status"]] += 1
            await send(message)

        await self.app(scope, receive, counted)

    def successes(self, document: Mapping[str, Any]) -> dict[str, int]:
        """How many answers with status 2xx each call of the document has given."""
        literal_first = sorted(document["paths"], key=lambda path: path.count("{"))
        patterns = {path: re.compile(re.sub(r"\{\w+\}", "[^/]+", path)) for path in literal_first}
        found = {f"{method} {path}": 0 for path, calls in document["paths"].items() for method in calls}
        for (method, url_path, status), count in self.counts.items():
            path = next((path for path, pattern in patterns.items() if pattern.fullmatch(url_path)), "")
            if f"{method.lower()} {path}" in found and status < 300:
                found[f"{method.lower()} {path}"] += count
        return found


@pytest.fixture
def answers(world: World) -> CountedAnswers:
    use_archive(world.archive)
    app = create_app(world.archive, Models(pack=world.pack), TOKEN)
    app.state.sessions.attempts = LoginAttempts(free=10**9, free_in_all=10**9)  # wrong tokens are among the requests
    return CountedAnswers(app)


@pytest.fixture
def used(answers: CountedAnswers) -> Iterator[Client]:
    """A client of a server at an archive in use, with a session of photos and a document for print."""
    with running_server(answers) as url:
        client = Client(url)
        year = client.get(f"{API}/photos").json["items"][0]["schoolYear"]
        assert client.post(f"{API}/sessions", {"title": "First day", "schoolYear": year}).status == 201
        made = client.post(f"{API}/exports/documents", {"kind": "contact-sheet", "schoolYears": [year]})
        assert made.status == 202, made.body
        # The calls to come change names, after which no older file is given out, and a face may have no name any more.
        assert client.get(f"{API}/exports/documents/{made.json['id']}/file").status == 200
        assert client.get(client.get(f"{API}/exports/portraits").json["items"][0]["picture"]).status == 200
        yield client


@pytest.fixture
def held_runs(used: Client) -> Iterator[list[psutil.Process]]:
    """As many runs as a server starts at once, each stopped before it works; a further start is refused."""
    held: list[psutil.Process] = []
    try:
        killed = _start_and_stop(used, RUN_CALLS[0], held)
        held.pop().kill()
        while used.get(f"{API}/runs/{killed}").json["status"] != "FAILURE":
            pass
        _start_and_stop(used, "/updates", held)
        for path in (f"/runs/{killed}/retry", *RUN_CALLS[1:]):
            _start_and_stop(used, path, held)
        assert used.post(f"{API}/cluster", {"queue": True}).status == 409
        yield held
    finally:
        for process in held:
            process.kill()


def _start_and_stop(client: Client, path: str, held: list[psutil.Process]) -> str:
    before = {child.pid for child in psutil.Process().children()}
    started = client.post(f"{API}{path}", {} if path.endswith(("retry", "updates")) else {"queue": True})
    assert started.status == 202, started.body
    (process,) = [child for child in psutil.Process().children() if child.pid not in before]
    process.suspend()
    held.append(process)
    return str(started.json.get("runId"))


def test_the_api_is_what_its_document_says(
    used: Client, answers: CountedAnswers, held_runs: list[psutil.Process], world: World, tmp_path: Path
) -> None:
    _fuzz(used, world, tmp_path, "--max-examples", "1", "--seed", "5")
    never = [call for call, count in answers.successes(used.get("/openapi.json").json).items() if not count]
    assert never == []


@pytest.mark.skipif(not SEEDS, reason="CONTRACT_SEEDS names no seeds")
@pytest.mark.parametrize("seed", SEEDS)
def test_the_api_is_what_its_document_says_for_minutes(
    seed: str, used: Client, answers: CountedAnswers, world: World, tmp_path: Path
) -> None:
    print(_fuzz(used, world, tmp_path, "--max-examples", "30", "--max-time", "300", "--seed", seed))
    successes = answers.successes(used.get("/openapi.json").json)
    print(f"{answers.counts.total()} answers; with status 2xx:", successes)
    assert [call for call, count in successes.items() if not count] == []


def test_a_value_of_another_json_type_is_refused(used: Client) -> None:
    face = used.clusters()[0]["sampleFaceIds"][0]
    for path, body in (
        ("/cluster/dual", {"queue": 0}),
        ("/train", {"resume": "no", "queue": True}),
        ("/train", {"epochs": "5", "queue": True}),
        (f"/{face}/assign", {"useVoting": 1}),
        (f"/{face}/assign", {"similarityThreshold": True}),
        (f"/{face}/assign", {"k": "5"}),
    ):
        refused = used.post(f"{API}{path}", body)
        assert refused.status == 422 and refused.json["errors"], (path, body)
    assert used.get(f"{API}/runs").json["total"] == 0
    assert used.post(f"{API}/{face}/assign", {"k": 5.0, "similarityThreshold": 1}).status == 200


def test_a_method_that_a_path_does_not_have_is_answered_with_those_that_it_has(used: Client) -> None:
    for method, path, allowed in (
        ("OPTIONS", "/persons", "GET, POST"),
        ("PUT", f"/persons/{uuid.uuid4()}", "DELETE, GET, PATCH"),
        ("PUT", "/profiles/quality-settings", "GET"),
        ("GET", f"/profiles/{uuid.uuid4()}", "PUT"),
    ):
        answer = used.ask(method, f"{API}{path}")
        assert (answer.status, answer.headers["Allow"]) == (405, allowed), path
        assert allowed in answer.json["detail"]


def test_an_id_that_nothing_can_have_is_not_found(used: Client) -> None:
    for method, path in (
        ("GET", "/persons/None"),
        ("POST", "/events/0/undo"),
        ("GET", "/clusters/%20"),
        ("GET", "/x/chip"),
    ):
        answer = used.ask(method, f"{API}{path}", {} if method == "POST" else None)
        assert answer.status == 404 and answer.json["detail"], path


def test_an_erasure_whose_run_cannot_start_erases_nothing(used: Client, held_runs: list[psutil.Process]) -> None:
    path = f"{API}/persons/{used.get(f'{API}/persons').json['items'][0]['id']}"
    faces = used.get(path).json["faceCount"]
    refused = used.ask("DELETE", f"{path}?erase=true")
    assert refused.status == 409 and "wait for one of them" in refused.json["detail"]
    assert used.get(path).json["faceCount"] == faces


def test_the_examples_of_the_document_exist_in_the_archive(used: Client) -> None:
    document = used.get("/openapi.json").json
    for path, calls in document["paths"].items():
        operation = calls.get("get")
        if operation is None or path.endswith("/runs/{id}"):
            continue
        examples = {p["name"]: p["example"] for p in operation.get("parameters", ()) if p.get("in") == "path"}
        chosen = "?schoolYear=2018-2019" if "/exports/" in path else ""  # something has to be chosen
        assert used.get(path.format(**examples) + chosen).status == 200, (path, examples)


def test_the_document_describes_names_as_the_ledger_takes_them() -> None:
    described = TypeAdapter(Name)
    odd = [chr(c) for c in range(0x20000) if unicodedata.category(chr(c)) in ("Cc", "Cf", "Zs", "Zl", "Zp")]
    for text in [*odd, *(f"a{c}b" for c in odd), "Zoë", "👩🏽\u200d🎓", "n" * 255, "n" * 256]:
        try:
            described.validate_python(text)
        except ValidationError:
            with pytest.raises(InvalidNameError):
                clean_name(text)
        else:
            assert clean_name(text)


def _fuzz(client: Client, world: World, folder: Path, *options: str) -> str:
    """What schemathesis prints at the end; `contract/schemathesis.toml` has all of its checks."""
    command = [str(Path(sys.executable).with_name("schemathesis")), "--config-file", str(CONFIG)]
    command += ["run", f"{client.url}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}", *options]
    command += ["--no-color", "--generation-database", "none", "--request-timeout", "900"]
    photos = {"CONTRACT_PHOTOS": str(world.folder / "photos" / "2016-2017" / "portraits")}
    path = os.pathsep.join(filter(None, (str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH"))))
    result = subprocess.run(
        command, capture_output=True, text=True, errors="replace", check=False, cwd=folder,
        env=os.environ | photos | {"PYTHONPATH": path},
    )  # fmt: skip
    assert result.returncode == 0, result.stdout[-6000:] + result.stderr[-2000:]
    return result.stdout[result.stdout.rindex("SUMMARY") :]
