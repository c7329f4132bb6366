"""A ZIP file of photos over HTTP (RFC 9110, 13 and 14): all of it, what a download still lacks, or only its size."""

import logging
from urllib.parse import quote

from fastapi import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from classface_assets.albums.exports.archive import ArchiveChangedError, parse_range
from classface_assets.review.problems import problem_response
from classface_assets.services.exports.offers import ZIP
from classface_assets.services.exports.photo_archive import PhotoArchive

PRIVATE = "private, no-cache"
_LOGGER = logging.getLogger("classface.review")


class ArchiveResponse(StreamingResponse):
    """The bytes of a ZIP file from `start` up to `end`; its temporary files go too where nobody waits for the rest."""

    def __init__(self, archive: PhotoArchive, start: int, end: int, headers: dict[str, str]) -> None:
        status = 206 if "Content-Range" in headers else 200
        self._archive, self._stream = archive, archive.stream(start, end)
        super().__init__(self._stream, status, headers | {"Content-Length": str(end - start)}, ZIP)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            await super().__call__(scope, receive, send)
        except (
            ArchiveChangedError
        ) as error:  # the connection is closed before all bytes are sent: nobody takes it for all
            _LOGGER.error("A download was broken off: %s", error)
        finally:  # a stream that was never begun removes nothing
            self._stream.close()
            self._archive.close()


def archive_response(request: Request, archive: PhotoArchive, name: str) -> Response:
    """What the request asks for of the ZIP file.

    A part is sent only of the file that the part before it was of, where the request names that (If-Range).

    Args:
        request: GET or HEAD.
        archive: The ZIP file; closed at the end.
        name: Under which a browser saves it.
    """
    plan = archive.plan
    headers = {"ETag": plan.etag, "Accept-Ranges": "bytes", "Cache-Control": PRIVATE} | attachment(name)
    if plan.etag in request.headers.get("if-none-match", ""):
        archive.close()
        return Response(status_code=304, headers=headers)
    if request.method == "HEAD":
        archive.close()
        return Response(headers=headers | {"Content-Length": str(plan.size)}, media_type=ZIP)
    part = None
    if request.headers.get("if-range") in (None, plan.etag):
        try:
            part = parse_range(request.headers.get("range", ""), plan.size)
        except ValueError:
            archive.close()
            beyond = {"Content-Range": f"bytes */{plan.size}"}
            return problem_response(416, "The file has no bytes in that range.", beyond)
    start, end = part or (0, plan.size)
    if part:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{plan.size}"
    return ArchiveResponse(archive, start, end, headers)


def attachment(name: str) -> dict[str, str]:
    """The header by which a browser saves a file under this name (RFC 6266)."""
    return {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
