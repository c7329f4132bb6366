"""Writes constraints.txt: every package of the environment, with its version and the SHA-256 of its files.

`uv pip compile` resolves for all platforms and supported versions of Python. Here only markers are added: packages of a
GPU machine are marked `extra == 'cuda'` (the libraries that torch's CUDA build on PyPI needs) or `extra == 'gpu'` (the
rest of them), so that pip passes over them until the Makefile asks for them. `extra == 'cpu'` marks torch's smaller
build for the CPU, from an index of PyTorch's own: as long as torch keeps its version, that entry stays as it is.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from classface_assets.core.errors import UserError
from classface_assets.devtools.supply_chain.pins import CONSTRAINTS, Pin, read_pins

PYTHON = "3.11"
# opencv-python is the headless build and asks for system libraries on top; pip is the environment's own.
LEFT_OUT = ("opencv-python", "pip")
CUDA_LIBRARY = re.compile(r"(nvidia|cuda)-.*|triton")
GPU_BUILDS = ("faiss-gpu", "onnxruntime-gpu")
HEADER = "# Made by `make constraints`: pip install --no-deps --require-hashes -r constraints.txt\n"


def resolved(*, extras: list[str], preferred: Path, upgrade: bool) -> dict[str, Pin]:
    """What uv resolves, with versions of the preferred file where they still serve.

    Raises:
        UserError: uv found no versions that fit together, or did not reach the index.
    """
    command = [
        sys.executable,
        "-m",
        "uv",
        "pip",
        "compile",
        "pyproject.toml",
        "--universal",
        "--python-version",
        PYTHON,
    ]
    command += ["--generate-hashes", "--no-annotate", "--no-header", "--quiet", "--output-file", str(preferred)]
    for extra in extras:
        command += ["--extra", extra]
    for name in LEFT_OUT:
        command += ["--no-emit-package", name]
    if subprocess.run([*command, *(["--upgrade"] if upgrade else [])], check=False).returncode:
        raise UserError(
            "The versions could not be resolved; constraints.txt is as before. uv says above what is wrong."
        )
    return read_pins(preferred.read_text())


def merged(all_pins: dict[str, Pin], without_gpu: set[str]) -> list[Pin]:
    """The pins with marks for those which only GPU machines need."""
    pins = []
    for pin in all_pins.values():
        if CUDA_LIBRARY.fullmatch(pin.name) and pin.name in without_gpu:
            pin = pin.with_extra("cuda")
        elif pin.name in GPU_BUILDS or pin.name not in without_gpu:
            pin = pin.with_extra("gpu")
        pins.append(pin)
    return pins


def main() -> None:
    """Resolve, and write constraints.txt."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="to the newest versions that fit; else only what must")
    upgrade: bool = parser.parse_args().upgrade
    before = read_pins(CONSTRAINTS.read_text())
    work = Path("build")
    work.mkdir(exist_ok=True)
    preferred = work / "constraints.txt"
    preferred.write_text("\n".join(f"{name}=={pin.version}" for name, pin in before.items() if "+" not in name))
    try:
        everything = resolved(extras=["dev", "gpu", "postgres", "s3"], preferred=preferred, upgrade=upgrade)
        without_gpu = resolved(extras=["dev", "postgres", "s3"], preferred=preferred, upgrade=False)
    except UserError as error:
        sys.exit(str(error))
    pins = merged(everything, set(without_gpu))
    changed = sorted(pin.name for pin in pins if pin.name not in before or before[pin.name].version != pin.version)
    pins += [pin for name, pin in before.items() if "+" in name and pin.name not in changed]
    CONSTRAINTS.write_text(
        HEADER + "".join(pin.lines() for pin in sorted(pins, key=lambda pin: (pin.name, pin.version)))
    )
    print(f"{len(pins):,} packages; changed: {', '.join(changed) or 'none'}.")
    if "torch" in changed:
        print(
            "torch has another version: add its build for the CPU, with the SHA-256 of each wheel that PyTorch lists."
        )


if __name__ == "__main__":
    main()
