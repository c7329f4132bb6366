"""The login page, logging in and out, and the health check."""

import asyncio
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from classface_assets.review.auth.sessions import Sessions
from classface_assets.review.static_files import STATIC_URL

router = APIRouter(include_in_schema=False)
WRONG_TOKEN_DELAY_S = 0.5
_LOGIN_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Log in · classface</title>
<link rel="icon" href="{static}/icon.svg"><link rel="stylesheet" href="{static}/review.css"></head>
<body class="login"><main>
<h1>classface</h1>
<p>You find the token in the window in which <code>classface review</code> was started.</p>
{wrong}
<form method="post" action="/login">
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<label for="who">Your name, for the history (optional)</label>
<input id="who" name="who" maxlength="80" autocomplete="name">
<button>Log in</button>
</form>
</main></body>
</html>
"""


@router.get("/login", response_class=HTMLResponse)
def login_page(wrong: str = "") -> str:
    """The page that asks for the token; `wrong` where the last one was not right."""
    return _LOGIN_PAGE.format(
        static=STATIC_URL, wrong=f'<p role="alert">{escape("That token is not correct.")}</p>' if wrong else ""
    )


@router.post("/login")
async def log_in(
    request: Request, token: Annotated[str, Form(max_length=1000)], who: Annotated[str, Form(max_length=80)] = ""
) -> Response:
    """Start a session for the right token; a wrong one is answered after half a second, to slow down guessing."""
    sessions: Sessions = request.app.state.sessions
    if not sessions.is_token(token):
        await asyncio.sleep(WRONG_TOKEN_DELAY_S)
        return RedirectResponse("/login?wrong=1", 303)
    return sessions.start(request, RedirectResponse("/", 303), " ".join(who.split()))


@router.post("/logout")
def log_out(request: Request) -> Response:
    """End the session."""
    sessions: Sessions = request.app.state.sessions
    return sessions.end(request, RedirectResponse("/login", 303))


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """That the server answers, for monitors; needs no token."""
    return {"status": "ok"}
