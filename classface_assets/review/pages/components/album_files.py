"""The finished albums as the server shows them: from the albums folder, or from the URL where machines publish them."""

import mimetypes
from contextlib import suppress
from pathlib import Path

from starlette.responses import FileResponse, Response

from classface_assets.core.errors import StorageError, translate_storage_errors
from classface_assets.core.layout import ArchiveLayout
from classface_assets.core.locations import list_directory
from classface_assets.store.artifacts.memoization import DamagedRecordError, read_record

ALBUM_POLICY = "frame-ancestors 'none'; form-action 'none'; base-uri 'none'"
POLICY_WITHIN_BYTES = 1000
_PRIVATE = {"Cache-Control": "private, no-cache"}


def has_albums(layout: ArchiveLayout) -> bool:
    """Whether there are albums; at a URL by the record of their index, so that no server is asked."""
    if layout.published_albums is None:
        return (layout.albums / "index.html").exists()
    with suppress(FileNotFoundError, DamagedRecordError):
        return bool(read_record(layout.fingerprint_file("album_site")).made_of)
    return False


def album_path_on_disk(layout: ArchiveLayout) -> str:
    """The path of the albums' index on this machine; "" where they are at a URL."""
    return str(layout.albums / "index.html") if layout.published_albums is None else ""


def album_response(layout: ArchiveLayout, path: str) -> Response | None:
    """A file of the albums; None where there is no such file.

    Args:
        layout: The archive.
        path: Below the albums folder; a folder stands for its index.

    Raises:
        StorageError: The server with the albums fails.
    """
    return _from_folder(layout.albums.resolve(), path) if layout.published_albums is None else _from_url(layout, path)


def student_page(layout: ArchiveLayout, digest: str) -> str:
    """The name of the page of the student whose pages' names end in this digest; "" where there is none."""
    if layout.published_albums is None:
        pages = sorted(page.name for page in (layout.albums / "students").glob(f"*-{digest}.html"))
        return pages[0] if pages else ""
    with suppress(StorageError):  # the rest of the person's page needs no albums
        names = [entry.path.name for entry in list_directory(layout.published_albums / "students")]
        return next((name for name in names if name.endswith(f"-{digest}.html")), "")
    return ""


def _from_folder(folder: Path, path: str) -> Response | None:
    file = (folder / path).resolve()
    if file.is_dir():
        file /= "index.html"
    if not file.is_relative_to(folder) or not file.is_file():
        return None
    with file.open("rb") as opened:
        return FileResponse(file, headers=_headers(file.name, opened.read(POLICY_WITHIN_BYTES)))


def _from_url(layout: ArchiveLayout, path: str) -> Response | None:
    url = layout.published_albums
    names = path.split("/")
    if url is None or any(name in ("", ".", "..") for name in names):
        return None
    for place in (path, f"{path}/index.html"):
        with suppress(FileNotFoundError, IsADirectoryError), translate_storage_errors(url):
            content = url.fs.cat_file(f"{url.path}/{place}")
            kind = mimetypes.guess_type(place)[0] or "application/octet-stream"
            return Response(content, headers=_headers(place, content[:POLICY_WITHIN_BYTES]), media_type=kind)
    return None


def _headers(path: str, beginning: bytes) -> dict[str, str]:
    """With a policy beside the page's own, which names its script by its hash."""
    has_policy = path.endswith(".html") and b'http-equiv="Content-Security-Policy"' in beginning
    return _PRIVATE | ({"Content-Security-Policy": ALBUM_POLICY} if has_policy else {})
