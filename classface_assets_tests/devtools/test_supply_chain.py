"""constraints.txt and what is made from the environment: every package pinned, hashed and listed with its licence."""

import hashlib
import json
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from classface_assets.devtools.supply_chain.constraints import merged
from classface_assets.devtools.supply_chain.pins import Pin, pins_of_extra, read_pins
from classface_assets.devtools.supply_chain.sbom import required_names

ROOT = Path(__file__).parents[2]
SHA256 = re.compile(r"sha256:[0-9a-f]{64}")


@pytest.fixture(scope="module")
def pins() -> dict[str, Pin]:
    return read_pins((ROOT / "constraints.txt").read_text())


def test_every_dependency_is_pinned_to_a_version_that_serves(pins: dict[str, Pin]) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    assert set(extras) >= {"gpu", "s3", "dev"}
    for dependency in [*project["dependencies"], *(line for extra in extras.values() for line in extra)]:
        requirement = Requirement(dependency)
        assert pins[canonicalize_name(requirement.name)].version in requirement.specifier, dependency


def test_every_pin_has_the_hashes_of_its_files(pins: dict[str, Pin]) -> None:
    assert len(pins) > 200
    for pin in pins.values():
        assert pin.hashes, pin.name
        assert all(SHA256.fullmatch(digest) for digest in pin.hashes), pin.name


def test_a_plain_install_needs_everything_but_the_builds_for_gpus(pins: dict[str, Pin]) -> None:
    plain = {name for name, pin in pins.items() if "extra" not in pin.marker}
    assert plain >= {"dagster", "onnxruntime", "faiss-cpu", "torch", "setuptools"}
    marked = {pin.name for extra in ("cuda", "gpu") for pin in pins_of_extra(pins, extra)}
    assert marked >= {"faiss-gpu", "onnxruntime-gpu", "nvidia-cublas"}
    assert not marked & plain
    assert [pin.version for pin in pins_of_extra(pins, "cpu")] == [f"{pins['torch'].version}+cpu"]


def test_markers_of_gpu_builds_are_as_before_once_they_are_asked_for() -> None:
    linux = "python_full_version < '3.15' and sys_platform == 'linux'"
    resolved = {
        name: Pin(name=name, version="1.0", marker=marker, hashes=("sha256:" + "0" * 64,))
        for name, marker in {"triton": linux, "faiss-gpu": "", "polars": ""}.items()
    }
    marked = read_pins("".join(pin.lines() for pin in merged(resolved, {"triton", "polars"})))
    environment = {"extra": "", "python_full_version": "3.12.1", "sys_platform": "linux"}
    assert not Marker(marked["triton"].marker).evaluate(environment)
    assert marked["polars"] == resolved["polars"]
    (triton,) = pins_of_extra(marked, "cuda")
    assert Marker(triton.marker).evaluate(environment)
    assert not Marker(triton.marker).evaluate(environment | {"sys_platform": "darwin"})
    assert pins_of_extra(marked, "gpu") == [resolved["faiss-gpu"]]


def a_wheel(folder: Path) -> Path:
    wheel = folder / "schoolbell-1.0-py3-none-any.whl"
    info = "schoolbell-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("schoolbell.py", "")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: schoolbell\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


@pytest.mark.slow
@pytest.mark.parametrize("changed", [False, True])
def test_pip_refuses_a_file_whose_hash_is_not_in_the_pins(changed: bool, tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path)
    digest = "sha256:" + hashlib.sha256(wheel.read_bytes()).hexdigest()
    requirements = tmp_path / "pins.txt"
    requirements.write_text(Pin(name="schoolbell", version="1.0", marker="", hashes=(digest,)).lines())
    if changed:
        wheel.write_bytes(wheel.read_bytes() + b"\0")
    command = [sys.executable, "-m", "pip", "install", "--isolated", "--no-index", "--find-links", str(tmp_path)]
    command += ["--no-deps", "--require-hashes", "--target", str(tmp_path / "site"), "--requirement", str(requirements)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode != 0) == changed, done.stderr
    assert ("DO NOT MATCH THE HASHES" in done.stderr) == changed
    assert (tmp_path / "site" / "schoolbell.py").exists() != changed


def test_what_a_program_needs_leaves_out_tools_and_tests() -> None:
    required = required_names()
    assert required >= {"dagster", "torch", "sqlalchemy", "starlette"}  # the last of fastapi
    assert not required & {"pytest", "mypy", "moto", "s3fs"}
    assert "s3fs" in required_names(["s3"])


@pytest.mark.slow
def test_the_sbom_lists_every_package_with_its_scope_and_licence(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text())
    for name in ("README.md", "LICENSE"):
        (tmp_path / name).write_text((ROOT / name).read_text())
    command = [sys.executable, "-m", "classface_assets.devtools.supply_chain.sbom"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "build" / "sbom.json").read_text())
    assert document["bomFormat"] == "CycloneDX"
    scopes = {canonicalize_name(component["name"]): component["scope"] for component in document["components"]}
    assert (scopes["dagster"], scopes["s3fs"], scopes["pytest"]) == ("required", "optional", "excluded")
    licences = (tmp_path / "build" / "licences.md").read_text()
    assert "| torch |" in licences and "| pytest |" not in licences
    assert "SFace (OpenCV Zoo): Apache-2.0" in licences
