"""Scripts, styles and icon of the pages, at an address that changes with them: a browser asks for each only once."""

from hashlib import blake2b
from os import PathLike, stat_result
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_FOLDER = Path(__file__).parent / "static"


def _content_hash() -> str:
    found = blake2b(digest_size=8)
    for file in sorted(STATIC_FOLDER.iterdir()):
        found.update(f"{file.name} {file.stat().st_size} ".encode() + file.read_bytes())
    return found.hexdigest()


STATIC_URL = f"/static/{_content_hash()}"


class ImmutableStaticFiles(StaticFiles):
    """Files that never change at their address."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
