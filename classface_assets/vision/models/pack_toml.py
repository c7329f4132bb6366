"""A pack's description: `pack.toml` in its folder, or `<name>.toml` beside a single `<name>.onnx`.

It is only read and checked here; the models are opened in arcface and registry.
"""

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeGuard

from classface_assets.vision.models.arcface import Preprocessing
from classface_assets.vision.models.download import PackError

DESCRIPTION_FILE = "pack.toml"
BUILTIN_DETECTOR = "builtin"


@dataclass(frozen=True)
class PackDescription:
    """What a description file contains.

    Attributes:
        name: What the pack is called.
        embedder: The file of the recognition model; None: the one that InsightFace's rules find in the folder.
        detector: The file of the detector; None: the builtin one.
        overrides: The fields of Preprocessing that are written; the others are as in InsightFace's format.
        licence: The licence, if written.
    """

    name: str
    embedder: Path | None
    detector: Path | None
    overrides: dict[str, Any]
    licence: str | None

    @property
    def fingerprint(self) -> bytes:
        """What changes vectors: for the model of an InsightFace folder only what is written, else every field."""
        settings = self.overrides if self.embedder is None else asdict(self.preprocessing())
        return repr(sorted((k, v) for k, v in settings.items() if k != "embedding_size")).encode()

    def preprocessing(self, default: Preprocessing | None = None) -> Preprocessing:
        """How the model's input is made; fields that are not written are as in `default`."""
        return Preprocessing(**{**asdict(default or Preprocessing()), **self.overrides})


def find_description(pack: Path) -> Path | None:
    """The description of a folder or of an .onnx file; None for a folder without.

    Raises:
        PackError: An .onnx file without a description.
    """
    path = pack / DESCRIPTION_FILE if pack.is_dir() else pack.with_suffix(".toml")
    if path.is_file():
        return path
    if pack.is_dir():
        return None
    raise PackError(f"{pack} has no description: write {path.name} beside it, with input_size, channels, mean, scale.")


def read_description(path: Path, pack: Path, detectors: list[Path]) -> PackDescription:
    """Read and check a description.

    Args:
        path: The description file.
        pack: The folder or .onnx file that it describes.
        detectors: The detector files of the folder, of which the first is taken when the description names none.

    Raises:
        PackError: It cannot be read, or a value in it is not possible; the message names both.
    """
    values = _read_toml(path)
    _check_keys(path, values)
    overrides = _read_overrides(path, values)
    embedder = _resolve_file(path, "embedder", values["embedder"]) if "embedder" in values else None
    if not pack.is_dir():
        if embedder is not None and embedder.resolve() != pack.resolve():
            raise PackError(
                f"{path} says embedder = {values['embedder']!r}, but lies beside {pack.name}: leave it out."
            )
        embedder = pack
    detector = detectors[0] if detectors else None
    if "detector" in values:
        file = values["detector"]
        detector = None if file == BUILTIN_DETECTOR else _resolve_file(path, "detector", file)
    name = values.get("name", pack.name if pack.is_dir() else pack.stem)
    return PackDescription(name, embedder, detector, overrides, values.get("licence"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path} is not valid TOML ({error}).") from error
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}).") from error


def _check_keys(path: Path, values: dict[str, Any]) -> None:
    unknown = sorted(set(values) - set(KEY_CHECKS))
    if unknown:
        raise PackError(f"{path} has the unknown key {unknown[0]!r}: the known ones are {', '.join(KEY_CHECKS)}.")
    for key, value in values.items():
        requirement = KEY_CHECKS[key](value)
        if requirement:
            raise PackError(f"{path} says {key} = {value!r}: it must be {requirement}.")


def _read_overrides(path: Path, values: dict[str, Any]) -> dict[str, Any]:
    """The fields of Preprocessing that are written, mean and scale as three floats. Raises PackError."""
    overrides = {k: v for k, v in values.items() if k in Preprocessing.__dataclass_fields__}
    for key in ("mean", "scale"):
        if key in overrides:
            value = overrides[key]
            overrides[key] = tuple(map(float, value)) if isinstance(value, list) else (float(value),) * 3
    _check_range(path, Preprocessing(**overrides))
    return overrides


def _resolve_file(description: Path, key: str, name: str) -> Path:
    path = description.parent / name
    if not path.is_file():
        raise PackError(f"{description} says {key} = {name!r}, but there is no such file in {description.parent}.")
    return path


def _check_range(path: Path, preprocessing: Preprocessing) -> None:
    """0.5 is the mean of pixels from 0 to 1; here they go to 255."""
    largest = max(max(m, 255 - m) / s for m, s in zip(preprocessing.mean, preprocessing.scale, strict=True))
    if not 0.1 <= largest <= 256:
        raise PackError(
            f"{path}: with this mean and scale the model would see values up to {largest:g}; pixels go from 0 to 255 "
            "and become (pixel - mean) / scale, so that AdaFace's mean and scale of 0.5 are 127.5 here."
        )


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e6 < value < 1e6


def _check_numbers(requirement: str, allowed: Callable[[float], bool]) -> Callable[[object], str]:
    def check(value: object) -> str:
        values = value if isinstance(value, list) else [value] * 3
        good = len(values) == 3 and all(_is_number(v) and allowed(v) for v in values)
        return "" if good else requirement

    return check


def _check_choice(*allowed: str) -> Callable[[object], str]:
    return lambda value: "" if value in allowed else " or ".join(f'"{one}"' for one in allowed)


def _check_integer(low: int, high: int) -> Callable[[object], str]:
    def check(value: object) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if good else f"a whole number from {low} to {high}"

    return check


def _check_text(value: object) -> str:
    return "" if isinstance(value, str) and value.strip() and value.isprintable() else "a text in quotes"


KEY_CHECKS: dict[str, Callable[[object], str]] = {
    "name": _check_text,
    "licence": _check_text,
    "embedder": _check_text,
    "detector": _check_text,
    "input_size": _check_integer(32, 1024),
    "channels": _check_choice("RGB", "BGR"),
    "mean": _check_numbers("one number, or three in the order of the channels", lambda value: 0 <= value <= 255),
    "scale": _check_numbers("one number above 0, or three in the order of the channels", lambda value: value > 0),
    "embedding_size": _check_integer(2, 65536),
    "flip": lambda value: "" if isinstance(value, bool) else "true or false",
    "align": _check_choice("arcface", "dlib"),
}
"""Each key that a description may have, and what its value must be: "" for a value that is fine."""
