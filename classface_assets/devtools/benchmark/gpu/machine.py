"""The machine that is measured: its NVIDIA card and driver, its processor, and the builds of what may use the card."""

import platform
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from classface_assets.core.arrays import available_cores
from classface_assets.vision.models.onnx_session import onnxruntime_module

PACKAGES = ("onnxruntime", "onnxruntime-gpu", "faiss-cpu", "faiss-gpu", "torch", "insightface", "numpy")
_QUERY = ("nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader")


@dataclass(frozen=True)
class Card:
    """An NVIDIA card as its driver names it."""

    name: str
    driver: str
    memory: str


def find_card(query: Sequence[str] = _QUERY) -> Card | None:
    """The first NVIDIA card that the driver lists; None where there is no driver or no card.

    Args:
        query: The command that prints name, driver and memory of each card, one a line.
    """
    if shutil.which(query[0]) is None:
        return None
    answer = subprocess.run(query, capture_output=True, text=True, check=False, timeout=60)
    lines = answer.stdout.strip().splitlines()
    columns = [column.strip() for column in lines[0].split(",")] if answer.returncode == 0 and lines else []
    return Card(*columns) if len(columns) == 3 else None


def describe_machine(card: Card | None) -> str:
    """Lines of Markdown: card, driver, processor, and the versions of the packages."""
    found = f"{card.name}, driver {card.driver}, {card.memory}" if card else "none (nvidia-smi lists no NVIDIA card)"
    versions = ", ".join(f"{name} {_version(name)}" for name in PACKAGES if _version(name))
    return (
        f"- card: {found}\n- processor: {_processor()}, {available_cores()} cores\n"
        f"- Python {platform.python_version()}, {versions}"
    )


def missing_cuda_in_onnxruntime() -> str:
    """Why onnxruntime cannot use a card, whatever the machine; empty where its build can."""
    if "CUDAExecutionProvider" in onnxruntime_module().get_available_providers():
        return ""
    return "this onnxruntime has no CUDA: install onnxruntime-gpu"


def missing_cuda_in_faiss() -> str:
    """Why faiss cannot use a card; empty where its build can."""
    import faiss

    return "" if hasattr(faiss, "StandardGpuResources") else "this faiss has no CUDA: install faiss-gpu"


def missing_cuda_in_torch() -> str:
    """Why torch cannot use a card; empty where its build can."""
    import torch

    return "" if torch.version.cuda else "this torch has no CUDA: install PyPI's torch for Linux"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
