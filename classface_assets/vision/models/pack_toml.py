"""A pack's description: `pack.toml` in its folder, or `<name>.toml` beside a single `<name>.onnx`.

Only reading and checking what is written; the models are opened in arcface and packs.
"""

import tomllib
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from classface_assets.vision.models.arcface import Preprocessing
from classface_assets.vision.models.download import PackError

DESCRIPTION_FILE = "pack.toml"
BUILTIN_DETECTOR = "builtin"


@dataclass(frozen=True)
class PackDescription:
    """A description that was read. `detector` is None for the builtin one; `embedder` and `detector` are there.

    `given` is what was written of the recipe; the rest is as InsightFace's format has it.
    """

    name: str
    embedder: Path | None
    detector: Path | None
    given: dict[str, Any]
    licence: str | None

    @property
    def fingerprint(self) -> bytes:
        """What of the description changes vectors: of an InsightFace folder's own model only what is written counts."""
        settings = self.given if self.embedder is None else asdict(self.recipe())
        return repr(sorted((k, v) for k, v in settings.items() if k != "embedding_size")).encode()

    def recipe(self, usual: Preprocessing | None = None) -> Preprocessing:
        """How the model sees a face; what is not written is as `usual`."""
        return Preprocessing(**{**asdict(usual or Preprocessing()), **self.given})


def find_description(pack: Path) -> Path | None:
    """The description of a folder or of an .onnx file; None for a folder without. Raises PackError for a bare file."""
    path = pack / DESCRIPTION_FILE if pack.is_dir() else pack.with_suffix(".toml")
    if path.is_file():
        return path
    if pack.is_dir():
        return None
    raise PackError(f"{pack} has no description: write {path.name} beside it, with input_size, channels, mean, scale.")


def read_description(path: Path, pack: Path, detectors: list[Path]) -> PackDescription:
    """Read and check a description. `detectors` are the folder's own, taken when none is named. Raises PackError."""
    values = _read_toml(path)
    unknown = sorted(set(values) - set(KEY_CHECKS))
    if unknown:
        raise PackError(f"{path} has the unknown key {unknown[0]!r}: the known ones are {', '.join(KEY_CHECKS)}.")
    for key, value in values.items():
        wanted = KEY_CHECKS[key](value)
        if wanted:
            raise PackError(f"{path} says {key} = {value!r}: it must be {wanted}.")
    given = {k: v for k, v in values.items() if k in Preprocessing.__dataclass_fields__}
    for key in ("mean", "scale"):
        if key in given:
            given[key] = tuple(map(float, given[key])) if isinstance(given[key], list) else (float(given[key]),) * 3
    _check_range(path, Preprocessing(**given))
    embedder = _resolve_file(path, "embedder", values["embedder"]) if "embedder" in values else None
    if not pack.is_dir():
        if embedder is not None and embedder.resolve() != pack.resolve():
            raise PackError(
                f"{path} says embedder = {values['embedder']!r}, but lies beside {pack.name}: leave it out."
            )
        embedder = pack
    detector = detectors[0] if detectors else None
    if "detector" in values:
        named = values["detector"]
        detector = None if named == BUILTIN_DETECTOR else _resolve_file(path, "detector", named)
    name = values.get("name", pack.name if pack.is_dir() else pack.stem)
    return PackDescription(name, embedder, detector, given, values.get("licence"))


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackError(f"{path} is not valid TOML ({error}).") from error
    except OSError as error:
        raise PackError(f"{path} cannot be read ({error.strerror}).") from error


def _resolve_file(description: Path, key: str, name: str) -> Path:
    path = description.parent / name
    if not path.is_file():
        raise PackError(f"{description} says {key} = {name!r}, but there is no such file in {description.parent}.")
    return path


def _check_range(path: Path, recipe: Preprocessing) -> None:
    """0.5 is the mean of pixels from 0 to 1; here they go to 255."""
    most = max(max(m, 255 - m) / s for m, s in zip(recipe.mean, recipe.scale, strict=True))
    if not 0.1 <= most <= 256:
        raise PackError(
            f"{path}: with this mean and scale the model would see values up to {most:g}; pixels go from 0 to 255 and "
            "become (pixel - mean) / scale, so that AdaFace's mean and scale of 0.5 are 127.5 here."
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and -1e6 < value < 1e6


def _check_numbers(wanted: str, allowed: Callable[[Any], bool]) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        values = value if isinstance(value, list) else [value] * 3
        good = len(values) == 3 and all(_is_number(v) and allowed(v) for v in values)
        return "" if good else wanted

    return check


def _check_choice(*allowed: str) -> Callable[[Any], str]:
    return lambda value: "" if value in allowed else " or ".join(f'"{one}"' for one in allowed)


def _check_integer(low: int, high: int) -> Callable[[Any], str]:
    def check(value: Any) -> str:
        good = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        return "" if good else f"a whole number from {low} to {high}"

    return check


def _check_text(value: Any) -> str:
    return "" if isinstance(value, str) and value.strip() and value.isprintable() else "a text in quotes"


KEY_CHECKS: dict[str, Callable[[Any], str]] = {
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
