"""`/docs`: the API's operations with forms to try them. Swagger UI comes from its package, nothing from the network."""

from importlib.resources import files
from typing import Literal

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from classface_assets.review.security import POLICY

router = APIRouter(include_in_schema=False)
TYPES = {"swagger-ui.css": "text/css", "swagger-ui-bundle.js": "text/javascript"}
_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>API · classface</title>
<meta name="csrf-token" content="{csrf}"><link rel="stylesheet" href="/docs/swagger-ui.css"></head>
<body><div id="docs"></div>
<script src="/docs/swagger-ui-bundle.js"></script><script src="/static/docs.js"></script></body>
</html>
"""


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    policy = POLICY.replace("img-src 'self'", "img-src 'self' data:")  # its icons
    return HTMLResponse(_PAGE.format(csrf=request.state.session.csrf), headers={"Content-Security-Policy": policy})


@router.get("/docs/{name}")
def swagger_file(name: Literal["swagger-ui.css", "swagger-ui-bundle.js"]) -> Response:
    (folder,) = (f for f in (files("swagger_ui_bundle") / "vendor").iterdir() if f.is_dir())
    content = (folder / name).read_bytes()
    return Response(content, media_type=TYPES[name], headers={"Cache-Control": "private, max-age=86400"})
