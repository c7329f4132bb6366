"""What compose.yaml starts, started as processes here: its commands, its environment and its healthchecks."""

import json
import urllib.error
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from classface_assets.review.api.common import API_PREFIX
from classface_assets_tests.support.compose import DEPLOY, ComposedService, Place
from classface_assets_tests.support.password_server import free_port, password_server

PASSWORD, TOKEN = "words in a file", "a token of more than sixteen characters"
DATABASES = ("classface", "dagster")
WORKSPACE = "{workspaceOrError {... on Workspace {locationEntries {name locationOrLoadError {__typename}}}}}"
pytestmark = pytest.mark.slow


def answer(url: str, *, token: str = "", body: object = None) -> tuple[int, str]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data, headers), timeout=20) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def place_here(folder: Path, postgres_port: int, s3: str) -> tuple[Place, dict[str, int]]:
    """Addresses, ports and folders of the containers → those of this machine."""
    ports = {port: free_port() for port in ("3000", "4000", "8765")}
    replacements = {
        "postgres:5432": f"127.0.0.1:{postgres_port}",
        "http://minio:9000": s3,
        "0\\.0\\.0\\.0": "127.0.0.1",
        "/run/secrets": str(folder / "secrets"),
        "/var/lib/classface": str(folder / "local"),
        "/etc/classface": str(folder),
        "^/photos": str(folder / "photos"),
        **{rf"\b{port}\b": str(free) for port, free in ports.items()},
    }
    return Place(replacements), ports


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With the secrets, an empty local folder and one school year without photos."""
    for name in ("secrets", "local", "photos/2019-2020"):
        (tmp_path / name).mkdir(parents=True)
    secrets = {"postgres_password": PASSWORD, "review_token": TOKEN, "s3_access_key": "key", "s3_secret_key": "secret"}
    for name, secret in secrets.items():
        (tmp_path / "secrets" / name).write_text(f"{secret}\n")
    return tmp_path


def test_all_services_of_the_compose_file_become_healthy_as_processes(folder: Path, s3_server: str) -> None:
    from s3fs import S3FileSystem

    S3FileSystem().mkdir("classface")
    with ExitStack() as stack:
        port = stack.enter_context(password_server("classface", PASSWORD, DATABASES))
        place, ports = place_here(folder, port, s3_server)
        (folder / "workspace.yaml").write_text(
            place.of((DEPLOY / "workspace.yaml").read_text()).replace("host: code", "host: 127.0.0.1")
        )
        services = {
            name: ComposedService(name, place, folder) for name in ("settings", "code", "webserver", "daemon", "review")
        }
        services["settings"].run()
        assert PASSWORD not in (folder / "local" / "dagster_home" / "dagster.yaml").read_text()
        code = stack.enter_context(services["code"].started())
        services["code"].require_healthy(code)
        started = {name: stack.enter_context(services[name].started()) for name in ("webserver", "daemon", "review")}
        for name, process in started.items():
            services[name].require_healthy(process)
        services["settings"].run()  # `up` once more changes nothing

        status, body = answer(f"http://127.0.0.1:{ports['3000']}/graphql", body={"query": WORKSPACE})
        assert status == 200
        (location,) = json.loads(body)["data"]["workspaceOrError"]["locationEntries"]
        assert location == {"name": "classface", "locationOrLoadError": {"__typename": "RepositoryLocation"}}

        review = f"http://127.0.0.1:{ports['8765']}"
        assert answer(f"{review}/healthz") == (200, '{"status":"ok"}')
        assert answer(f"{review}{API_PREFIX}/runs")[0] == 401
        assert answer(f"{review}{API_PREFIX}/runs", token=TOKEN)[0] == 200
