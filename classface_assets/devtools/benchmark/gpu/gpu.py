"""`make bench-gpu`: what an NVIDIA card brings: detection, embedding, ingest, neighbour search and head training.

Each task runs on the card and, the card hidden, on the CPU of the same machine; the table has both. Where there is no
card only the CPU's rows are measured. It takes less than ten minutes whatever the machine: a contender that is not done
in its time is stopped. The exit code is 1 if something fell back to the CPU although a card and a build with CUDA are
there, or failed; else 0.
"""

import sys
import time

from classface_assets.devtools.benchmark.gpu.contender import CONTENDERS, run_contender
from classface_assets.devtools.benchmark.gpu.machine import Card, describe_machine, find_card
from classface_assets.devtools.benchmark.gpu.measurements import (
    Device,
    Measurement,
    Outcome,
    exit_code,
    markdown_table,
)

ALONE = 1.6  # times as long for the CPU where there is no card
# Seconds on the card and on the CPU; together 570.
LIMITS = {"networks": (50, 70), "ingest": (60, 80), "search": (80, 100), "head": (50, 80)}


def measure(card: Card | None) -> list[Measurement]:
    """The rows of all contenders; the progress goes to stderr."""
    rows: list[Measurement] = []
    for name in CONTENDERS:
        for device, limit in zip(Device, LIMITS[name], strict=True):
            if device is Device.CUDA and card is None:
                continue
            start = time.perf_counter()
            found = run_contender(name, device, limit if card else ALONE * limit)
            print(f"{name} on {device}: {time.perf_counter() - start:.0f} s", file=sys.stderr, flush=True)
            rows += found
    return rows if card else [*rows, *_rows_without_card(rows)]


def main() -> int:
    """Print the machine and the table; returns the exit code."""
    card = find_card()
    rows = measure(card)
    print(f"{describe_machine(card)}\n\n{markdown_table(rows)}")
    for row in rows:
        if row.outcome is not Outcome.MEASURED and card:
            print(f"{row.task} on {row.device}: {row.outcome}. {row.note}", file=sys.stderr)
    return exit_code(rows)


def _rows_without_card(rows: list[Measurement]) -> list[Measurement]:
    """The rows of a card that is not there, one for each of the CPU's."""
    return [
        Measurement(row.task, row.setting, Device.CUDA, Outcome.NOT_RUN, note="no NVIDIA card")
        for row in rows
        if row.setting
    ]


if __name__ == "__main__":
    raise SystemExit(main())
