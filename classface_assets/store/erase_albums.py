"""Taking people out of the albums, here and where they are shown from."""

from collections.abc import Iterable, Iterator, Set
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from classface_assets.places import Entry, Place, files_below, remove
from classface_assets.store.layout import Layout
from classface_assets.store.listing import tree
from classface_assets.store.receipt import Removed

REMOVED_AT_ONCE = 8


def erase_albums(layout: Layout, ids: Set[str], new: bool) -> Iterator[Removed]:
    """Every page and folder, which may name or show them, then their crops: the next run makes the pages again."""
    places: list[Place] = [layout.albums]
    if layout.published_albums is not None:
        places.append(layout.published_albums)
    for albums in places:
        files = [entry.path for entry in _files(albums)]
        crops = [file for file in files if file.parent.parent.name == "faces" and file.stem in ids]
        pages = [file for file in files if file.parts[len(albums.parts)] not in ("faces", "thumbs")]
        if not crops and not new:
            continue
        layout.albums.with_name(f"{layout.albums.name}.copied.json").unlink(missing_ok=True)  # it lists names of files
        where = "albums" if isinstance(albums, Path) else str(albums)
        yield Removed("pages and files of albums, to be made again", where, _remove_all(pages))
        yield Removed("face crops", where, _remove_all(crops))


def _files(folder: Place) -> list[Entry]:
    return tree(folder) if isinstance(folder, Path) else files_below(folder)


def _remove_all(files: Iterable[Place]) -> int:
    """Several at once: a server takes its time over each. Returns how many. Raises StorageError."""
    with ThreadPoolExecutor(REMOVED_AT_ONCE) as pool:
        return len(list(pool.map(remove, files)))
