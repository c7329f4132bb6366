"""What lies in the folders of the data, whatever it is: folders, files, and what killed processes left behind."""

from pathlib import Path

from classface_assets.places import Entry, Place, entries
from classface_assets.store.layout import Layout
from classface_assets.temporary import is_abandoned


def temporary_files(layout: Layout) -> list[Entry]:
    """The files and folders that killed processes left on this machine below the data, photos and records left out."""
    roots = {folder for folder in (layout.data, layout.local) if isinstance(folder, Path)}
    found: list[Entry] = []
    waiting = sorted(roots)
    while waiting:
        for entry in entries(waiting.pop()):
            path = entry.path
            if not isinstance(path, Path) or path.is_symlink() or path in (layout.photos, layout.dagster_home):
                continue
            if path.match(".*.tmp*"):
                found += [entry] if is_abandoned(path) else []
            elif entry.is_folder:
                waiting.append(path)
    return sorted(found, key=lambda entry: entry.path)


def tree(folder: Place) -> list[Entry]:
    """Every file below a folder; links to folders are not followed."""
    found = []
    for entry in entries(folder):
        if not entry.is_folder:
            found.append(entry)
        elif not entry.path.is_symlink():
            found += tree(entry.path)
    return found


def folders(folder: Place) -> list[Place]:
    return [e.path for e in entries(folder) if e.is_folder]
