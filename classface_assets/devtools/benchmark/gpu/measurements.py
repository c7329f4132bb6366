"""The rows of the GPU benchmark's table: what was measured where, or why it was not."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Device(StrEnum):
    """Where something is to run, and where it ran."""

    CUDA = "cuda"
    CPU = "cpu"


class Outcome(StrEnum):
    """What became of a row."""

    MEASURED = "measured"
    NOT_RUN = "not run"
    """It cannot run here, and the note says why: no card, no build with CUDA, no weights, no time left."""
    FELL_BACK = "fell back to the CPU"
    """A card and a build with CUDA are there, and it ran on the CPU nonetheless."""
    FAILED = "failed"
    """There is everything that it needs, and it ended with an error."""


@dataclass(frozen=True)
class Measurement:
    """A row of the table.

    Attributes:
        task: What was done.
        setting: With which network, batch or size.
        device: The device that it was to run on.
        outcome: Whether it was measured.
        rate: How many units a second; None where nothing was measured.
        unit: What was counted: photos, faces, …
        note: What else is known, or why there is no rate.
    """

    task: str
    setting: str
    device: Device
    outcome: Outcome = Outcome.MEASURED
    rate: float | None = None
    unit: str = ""
    note: str = ""

    def to_json(self) -> str:
        """The row as one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> "Measurement":
        """The row of such a line. Raises ValueError, KeyError or TypeError for any other line."""
        columns = json.loads(line)
        return cls(**{**columns, "device": Device(columns["device"]), "outcome": Outcome(columns["outcome"])})


def markdown_table(rows: Sequence[Measurement]) -> str:
    """The table: the CPU's row beside that of the card, and how many times as fast the card is."""
    by_place = {(row.task, row.setting, row.device): row for row in rows}
    lines = ["| task | setting | cuda | cpu | times as fast | notes |", "| --- | --- | --- | --- | --- | --- |"]
    for task, setting in dict.fromkeys((row.task, row.setting) for row in rows):
        cuda, cpu = (by_place.get((task, setting, device)) for device in Device)
        measured = cuda and cpu and cuda.outcome == cpu.outcome == Outcome.MEASURED
        faster = cuda.rate / cpu.rate if measured and cuda and cpu and cuda.rate and cpu.rate else None
        notes = "; ".join(f"{row.device}: {row.note}" for row in (cuda, cpu) if row and row.note)
        cells = (task, setting, _cell(cuda), _cell(cpu), f"{faster:.1f}" if faster else "", notes)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def exit_code(rows: Sequence[Measurement]) -> int:
    """1 if anything fell back to the CPU or failed, else 0."""
    return int(any(row.outcome in (Outcome.FELL_BACK, Outcome.FAILED) for row in rows))


def _cell(row: Measurement | None) -> str:
    if row is None:
        return ""
    if row.rate is None:
        return str(row.outcome)
    rate = f"{row.rate:,.0f}" if row.rate >= 100 else f"{row.rate:.1f}"
    fell_back = f" ({row.outcome})" if row.outcome is not Outcome.MEASURED else ""
    return f"{rate} {row.unit}/s{fell_back}"
