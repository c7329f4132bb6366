"""Where everything lies below the data folder. Paths only: nothing here reads or writes."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote


@dataclass(frozen=True)
class Layout:
    """The folders and files of one archive: `photos` is only read, all that is made lies below `data`."""

    photos: Path
    data: Path

    @property
    def database(self) -> Path:
        return self.data / "classface.duckdb"

    @property
    def ledger_url(self) -> str:
        return f"sqlite:///{self.data / 'ledger.sqlite'}"

    @property
    def dagster_home(self) -> Path:
        return self.data / "dagster_home"

    @property
    def albums(self) -> Path:
        return self.data / "albums"

    @property
    def packs(self) -> Path:
        """Downloaded model packs."""
        return self.data / "packs"

    @property
    def cache(self) -> Path:
        """Converted models: deleted at will, made again."""
        return self.data / "cache"

    @property
    def head(self) -> Path:
        """The trained projection head."""
        return self.data / "models" / "projection_head.pt"

    def table(self, name: str) -> Path:
        """The Parquet file of an asset that is one for all school years."""
        return self.data / "tables" / f"{name}.parquet"

    def parts(self, asset: str, version: str = "", year: str = "") -> Path:
        """The folder of an asset's Parquet parts; version and school year are made safe as folder names."""
        folder = self.data / "parts" / asset
        for name in (version, year):
            folder = folder / safe_name(name) if name else folder
        return folder


def safe_name(name: str) -> str:
    """A folder name that any file system takes and that `name_of` reads back.

    Letters of any script stay: quoted, a long name in Cyrillic would no longer fit into the 255 bytes of a folder name.
    """
    quoted = "".join(c if ord(c) > 127 else quote(c, safe=" @+,=()") for c in name)
    return quoted if quoted.strip(". ") == quoted else quoted.replace(".", "%2E").replace(" ", "%20")


def name_of(folder: Path) -> str:
    """What `safe_name` made the folder's name of."""
    return unquote(folder.name)
