"""The photos that albums are made of: on a disk, or at a URL, which is listed once and not asked for each photo."""

from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from classface_assets.places import Entry, Place, entries, files_below, look_at, path_text, place_of


@dataclass(frozen=True)
class Originals:
    """Photos below `root` by their path; `listed` holds those of a URL."""

    root: Place
    listed: dict[str, Entry]

    def find(self, path: str) -> Entry:
        """Raises FileNotFoundError for a photo that is no longer there, OSError for one that cannot be opened."""
        found = place_of(self.root, path)
        if not isinstance(found, Path):
            if path not in self.listed:
                raise FileNotFoundError(path)
            return self.listed[path]
        # A hard link to a symbolic link would be one itself, which points nowhere from the album.
        return look_at(found.resolve(strict=True))

    def open(self, path: str) -> Path | BytesIO:
        """What Pillow reads a photo from."""
        original = self.find(path).path
        return original if isinstance(original, Path) else BytesIO(original.read_bytes())


def originals_of(root: Place, paths: Iterable[str]) -> Originals:
    """The photos of these paths; of a URL their folders are listed, each once. Raises StorageError."""
    if isinstance(root, Path):
        return Originals(root, {})
    folders = {path.partition("/")[0] if "/" in path else "" for path in paths}
    found = [e for name in folders for e in (files_below(place_of(root, name)) if name else entries(root))]
    return Originals(root, {path_text(entry.path, root): entry for entry in found if not entry.is_folder})
