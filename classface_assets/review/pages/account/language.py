"""Choosing the language of the pages, which the browser remembers."""

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from classface_assets.core.languages import LANGUAGES
from classface_assets.review.languages import language_cookie
from classface_assets.review.pages.components.layout import FormText, local_path, page_router
from classface_assets.review.problems import NotFoundError

COOKIE_LIFETIME_S = 400 * 24 * 3600
"""The longest that browsers store a cookie (RFC 6265bis)."""
router = page_router()


@router.post("/language")
def choose_language(request: Request, language: FormText, back: FormText = "/") -> Response:
    """Remember a language in a cookie, and return to the page."""
    if language not in LANGUAGES:
        raise NotFoundError("language", language)
    response = RedirectResponse(local_path(back), 303)
    response.set_cookie(language_cookie(request), language, COOKIE_LIFETIME_S, httponly=True, samesite="strict")
    return response
