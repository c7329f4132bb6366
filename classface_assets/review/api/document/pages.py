"""`/openapi.json`, and `/docs`: Swagger UI with forms to try the REST API; served from a package, without a network."""

from importlib.resources import files
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from classface_assets.review.api.common import Context
from classface_assets.review.api.document.examples import with_examples
from classface_assets.review.auth.headers import CONTENT_SECURITY_POLICY
from classface_assets.review.static_files import STATIC_URL

router = APIRouter(include_in_schema=False)
MEDIA_TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_SWAGGER_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>API · classface</title>
<meta name="csrf-token" content="{csrf}"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="{static}/docs.js"></script></body>
</html>
"""


@router.get("/openapi.json")
def openapi_document(request: Request, context: Context) -> JSONResponse:
    """The OpenAPI document, with examples of this archive."""
    return JSONResponse(with_examples(request.app.openapi(), context))


@router.get("/docs")
def swagger_page(request: Request) -> HTMLResponse:
    """The page with Swagger UI."""
    policy = CONTENT_SECURITY_POLICY.replace("img-src 'self'", "img-src 'self' data:")  # its icons
    return HTMLResponse(
        _SWAGGER_PAGE.format(static=STATIC_URL, csrf=request.state.session.csrf),
        headers={"Content-Security-Policy": policy},
    )


@router.get("/docs/{name}")
def swagger_file(name: Literal["swagger-ui.css", "swagger-ui-bundle.js"]) -> Response:
    """The script or style sheet of Swagger UI."""
    content = (files("fastapi_offline") / "static" / name).read_bytes()
    return Response(content, media_type=MEDIA_TYPES[name], headers={"Cache-Control": "private, max-age=86400"})
