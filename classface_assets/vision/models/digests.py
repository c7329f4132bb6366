"""The SHA-256 of the models that are downloaded, and how files are compared with them.

InsightFace publishes no digests. These are those that independent projects pin for the files of its releases (among
them uniface, and catalogues of the copies on Hugging Face), and they agree. Of a file that is not listed here the
digest is recorded when it is downloaded, beside the pack, in the format of `sha256sum`; from then on it may not change.
"""

import hashlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

from classface_assets.core.atomic_files import write_file
from classface_assets.core.errors import UserError

_LANDMARKS_AND_AGE = {
    "1k3d68.onnx": "df5c06b8a0c12e422b2ed8947b8869faa4105387f199c477af038aa01f9a45cc",
    "2d106det.onnx": "f001b856447c413801ef5c42091ed0cd516fcd21f2d6b79635b1e733a7109dbf",
    "genderage.onnx": "4fde69b1c810857b88c64a335084f1c3fe8f01246c9a191b48c7bb756d6652fb",
}
PACK_DIGESTS: Mapping[str, Mapping[str, str]] = {
    "buffalo_l": {
        "buffalo_l.zip": "80ffe37d8a5940d59a7384c201a2a38d4741f2f3c51eef46ebb28218a7b0ca2f",
        "det_10g.onnx": "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        "w600k_r50.onnx": "4c06341c33c2ca1f86781dab0e829f88ad5b64be9fba56e56bc9ebdefc619e43",
        **_LANDMARKS_AND_AGE,
    },
    "buffalo_s": {
        "buffalo_s.zip": "d85a87f503f691807cd8bb97128bdf7a0660326cd9cd02657127fa978bab8b5e",
        "det_500m.onnx": "5e4447f50245bbd7966bd6c0fa52938c61474a04ec7def48753668a9d8b4ea3a",
        "w600k_mbf.onnx": "9cc6e4a75f0e2bf0b1aed94578f144d15175f357bdc05e815e5c4a02b319eb4f",
        **_LANDMARKS_AND_AGE,
    },
    "antelopev2": {
        "antelopev2.zip": "8e182f14fc6e80b3bfa375b33eb6cff7ee05d8ef7633e738d1c89021dcf0c5c5",
        "scrfd_10g_bnkps.onnx": "5838f7fe053675b1c7a08b633df49e7af5495cee0493c7dcf6697200b85b5b91",
        "glintr100.onnx": "4ab1d6435d639628a6f3e5008dd4f929edf4c4124b1a7169e1048f9fef534cdf",
        **_LANDMARKS_AND_AGE,
    },
}
"""Pack → file → SHA-256: the archive that is downloaded, and the models in it."""


class WrongDigestError(UserError):
    """A model is not the one that was published, or not the one that was downloaded."""

    def __init__(self, file: Path, found: str, expected: str, folder: Path) -> None:
        super().__init__(
            f"{file} is not the file that it should be (its SHA-256 is {found}, not {expected}) and is not used: "
            f"delete {folder}, so that it is downloaded again, or use the pack builtin."
        )


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, hexadecimal; computed once for each size and time of change in this process."""
    status = path.stat()
    return _sha256(path, status.st_size, status.st_mtime_ns)


def recorded_digests_file(folder: Path) -> Path:
    """Where the digests of a downloaded pack's files are recorded: beside its folder."""
    return folder.with_name(f"{folder.name}.sha256")


def record_digests(folder: Path, target: Path) -> None:
    """Record the digests of all models of a pack.

    Args:
        folder: The pack as it was downloaded.
        target: Where it will lie.
    """
    lines = [f"{file_sha256(file)}  {target.name}/{file.relative_to(folder).as_posix()}\n" for file in _models(folder)]
    write_file(recorded_digests_file(target), lambda out: out.write("".join(lines).encode()))


def require_digests(pack: str, folder: Path) -> None:
    """Check every model of one of InsightFace's packs.

    Args:
        pack: Its name.
        folder: Where it lies.

    Raises:
        WrongDigestError: A file has another digest than was published, or than was recorded when it was downloaded.
    """
    recorded = _recorded(folder)
    for file in _models(folder):
        expected = PACK_DIGESTS[pack].get(file.name) or recorded.get(file.relative_to(folder).as_posix())
        require_digest(file, expected, folder)


def require_digest(file: Path, expected: str | None, folder: Path) -> None:
    """Check one file. Raises WrongDigestError where a digest is known and it has another one."""
    if expected is not None and (found := file_sha256(file)) != expected:
        raise WrongDigestError(file, found, expected, folder)


def _models(folder: Path) -> Iterator[Path]:
    yield from sorted(folder.rglob("*.onnx"))


def _recorded(folder: Path) -> dict[str, str]:
    try:
        lines = recorded_digests_file(folder).read_text(encoding="utf-8").splitlines()
    except (FileNotFoundError, ValueError):
        return {}
    pairs = (line.split("  ", 1) for line in lines if "  " in line)
    return {name.removeprefix(f"{folder.name}/"): digest for digest, name in pairs}


@cache
def _sha256(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001 - a changed file is hashed again
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
