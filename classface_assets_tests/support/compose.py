"""The services of deploy/compose.yaml as processes of this machine: their commands, environment and healthchecks."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "classface_assets" / "deploy"
BIN = Path(sys.executable).parent


@dataclass(frozen=True)
class Place:
    """What stands for a container's addresses, ports and folders on this machine: each pattern → its replacement."""

    replacements: Mapping[str, str]

    def of(self, text: str) -> str:
        for pattern, replacement in self.replacements.items():
            text = re.sub(pattern, replacement, text)
        return text.replace("$$", "$")


def compose_file() -> dict[str, dict[str, dict]]:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def dockerfile_instructions() -> list[tuple[str, str]]:
    """Instruction and argument, in their order; lines that go on are joined, comments left out."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]
    return [(name, rest.strip()) for name, _, rest in (line.partition(" ") for line in lines)]


def image_environment() -> dict[str, str]:
    """The ENV of the image's stage `runtime`, without its PATH."""
    pairs: dict[str, str] = {}
    stage = ""
    for instruction, argument in dockerfile_instructions():
        if instruction == "FROM":
            stage = argument.split()[-1]
        elif instruction == "ENV" and stage == "runtime":
            pairs |= dict(pair.split("=", 1) for pair in argument.split())
    del pairs["PATH"]
    return pairs


def entrypoint() -> list[str]:
    return next(
        json.loads(argument) for instruction, argument in dockerfile_instructions() if instruction == "ENTRYPOINT"
    )


class ComposedService:
    """One service of the file."""

    def __init__(self, name: str, place: Place, folder: Path) -> None:
        self.name, self._place, self._folder = name, place, folder
        self._service = compose_file()["services"][name]
        self.log = folder / f"{name}.log"
        self.environment = {
            **{name: place.of(value) for name, value in image_environment().items()},
            **{name: place.of(str(value)) for name, value in self._service["environment"].items()},
            "PATH": f"{BIN}:/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
        }

    @property
    def command(self) -> list[str]:
        return [*entrypoint(), *map(self._place.of, self._service["command"])]

    def run(self) -> None:
        """Run a service that ends by itself."""
        done = subprocess.run(
            self.command, env=self.environment, cwd=self._folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    @contextmanager
    def started(self) -> Iterator[subprocess.Popen[bytes]]:
        with self.log.open("wb") as log:
            process = subprocess.Popen(
                self.command, env=self.environment, cwd=self._folder, stdout=log, stderr=log, start_new_session=True
            )
        try:
            yield process
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def check(self) -> subprocess.CompletedProcess[str]:
        """Its healthcheck, once; as in a container it does not begin with the entrypoint."""
        kind, *command = self._service["healthcheck"]["test"]
        assert kind == "CMD"
        return subprocess.run(
            list(map(self._place.of, command)), env=self.environment, capture_output=True, text=True, check=False
        )

    def require_healthy(self, process: subprocess.Popen[bytes], within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while (done := self.check()).returncode:
            output = done.stdout + done.stderr + self.log.read_text()
            assert process.poll() is None, f"{self.name} ended: {output}"
            assert time.monotonic() < deadline, f"{self.name} is not healthy: {output}"
            time.sleep(0.3)
