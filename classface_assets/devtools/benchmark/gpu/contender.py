"""What the GPU benchmark measures, each in a process of its own: one that hangs or dies takes no other with it.

    python -m classface_assets.devtools.benchmark.gpu.contender NAME cuda|cpu

prints one line of JSON for each row as soon as it is known. On `cpu` the caller hides the cards (CUDA_VISIBLE_DEVICES),
so that the very same code runs without them.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from classface_assets.devtools.benchmark.gpu.head import measure_head
from classface_assets.devtools.benchmark.gpu.ingest import measure_ingest
from classface_assets.devtools.benchmark.gpu.measurements import Device, Measurement, Outcome
from classface_assets.devtools.benchmark.gpu.networks import measure_networks
from classface_assets.devtools.benchmark.gpu.search import measure_search

CONTENDERS: Mapping[str, Callable[[Device], Iterator[Measurement]]] = {
    "networks": measure_networks,
    "ingest": measure_ingest,
    "search": measure_search,
    "head": measure_head,
}
_MODULE = "classface_assets.devtools.benchmark.gpu.contender"
MARK = "@row "  # libraries print to stdout too


def run_contender(name: str, device: Device, limit: float, command: Sequence[str] = ()) -> list[Measurement]:
    """The rows of a contender, run in a process of its own.

    Args:
        name: A key of CONTENDERS.
        device: Where it is to run.
        limit: Seconds after which it is stopped; the rows that it had by then count.
        command: What is run instead, in tests.

    Returns:
        Its rows, of several of one setting the last; and one more where it was stopped or ended with an error.
    """
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if device is Device.CPU else {}
    process = subprocess.Popen(
        command or [sys.executable, "-m", _MODULE, name, device],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, **hidden},
    )
    stopped = False
    try:
        output, errors = process.communicate(timeout=limit)
    except subprocess.TimeoutExpired:
        stopped = True
        os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate()
    printed = [Measurement.from_json(line.removeprefix(MARK)) for line in output.splitlines() if line.startswith(MARK)]
    rows = list({(row.task, row.setting): row for row in printed}.values())
    if stopped:
        rows.append(Measurement(name, "", device, Outcome.NOT_RUN, note=f"stopped after {limit:.0f} s"))
    elif process.returncode:
        reason = (errors.strip().splitlines() or [f"exit status {process.returncode}"])[-1][:200]
        rows.append(Measurement(name, "", device, Outcome.FAILED, note=reason.replace("|", "/")))
    return rows


def main(name: str, device: Device) -> None:
    """Print the rows of a contender."""
    for row in CONTENDERS[name](device):
        print(f"{MARK}{row.to_json()}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Device(sys.argv[2]))
