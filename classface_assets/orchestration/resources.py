"""The resources that Dagster hands to the assets: the archive, the model pack, and the progress reporter."""

import functools
import os
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

import dagster as dg
from pydantic import Field

from classface_assets.core.errors import UserError
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import parse_local_folder, parse_location
from classface_assets.orchestration.progress import Progress, ProgressCallback, asset_event_listener, log_listener
from classface_assets.store.artifacts.memoization import catalog_fingerprint
from classface_assets.store.catalog.faces import FaceCatalog, load_catalog
from classface_assets.store.consent.allowed_photos import RefusedFaces
from classface_assets.store.ledger.ledger import Ledger
from classface_assets.vision.models.pack_info import PackInfo, describe_pack
from classface_assets.vision.models.registry import ModelPack, load_pack

RefusedMode = Literal["withhold", "blur", "box"]
"""RefusedFaces as Dagster's run configuration shows them."""

ENVIRONMENT = {
    "photos": "CLASSFACE_PHOTOS",
    "data": "CLASSFACE_DATA",
    "local": "CLASSFACE_LOCAL",
    "ledger": "CLASSFACE_LEDGER",
    "year_pattern": "CLASSFACE_YEAR_PATTERN",
    "year_start": "CLASSFACE_YEAR_START",
}
"""Field of Archive → the environment variable that it comes from. (CLASSFACE_REFUSED is checked when it is read.)"""


class Archive(dg.ConfigurableResource):
    """The photos, and the folder of everything that is made from them."""

    photos: str = Field(
        description="Folder with one sub-folder per school year; only read. A path, or a URL such as s3://bucket/photos."
        " (CLASSFACE_PHOTOS)"
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

    @cached_property
    def layout(self) -> ArchiveLayout:
        """Where everything of the archive lies."""
        local = parse_local_folder(self.local) if self.local else None
        return ArchiveLayout(
            parse_location(self.photos), parse_location(self.data), local, self.year_pattern, self.year_start
        )

    @cached_property
    def _catalogs(self) -> dict[str, FaceCatalog]:
        """The catalog that was loaded last, by its fingerprint."""
        return {}

    def open_ledger(self) -> Ledger:
        """The ledger of people's decisions."""
        return Ledger(self.ledger or self.layout.ledger_url)

    def catalog(self, models: "Models") -> FaceCatalog:
        """All files, faces and embeddings of the pack in use.

        It stays in memory as long as this resource, in Dagster for one run: the assets of a run and their checks read
        the same catalog one after the other. It is loaded again when a Parquet part came or went.

        Raises:
            DetectionMissingError: The archive has faces, but none that this pack's detector found.
        """
        pack = models.describe(self.layout)
        fingerprint = catalog_fingerprint(self.layout, pack.detector_version, pack.key)
        if fingerprint not in self._catalogs:
            self.release_catalog()
            self._catalogs[fingerprint] = load_catalog(self.layout, pack.detector_version, pack.key)
        return self._catalogs[fingerprint]

    def release_catalog(self) -> None:
        """Free the memory that the catalog takes."""
        self._catalogs.clear()

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:  # noqa: ARG002 - Dagster's signature
        """Called by Dagster at the end of a run."""
        self.release_catalog()


class Models(dg.ConfigurableResource):
    """The model pack: detector, aligner and embedder under one name."""

    pack: str = Field(
        description="`builtin` or `dlib` (no download), an InsightFace pack (`buffalo_l`, `buffalo_s`, `antelopev2`: "
        "downloaded on first use, non-commercial), or the path of a folder in InsightFace's format, of one with a "
        "pack.toml, or of an .onnx file with its description beside it. (CLASSFACE_PACK)",
    )

    def describe(self, layout: ArchiveLayout) -> PackInfo:
        """Name and versions of the pack, without loading a model."""
        return describe_pack(self.pack, layout.packs)

    def load(self, layout: ArchiveLayout) -> ModelPack:
        """The pack's models, ready to run."""
        return _load_cached_pack(self.pack, layout.packs, layout.cache)


@functools.lru_cache(maxsize=2)
def _load_cached_pack(pack: str, packs: Path, cache: Path) -> ModelPack:
    """A pack takes seconds to load, so the runs of one process share it."""
    return load_pack(pack, packs, cache)


class LoggedProgress(dg.ConfigurableResource):
    """Reports how far a step is: lines in the run's log, and events of the asset."""

    log_every_s: float = Field(default=10.0, gt=0, description="Seconds between two lines in the log.")
    event_every_s: float = Field(default=30.0, gt=0, description="Seconds between two observations of the asset.")

    def task(self, label: str, total: int, unit: str = "photos") -> AbstractContextManager[ProgressCallback]:
        """See ProgressReporter."""
        log = log_listener(dg.get_dagster_logger("progress").info, self.log_every_s)
        return Progress((log, asset_event_listener(self.event_every_s))).task(label, total, unit)


def resolve_archive(
    photos: str | Path | None = None, data: str | Path | None = None, local: str | Path | None = None
) -> Archive:
    """The archive of these folders or URLs; what is not given comes from the environment.

    Args:
        photos: Else CLASSFACE_PHOTOS, else the folder `photos` below the data.
        data: Else CLASSFACE_DATA, else `data`.
        local: Else CLASSFACE_LOCAL, else the data folder, or `data` where that is at a URL.

    Raises:
        StorageError: A URL cannot be one.
        UserError: An environment variable has a value that is not allowed.
    """
    refused = os.environ.get("CLASSFACE_REFUSED") or RefusedFaces.WITHHOLD.value
    if refused not in list(RefusedFaces):
        raise UserError(f"CLASSFACE_REFUSED is {refused!r}; set it to {' or '.join(RefusedFaces)}, or to nothing.")
    data_location = parse_location(str(data or os.environ.get("CLASSFACE_DATA") or "data"))
    photos = photos or os.environ.get("CLASSFACE_PHOTOS")
    local = local or os.environ.get("CLASSFACE_LOCAL") or (None if isinstance(data_location, Path) else "data")
    return Archive(
        photos=str(parse_location(str(photos)) if photos else data_location / "photos"),
        data=str(data_location),
        local=str(parse_local_folder(str(local))) if local else "",
        ledger=os.environ.get("CLASSFACE_LEDGER", ""),
        year_pattern=os.environ.get("CLASSFACE_YEAR_PATTERN", ""),
        year_start=os.environ.get("CLASSFACE_YEAR_START") or "09-01",
        refused=cast("RefusedMode", refused),
    )


def resolve_models(pack: str | None = None) -> Models:
    """The model pack of that name, else that of CLASSFACE_PACK, else `builtin`."""
    return Models(pack=pack or os.environ.get("CLASSFACE_PACK") or "builtin")


def default_resources() -> dict[str, Any]:
    """Resource key → the resource that the environment configures.

    Variables that are set are given to Dagster by name (`dg.EnvVar`): it reads them when a run starts, and its UI shows
    the name instead of the value, which may hold a password.
    """
    archive = resolve_archive().model_dump()
    archive |= {field: dg.EnvVar(name) for field, name in ENVIRONMENT.items() if os.environ.get(name)}
    pack = dg.EnvVar("CLASSFACE_PACK") if os.environ.get("CLASSFACE_PACK") else resolve_models().pack
    return {"archive": Archive(**archive), "models": Models(pack=pack), "progress": LoggedProgress()}
