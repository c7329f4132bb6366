"""Several machines on this one: each has a HOME, a local folder and processes of its own; they share services."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

PROGRAMS = Path(sys.executable).parent
PATIENCE_S = 240
Found = TypeVar("Found")


@dataclass(frozen=True)
class Machine:
    """A machine of a team.

    Attributes:
        folder: Everything that its processes find on "their" disk.
        shared: Environment variables that all machines of the team have.
    """

    folder: Path
    shared: Mapping[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def local(self) -> Path:
        """What `CLASSFACE_LOCAL` names."""
        return self.folder / "local"

    @property
    def environment(self) -> dict[str, str]:
        """Of its processes."""
        here = {"HOME": self.folder, "CLASSFACE_LOCAL": self.local, "DAGSTER_HOME": self.local / "dagster_home"}
        return {**os.environ, **self.shared, **{name: str(path) for name, path in here.items()}}

    @property
    def log(self) -> str:
        """What its processes printed."""
        return (self.folder / "log").read_text()

    def classface(self, *arguments: str) -> str:
        """Run a command to its end, which has to be a good one; what it printed."""
        self.local.mkdir(parents=True, exist_ok=True)
        command = [str(PROGRAMS / "classface"), *arguments]
        done = subprocess.run(command, env=self.environment, cwd=self.folder, capture_output=True, text=True)
        assert done.returncode == 0, f"{arguments}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self, program: str, *arguments: str) -> subprocess.Popen[bytes]:
        """Start a program that goes on; it ends with the machine."""
        self.local.mkdir(parents=True, exist_ok=True)
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [str(PROGRAMS / program), *arguments],
                env=self.environment,
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def power_off(self) -> None:
        """Kill everything that runs on it."""
        for process in self.processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self.processes.clear()


@contextmanager
def machines(folder: Path, names: tuple[str, ...], shared: Mapping[str, str]) -> Iterator[dict[str, Machine]]:
    """Machines by their names, all of them off at the end."""
    team = {name: Machine(folder / name, shared) for name in names}
    try:
        yield team
    finally:
        for machine in team.values():
            machine.power_off()


def wait_until(reached: Callable[[], Found], what: str, seconds: float = PATIENCE_S) -> Found:
    """What `reached` returns once it is true; it fails with `what` when that takes too long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = reached()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen within {seconds:.0f} s")


def free_port() -> int:
    """Of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether something on loopback listens there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def answers(url: str) -> bool:
    """Whether a web server is there, whatever it says."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False
