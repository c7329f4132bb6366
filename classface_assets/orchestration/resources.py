"""Everything that the assets are handed: where the archive lies, which models look at it, who is told how far it is."""

import functools
import os
from pathlib import Path
from typing import Any, Literal, cast

import dagster as dg
from pydantic import Field

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import parse_local_folder, parse_location
from classface_assets.orchestration.progress import Progress, asset_event_listener, log_listener
from classface_assets.store.consent.allowed_photos import RefusedFaces
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.vision.models.pack_info import PackInfo, describe_pack
from classface_assets.vision.models.registry import ModelPack, load_pack

RefusedMode = Literal["withhold", "blur", "box"]
"""RefusedFaces as Dagster's settings show them."""


class Archive(dg.ConfigurableResource):
    """The photos, and the folder of everything that is made from them."""

    photos: str = Field(
        description="Folder with one sub-folder a school year; only read. A path, or a URL such as s3://bucket/photos. "
        "(CLASSFACE_PHOTOS)"
    )
    data: str = Field(
        description="Folder for everything that is made: parts, albums, and what the local folder is for where none is "
        "given. A path, or a URL such as s3://bucket/data. (CLASSFACE_DATA)"
    )
    local: str = Field(
        default="",
        description="Folder on this machine for the database, the ledger, the models and Dagster's records; empty: the "
        "data folder, or `data` when the data are at a URL. (CLASSFACE_LOCAL)",
    )
    ledger: str = Field(
        default="",
        description="SQLAlchemy URL of the ledger of people's decisions; empty: ledger.sqlite in the local folder. "
        "(CLASSFACE_LEDGER)",
    )
    year_pattern: str = Field(
        default="",
        description=r"Regular expression that finds the school year in a folder's name, with groups first and perhaps "
        r"second: (?P<first>\d{4})-(?P<second>\d\d). Empty: 2019-2020, 2019-20, 2019_2020, 2019, Schuljahr 2019-20. "
        "(CLASSFACE_YEAR_PATTERN)",
    )
    year_start: str = Field(
        default="09-01", description="Month and day on which a school year starts. (CLASSFACE_YEAR_START)"
    )
    refused: RefusedMode = Field(
        default="withhold",
        description="What albums do with a photo of somebody who may not be shown: `withhold` it, or show it with that "
        "face covered, as a `blur` or a grey `box`, when it shows others too. The original stays as it is. "
        "(CLASSFACE_REFUSED)",
    )

    @property
    def layout(self) -> ArchiveLayout:
        local = parse_local_folder(self.local) if self.local else None
        return ArchiveLayout(
            parse_location(self.photos), parse_location(self.data), local, self.year_pattern, self.year_start
        )

    def open_ledger(self) -> Ledger:
        return Ledger(self.ledger or self.layout.ledger_url)


class Models(dg.ConfigurableResource):
    """The model pack: detector, aligner and embedder under one name."""

    pack: str = Field(
        description="`builtin` (no download), an InsightFace pack (`buffalo_l`, `buffalo_s`, `antelopev2`: downloaded "
        "on first use, non-commercial), or the path of a folder in InsightFace's format, of one with a pack.toml, or "
        "of an .onnx file with its description beside it. (CLASSFACE_PACK)",
    )

    def describe(self, layout: ArchiveLayout) -> PackInfo:
        return describe_pack(self.pack, layout.packs)

    def load(self, layout: ArchiveLayout) -> ModelPack:
        return _load_cached_pack(self.pack, layout.packs, layout.cache)


@functools.lru_cache(maxsize=2)
def _load_cached_pack(pack: str, packs: Path, cache: Path) -> ModelPack:
    """A pack takes seconds to load, so the years of one process share it."""
    return load_pack(pack, packs, cache)


@dg.resource(description="Tells how far a step is, in the run's log and as events of the asset.")
def log_progress(_context: dg.InitResourceContext) -> Progress:
    return Progress((log_listener(dg.get_dagster_logger("progress").info), asset_event_listener()))


def resolve_archive(
    photos: str | Path | None = None, data: str | Path | None = None, local: str | Path | None = None
) -> Archive:
    """The archive of these folders or URLs; what is not given comes from CLASSFACE_PHOTOS, _DATA, _LOCAL.

    So do the ledger, the settings of school years, and what becomes of refused faces. Without those too, the data lie
    in `data` and the photos in its folder `photos`. Raises StorageError for a URL
    that cannot be one, UserError for a setting that is none.
    """
    refused = os.environ.get("CLASSFACE_REFUSED") or RefusedFaces.WITHHOLD.value
    if refused not in list(RefusedFaces):
        raise UserError(f"CLASSFACE_REFUSED is {refused!r}; set it to {' or '.join(RefusedFaces)}, or to nothing.")
    made = parse_location(str(data or os.environ.get("CLASSFACE_DATA") or "data"))
    named = photos or os.environ.get("CLASSFACE_PHOTOS")
    here = local or os.environ.get("CLASSFACE_LOCAL") or (None if isinstance(made, Path) else "data")
    return Archive(
        photos=str(parse_location(str(named)) if named else made / "photos"),
        data=str(made),
        local=str(parse_local_folder(str(here))) if here else "",
        ledger=os.environ.get("CLASSFACE_LEDGER", ""),
        year_pattern=os.environ.get("CLASSFACE_YEAR_PATTERN", ""),
        year_start=os.environ.get("CLASSFACE_YEAR_START") or "09-01",
        refused=cast("RefusedMode", refused),
    )


def resolve_models(pack: str | None = None) -> Models:
    """The model pack of that name, else that of CLASSFACE_PACK, else `builtin`."""
    return Models(pack=pack or os.environ.get("CLASSFACE_PACK") or "builtin")


def default_resources() -> dict[str, Any]:
    """What Dagster hands to the assets: the archive and models of the environment, and progress told as events."""
    return {"archive": resolve_archive(), "models": resolve_models(), "progress": log_progress}
