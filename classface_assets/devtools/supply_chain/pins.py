"""The entries of constraints.txt; as a command, those which pip passes over for their marker, as it installs them.

Needs the standard library only: the Makefile runs it before anything is installed.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

CONSTRAINTS = Path("constraints.txt")


@dataclass(frozen=True)
class Pin:
    """One package of the file.

    Attributes:
        name: as on the index, normalised.
        version: exact.
        marker: of the platforms that need it; empty for all.
        hashes: of all files of that version, as `sha256:…`, sorted.
    """

    name: str
    version: str
    marker: str
    hashes: tuple[str, ...]

    def with_extra(self, extra: str) -> Pin:
        """The same, which pip passes over: only `pins_of_extra` finds it."""
        marker = f"({self.marker}) and extra == '{extra}'" if self.marker else f"extra == '{extra}'"
        return replace(self, marker=marker)

    def lines(self) -> str:
        """As in a requirements file, one hash a line."""
        first = f"{self.name}=={self.version}" + (f" ; {self.marker}" if self.marker else "")
        return " \\\n".join([first, *(f"    --hash={digest}" for digest in self.hashes)]) + "\n"


def read_pins(text: str) -> dict[str, Pin]:
    """The pins of a requirements file with hashes, by name, and by `torch+cpu` for a build of its own."""
    pins = {}
    for entry in re.split(r"\n(?=\S)", text.replace(" \\\n", " ")):
        first = entry.partition(" --hash=")[0].partition("#")[0].strip()
        if not first:
            continue
        requirement, _, marker = first.partition(" ; ")
        name, _, version = requirement.partition("==")
        hashes = tuple(sorted(set(re.findall(r"--hash=(\S+)", entry))))
        build = version.partition("+")[2]
        pins[f"{name}+{build}" if build else name] = Pin(
            name=name, version=version, marker=marker.strip(), hashes=hashes
        )
    return pins


def pins_of_extra(pins: dict[str, Pin], extra: str) -> list[Pin]:
    """The pins that are marked with the extra, without that mark."""
    mark = f"extra == '{extra}'"
    marked = [pin for pin in pins.values() if pin.marker.endswith(mark)]
    return [replace(pin, marker=pin.marker.removesuffix(mark).removesuffix(" and ")) for pin in marked]


def main() -> None:
    """Print the pins of the extras that are named, as a requirements file."""
    pins = read_pins(CONSTRAINTS.read_text())
    for extra in sys.argv[1:]:
        print("".join(pin.lines() for pin in pins_of_extra(pins, extra)), end="")


if __name__ == "__main__":
    main()
