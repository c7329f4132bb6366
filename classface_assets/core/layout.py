"""Where everything of an archive lies. Paths only: nothing here reads or writes.

Photos and data may each be at a URL. What needs a disk of this machine (databases, models, Dagster's records) is then
in the local folder, which is the data folder where that is local.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote

from upath import UPath

from classface_assets.core.locations import Location

MOST_NEW_YEARS = 200
"""No school has photographed for so long."""


@dataclass(frozen=True)
class ArchiveLayout:
    """The folders and files of one archive: `photos` is only read, what is made lies below `data` and `local`.

    Attributes:
        photos: The photos folder.
        data: The data folder.
        local_folder: The folder on this machine for what needs a local disk; None for the default, see `local`.
        year_pattern: Regular expression for school years in folder names; "" for the built-in rules.
        year_start: The day on which a school year starts, month-day.
        most_new_years: So many new school years at once are run without a question; 0 for any number.
        name: What it is called in a Dagster that it shares with other archives; "" where it has one to itself.
        shared_home: Dagster's home where several archives share one; None for one of its own, in the local folder.
    """

    photos: Location
    data: Location
    local_folder: Path | None = None
    year_pattern: str = ""
    year_start: str = "09-01"
    most_new_years: int = MOST_NEW_YEARS
    name: str = ""
    shared_home: Path | None = None

    @property
    def local(self) -> Path:
        """The folder on this machine: the data folder unless another is given, `data` when that is a URL."""
        if self.local_folder is not None:
            return self.local_folder
        return self.data if isinstance(self.data, Path) else Path("data").absolute()

    @property
    def database(self) -> Path:
        """The published DuckDB file."""
        return self.local / "classface.duckdb"

    @property
    def database_name(self) -> str:
        """The published file as records of inputs name it: by the same name on every machine that shares the data."""
        return str(self.database if isinstance(self.data, Path) else self.data / "classface.duckdb")

    @property
    def ledger_url(self) -> str:
        """The SQLAlchemy URL of the ledger of decisions, unless another database is configured for it."""
        return f"sqlite:///{self.local / 'ledger.sqlite'}"

    @property
    def ledger_record(self) -> Location:
        """The small file that says which ledger the archive has, and the last decision that was seen in it."""
        return self.data / "ledger.json"

    @property
    def ledger_backups(self) -> Path:
        """The backups of the ledger, and ledgers that a backup took the place of."""
        return self.local / "ledger_backups"

    @property
    def sessions(self) -> Path:
        """Who is logged in to the review server of this machine."""
        return self.local / "review_sessions.sqlite"

    @property
    def dagster_home(self) -> Path:
        """Dagster's configuration and records."""
        return self.shared_home or self.own_dagster_home

    @property
    def own_dagster_home(self) -> Path:
        """The same as long as the archive has its Dagster to itself."""
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
        """Converted models; may be deleted at any time, and are made again."""
        return self.local / "cache"

    @property
    def head(self) -> Path:
        """The checkpoint of the trained projection head."""
        return self.local / "models" / "projection_head.pt"

    def table(self, name: str) -> Location:
        """The Parquet file of an asset that has one table for all school years."""
        return self.data / "tables" / f"{name}.parquet"

    def fingerprint_file(self, asset: str, year: str = "") -> Path:
        """The file that records the inputs from which an asset, or its partition of one school year, was last made."""
        return self.local / "stamps" / (f"{asset}.json" if not year else f"{asset}/{encode_folder_name(year)}.json")

    def parts(self, asset: str, version: str = "", year: str = "") -> Location:
        """The folder of an asset's Parquet parts; version and school year are made safe as folder names."""
        folder = self.data / "parts" / asset
        for name in (version, year):
            folder = folder / encode_folder_name(name) if name else folder
        return folder

    @property
    def failed_checks(self) -> Location:
        """The records of school years in which a check that blocks failed."""
        return self.data / "failed_checks"

    def relative_path(self, path: Location) -> str:
        """The path below the data folder, as reports show it."""
        return "/".join(path.parts[len(self.data.parts) :])


def encode_folder_name(name: str) -> str:
    """A folder name that any file system accepts and that `decode_folder_name` reads back.

    Letters of any script stay: quoted, a long name in Cyrillic would no longer fit into the 255 bytes of a folder name.
    """
    quoted = "".join(c if ord(c) > 127 else quote(c, safe=" @+,=()") for c in name)
    return quoted if quoted.strip(". ") == quoted else quoted.replace(".", "%2E").replace(" ", "%20")


def decode_folder_name(folder: Location) -> str:
    """The name that `encode_folder_name` encoded as the folder's name."""
    return unquote(folder.name)
