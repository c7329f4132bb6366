"""Where everything of an archive lies. Paths only: nothing here reads or writes.

Photos and data may each be a URL. What needs a disk of this machine (databases, models, Dagster's records) is then in
the local folder, which is the data folder where that is local.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from upath import UPath

from classface_assets.core.locations import Location


@dataclass(frozen=True)
class ArchiveLayout:
    """The folders and files of one archive: `photos` is only read, what is made lies below `data` and `local`.

    `year_pattern` and `year_start` say how the photos' folders name school years, and on which day (month-day) one
    starts: see `years`.
    """

    photos: Location
    data: Location
    local_folder: Path | None = None
    year_pattern: str = ""
    year_start: str = "09-01"

    @property
    def local(self) -> Path:
        """The folder on this machine: the data folder unless another is given, `data` when that is a URL."""
        if self.local_folder is not None:
            return self.local_folder
        return self.data if isinstance(self.data, Path) else Path("data").absolute()

    @property
    def database(self) -> Path:
        return self.local / "classface.duckdb"

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.local / 'ledger.sqlite'}"

    @property
    def dagster_home(self) -> Path:
        return self.local / "dagster_home"

    @property
    def albums(self) -> Path:
        """Where albums are built: in the data folder, or in the local one when the data are at a URL."""
        return (self.data if isinstance(self.data, Path) else self.local) / "albums"

    @property
    def published_albums(self) -> UPath | None:
        """Where albums are copied to when they are built; None when the data are local."""
        return None if isinstance(self.data, Path) else self.data / "albums"

    @property
    def packs(self) -> Path:
        """Downloaded model packs."""
        return self.local / "packs"

    @property
    def cache(self) -> Path:
        """Converted models: deleted at will, made again."""
        return self.local / "cache"

    @property
    def head(self) -> Path:
        """The trained projection head."""
        return self.local / "models" / "projection_head.pt"

    def table(self, name: str) -> Location:
        """The Parquet file of an asset that is one for all school years."""
        return self.data / "tables" / f"{name}.parquet"

    def fingerprint_file(self, asset: str, year: str = "") -> Path:
        """What an asset, or its part of one school year, was last made of."""
        return self.local / "stamps" / (f"{asset}.json" if not year else f"{asset}/{encode_folder_name(year)}.json")

    def parts(self, asset: str, version: str = "", year: str = "") -> Location:
        """The folder of an asset's Parquet parts; version and school year are made safe as folder names."""
        folder = self.data / "parts" / asset
        for name in (version, year):
            folder = folder / encode_folder_name(name) if name else folder
        return folder

    def relative_path(self, path: Location) -> str:
        """The path below the data folder, as it is told to people."""
        return "/".join(path.parts[len(self.data.parts) :])


def encode_folder_name(name: str) -> str:
    """A folder name that any file system takes and that `name_of` reads back.

    Letters of any script stay: quoted, a long name in Cyrillic would no longer fit into the 255 bytes of a folder name.
    """
    quoted = "".join(c if ord(c) > 127 else quote(c, safe=" @+,=()") for c in name)
    return quoted if quoted.strip(". ") == quoted else quoted.replace(".", "%2E").replace(" ", "%20")


def decode_folder_name(folder: Location) -> str:
    """What `safe_name` made the folder's name of."""
    return unquote(folder.name)
