"""What compose.yaml promises: secrets in files, nothing beyond loopback, services that are confined and watched."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from classface_assets.orchestration.settings.secret_files import SECRET_FILES
from classface_assets_tests.support.compose import DEPLOY, ROOT, compose_file

SERVICES = compose_file()["services"]
ONCE = {"bucket", "settings"}
"""Services that do something and end."""


def each_service() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", sorted(SERVICES))


def test_only_the_review_page_and_dagsters_page_are_reached_and_on_loopback_only() -> None:
    published = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert published == {"webserver": ["127.0.0.1:3000:3000"], "review": ["127.0.0.1:8765:8765"]}
    networks = compose_file()["networks"]
    assert networks["inside"] == {"internal": True}
    assert networks["published"]["driver_opts"] == {"com.docker.network.bridge.enable_ip_masquerade": "false"}
    for name, service in SERVICES.items():
        assert service["networks"] == (["inside", "published"] if name in published else ["inside"])


@each_service()
def test_a_service_gets_its_secrets_as_files_and_only_those_that_it_names(name: str) -> None:
    service, secrets = SERVICES[name], compose_file()["secrets"]
    assert set(service["secrets"]) <= secrets.keys()
    for variable, value in service["environment"].items():
        if variable.endswith("_FILE"):
            assert Path(value).name in service["secrets"] and Path(value).parent == Path("/run/secrets"), variable
            assert variable in SECRET_FILES or name in ("postgres", "minio"), variable
        assert not re.search(r"(PASSWORD|SECRET_ACCESS_KEY|ACCESS_KEY_ID|TOKEN)$", variable), variable
        assert not re.search(r"://[^/@]*:[^/@]*@", str(value)), f"{variable} holds a password"


def test_secrets_lie_where_git_does_not_look() -> None:
    folders = {
        re.sub(r"^\$\{SECRETS_FOLDER:-(.*)\}/.*$", r"\1", one["file"]) for one in compose_file()["secrets"].values()
    }
    (folder,) = folders
    path = (DEPLOY / folder).resolve().relative_to(ROOT) / "review_token"
    ignored = subprocess.run(["git", "check-ignore", "--quiet", path], cwd=ROOT, check=False)
    if ignored.returncode == 128:
        pytest.skip("this is no clone of git")
    assert ignored.returncode == 0


@each_service()
def test_a_service_is_confined(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service and "privileged" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    limits = service["deploy"]["resources"]["limits"]
    assert limits.keys() == {"cpus", "memory", "pids"}
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))
    if "build" in service:
        assert service["user"] == "10001:10001"
        assert service["volumes"][0].endswith(":/photos:ro")


def test_settings_are_files_as_compose_writes_no_content_into_read_only_containers() -> None:
    for name, config in compose_file()["configs"].items():
        assert config.keys() == {"file"} and (DEPLOY / config["file"]).is_file(), name


def test_services_that_execute_runs_have_names_that_stay_and_processes_of_their_own() -> None:
    names = {name: SERVICES[name].get("hostname") for name in ("code", "review")}
    assert names == {"code": "code", "review": "review"}
    assert not any("pid" in service for service in SERVICES.values()), "it would end with the other, and hinder `up`"


@each_service()
def test_a_service_asks_for_no_more_processors_than_a_small_server_has(name: str) -> None:
    limit = re.sub(r"\$\{\w+:-(.*)\}", r"\1", SERVICES[name]["deploy"]["resources"]["limits"]["cpus"])
    assert float(limit) <= 2, "Docker starts no container that may have more than there are; 0 is all"


@each_service()
def test_a_service_is_looked_after_and_waits_for_those_that_it_needs(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == ("no" if name in ONCE else "unless-stopped")
    assert ("healthcheck" in service) == (name not in ONCE)
    for other, needed in service.get("depends_on", {}).items():
        expected = "service_completed_successfully" if other in ONCE else "service_healthy"
        assert needed == {"condition": expected}, other
    assert "depends_on" in service or name in ("postgres", "minio")


def test_docker_compose_understands_the_file() -> None:
    docker = shutil.which("docker")
    plugin = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    if not plugin or plugin.returncode:
        pytest.skip("Docker's plugin `compose` is not installed")
    command = [docker, "compose", "--file", DEPLOY / "compose.yaml", "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
