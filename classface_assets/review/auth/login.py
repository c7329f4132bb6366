"""The login page, logging in and out, and the health check."""

import asyncio
from html import escape
from typing import Annotated

from fastapi import APIRouter, Form, Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from classface_assets.core.languages import current_language, gettext, text_direction
from classface_assets.review.auth.attempts import TooManyAttemptsError
from classface_assets.review.auth.sessions import Sessions, client_address
from classface_assets.review.static_files import STATIC_URL

router = APIRouter(include_in_schema=False)
WRONG_TOKEN_DELAY_S = 0.5
_LOGIN_PAGE = """<!doctype html>
<html lang="{language}" dir="{direction}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{log_in} · classface</title>
<link rel="icon" href="{static}/icon.svg"><link rel="stylesheet" href="{static}/review.css"></head>
<body class="login"><main>
<h1>classface</h1>
<p>{where}</p>
{wrong}
<form method="post" action="/login">
<label for="token">{token}</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus>
<label for="who">{name}</label>
<input id="who" name="who" maxlength="80" autocomplete="name">
<button>{log_in}</button>
</form>
</main></body>
</html>
"""


@router.get("/login", response_class=HTMLResponse)
def login_page(wrong: str = "") -> str:
    """The page that asks for the token; `wrong` where the last one was not right."""
    return render_login(gettext("That token is not correct.") if wrong else "")


def render_login(message: str) -> str:
    """The login page, with a sentence on the last attempt."""
    alert = f'<p role="alert">{escape(message)}</p>' if message else ""
    language = current_language()
    return _LOGIN_PAGE.format(
        static=STATIC_URL,
        wrong=alert,
        language=language,
        direction=text_direction(language),
        log_in=escape(gettext("Log in")),
        where=gettext("You find the token in the window in which <code>classface review</code> was started."),
        token=escape(gettext("Token")),
        name=escape(gettext("Your name, for the history (optional)")),
    )


@router.post("/login")
async def log_in(
    request: Request, token: Annotated[str, Form(max_length=1000)], who: Annotated[str, Form(max_length=80)] = ""
) -> Response:
    """Start a session for the right token; a wrong one is answered after half a second, many not at once."""
    sessions: Sessions = request.app.state.sessions
    try:
        right = sessions.is_token(token, client_address(request))
    except TooManyAttemptsError as error:
        return HTMLResponse(render_login(str(error)), 429, {"Retry-After": str(error.wait_s)})
    if not right:
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
