"""What a worker needs to do the same as this process, as it finds it; and the sentence for what it lacks.

A `WorkerReport` is made on the worker, before it works; `problem_of` compares it here.
"""

import hashlib
import os
import platform
import sys
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from classface_assets.core.atomic_files import read_file, write_file
from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import Location, list_directory, parse_local_folder, remove_file
from classface_assets.vision.models.pack_info import describe_pack


@dataclass(frozen=True)
class WorkerReport:
    """What a process has.

    Attributes:
        host: Name of its machine.
        pid: Its process id.
        node: Ray's id of the machine.
        code: Digest of the program that it runs.
        pack: Key and detector of the model pack, or the sentence why there is none.
        photo_years: Number of folders in the photos folder, or the sentence why it cannot be listed.
        left_in_data: What it left in the data folder, or the sentence why it could not.
    """

    host: str
    pid: int
    node: str
    code: str
    pack: str
    photo_years: str
    left_in_data: str


def report_of(layout: ArchiveLayout, pack: str, node: str) -> WorkerReport:
    """What this process has of an archive.

    Args:
        layout: The archive, as this machine has it.
        pack: Name of the model pack.
        node: Ray's id of this machine.
    """
    return WorkerReport(
        host=platform.node(),
        pid=os.getpid(),
        node=node,
        code=code_digest(),
        pack=_described(pack, layout),
        photo_years=_listed(layout.photos),
        left_in_data=_leave_token(layout, node),
    )


def problem_of(worker: WorkerReport, layout: ArchiveLayout, own: WorkerReport) -> str:
    """The sentence that says what keeps a worker from the work; empty where nothing does.

    Args:
        worker: What the worker has.
        layout: The archive, as this machine has it.
        own: What this process has.
    """
    if worker.code != own.code:
        return (
            f"The Ray worker {worker.host} runs another version of classface, or of the packages that it computes "
            "with, than this machine; install the same ones on all machines, and start Ray there again."
        )
    if worker.pack != own.pack:
        return (
            f"The Ray worker {worker.host} does not have the model pack of this machine ({worker.pack}); put the same "
            "pack to the same path on all machines."
        )
    if worker.photo_years != own.photo_years:
        return (
            f"The Ray worker {worker.host} does not see the photos of this machine in {layout.photos} "
            f"({worker.photo_years}); mount that folder on all machines under the same path, or use a URL."
        )
    token = token_file(layout, worker.node)
    if not worker.left_in_data.startswith("token ") or _read_token(token) != worker.left_in_data:
        why = "it is another folder there" if worker.left_in_data.startswith("token ") else worker.left_in_data
        return (
            f"The Ray worker {worker.host} cannot write where this machine reads, in {layout.data} ({why}); mount that "
            "folder on all machines under the same path, or use a URL and give all machines its credentials."
        )
    remove_file(token)
    return ""


def on_this_machine(layout: ArchiveLayout) -> ArchiveLayout:
    """The layout with the folder that this machine has for models: CLASSFACE_LOCAL, or one of the user where the data
    are at a URL; shared data have it for all.
    """
    local = os.environ.get("CLASSFACE_LOCAL")
    if local:
        return replace(layout, local_folder=parse_local_folder(local))
    if isinstance(layout.data, Path) or layout.local.is_dir():
        return layout
    return replace(layout, local_folder=Path.home() / ".cache" / "classface")


@cache
def code_digest() -> str:
    """A digest of this program, of Python's minor version, and of the packages that compute."""
    from importlib.metadata import PackageNotFoundError, version

    digest = hashlib.blake2b(digest_size=8)
    root = Path(__file__).parents[3]
    for file in sorted(root.rglob("*.py")):
        if "devtools" not in file.relative_to(root).parts:
            digest.update(file.relative_to(root).as_posix().encode() + b"\0" + file.read_bytes())
    digest.update(repr(sys.version_info[:2]).encode())
    for package in ("numpy", "polars", "onnxruntime", "opencv-python-headless", "pillow"):
        try:
            digest.update(f"{package} {version(package)}".encode())
        except PackageNotFoundError:
            continue
    return digest.hexdigest()


def token_file(layout: ArchiveLayout, node: str) -> Location:
    """Where a worker shows that it writes to the data folder of the archive."""
    return layout.data / "parts" / f".ray-{node}.tmp"


def _described(pack: str, layout: ArchiveLayout) -> str:
    try:
        info = describe_pack(pack, layout.packs)
    except UserError as error:
        return str(error).rstrip(".")
    return f"{info.key}, {info.detector_version}"


def _listed(photos: Location) -> str:
    try:
        folders = [entry.path.name for entry in list_directory(photos) if entry.is_folder]
    except (UserError, OSError) as error:
        return str(error).rstrip(".")
    digest = hashlib.blake2b("\0".join(folders).encode("utf-8", "surrogateescape"), digest_size=4).hexdigest()
    return f"{len(folders)} folders there, {digest}" if folders else "there is nothing"


def _leave_token(layout: ArchiveLayout, node: str) -> str:
    token = f"token {os.urandom(8).hex()}"
    try:
        write_file(token_file(layout, node), lambda out: out.write(token.encode()))
    except (UserError, OSError) as error:
        return str(error).rstrip(".")
    return token


def _read_token(file: Location) -> str:
    try:
        return read_file(file).decode()
    except (UserError, OSError):
        return ""
