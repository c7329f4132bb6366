"""The documentation under `/help`: Markdown of the package, rendered here, with links that stay on this server."""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import TYPE_CHECKING

from fastapi import Request
from starlette.responses import HTMLResponse, Response

from classface_assets.core.errors import UserError
from classface_assets.core.languages import gettext, marked
from classface_assets.review.api.common import Context
from classface_assets.review.pages.components.layout import page_router, render_template, section_counts
from classface_assets.review.problems import NotFoundError

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

INDEX = "index.md"
SECTIONS = {
    "archivists": marked("Archivists"),
    "engineers": marked("Engineers"),
    "troubleshooting": marked("Troubleshooting"),
    "contributors": marked("Contributors"),
}
"""The folders of the documentation, as they are called in the page."""
router = page_router()


@dataclass(frozen=True)
class HelpPage:
    """A rendered page.

    Attributes:
        title: its first heading.
        html: the whole page as HTML without scripts, styles or images.
        section: its `section_of`.
    """

    title: str
    html: str
    section: str


@router.get("/help")
@router.get("/help/{name:path}")
def help_page(request: Request, context: Context, name: str = "") -> Response:
    """A page of the documentation; the index without a name. It needs no run before it, nor the network."""
    file = f"{name}.md" if name else INDEX
    if file not in documents():
        raise NotFoundError("help page", name)
    page = rendered_page(file)
    try:
        counts = section_counts(context.view())
    except UserError:  # nothing is published yet, which the other pages report
        counts = None
    siblings = [(address_of(other), rendered_page(other).title) for other in documents() if is_beside(other, page)]
    sections = [
        ("/help", gettext("Overview")),
        *((address_of(first), gettext(SECTIONS[section])) for section, first in first_pages().items()),
        (address_of("changelog.md"), gettext("Changelog")),
    ]
    values = {"page": page, "siblings": siblings if page.section else [], "sections": sections}
    return HTMLResponse(render_template(request, "help.html.j2", counts=counts, done=None, **values))


@cache
def documents() -> tuple[str, ...]:
    """The paths of all pages below the documentation's folder, in the order in which the index links them."""
    links = re.findall(r"\]\(([^)#:]+\.md)\)", _text(INDEX))
    return (INDEX, *dict.fromkeys(links))


@cache
def first_pages() -> dict[str, str]:
    """The first page of each section, in the order of the index."""
    found: dict[str, str] = {}
    for file in documents():
        if "/" in file:
            found.setdefault(section_of(file), file)
    return found


@cache
def rendered_page(file: str) -> HelpPage:
    """Render a page, by its path below the documentation's folder."""
    from markdown_it.renderer import RendererHTML

    md = _parser()
    tokens = md.parse(_text(file))
    _adapt(tokens, file)
    title = next(token.content for token in tokens if token.type == "inline")
    renderer = md.renderer
    assert isinstance(renderer, RendererHTML)
    return HelpPage(title, renderer.render(tokens, md.options, {}), section_of(file))


def is_beside(file: str, page: HelpPage) -> bool:
    """Whether a file lies in the section of a page."""
    return section_of(file) == page.section


def section_of(file: str) -> str:
    """The first folder of a file's path; "" for the pages beside the index."""
    return file.split("/")[0] if "/" in file else ""


def address_of(file: str) -> str:
    """The address of a page on this server."""
    return "/help" if file == INDEX else f"/help/{file.removesuffix('.md')}"


def anchor_of(heading: str) -> str:
    """The id of a heading, as code hosts make it: lower case, hyphens for spaces, no punctuation."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


@cache
def _parser() -> "MarkdownIt":
    """CommonMark with tables; HTML in the text is shown, not interpreted."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    parser.add_render_rule("fence", _code)
    parser.add_render_rule("code_block", _code)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return parser


def _code(_renderer: object, tokens: Sequence["Token"], at: int, *_: object) -> str:
    """Code as a block that scrolls, also by keys."""
    return f'<pre tabindex="0"><code>{escape(tokens[at].content)}</code></pre>\n'


def _adapt(tokens: Sequence["Token"], file: str) -> None:
    """Give headings their ids, tables a frame that scrolls, and links their addresses on this server."""
    for number, token in enumerate(tokens):
        if token.type == "heading_open":
            token.attrSet("id", anchor_of(_plain(tokens[number + 1])))
        elif token.type in ("th_open", "td_open"):
            token.attrs.pop("style", None)  # the pages' policy allows no styles in them
    for link in _links(tokens):
        link.attrSet("href", _address(str(link.attrGet("href")), file))


def _links(tokens: Sequence["Token"]) -> Iterator["Token"]:
    for token in tokens:
        yield from (child for child in token.children or () if child.type == "link_open")


def _address(href: str, file: str) -> str:
    """A link between Markdown files as an address of this server; another site's address stays."""
    path, hash_, anchor = href.partition("#")
    if "://" in path or not path:
        return href
    return address_of(posixpath.normpath(posixpath.join(posixpath.dirname(file), path))) + hash_ + anchor


def _plain(heading: "Token") -> str:
    """The text of a heading without its markup."""
    return "".join(child.content for child in heading.children or () if child.type in ("text", "code_inline"))


def _text(file: str) -> str:
    found: Traversable = files("classface_assets") / "docs"
    for part in file.split("/"):
        found = found / part
    return found.read_text(encoding="utf-8")
