"""Scripts, styles and icon of the pages, at a URL that changes with their content, so that browsers cache them."""

from hashlib import blake2b
from os import PathLike, stat_result
from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC_FOLDER = Path(__file__).parent / "static"


def _content_hash() -> str:
    digest = blake2b(digest_size=8)
    for file in sorted(STATIC_FOLDER.iterdir()):
        digest.update(f"{file.name} {file.stat().st_size} ".encode() + file.read_bytes())
    return digest.hexdigest()


STATIC_URL = f"/static/{_content_hash()}"


class ImmutableStaticFiles(StaticFiles):
    """Static files that a browser may cache for ever, as their content never changes at one URL."""

    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        """The file with a `Cache-Control` header for ever."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response
