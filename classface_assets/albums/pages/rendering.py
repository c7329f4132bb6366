"""Renders the templates of the album pages; every value is escaped."""

import base64
import functools
import hashlib
from collections.abc import Iterable
from pathlib import Path

import jinja2

from classface_assets.albums.disk import write_atomically
from classface_assets.albums.names import encode_url, short_year, year_path, years_span
from classface_assets.core.languages import install_translations

TEMPLATES = Path(__file__).parents[1] / "templates"


def render_template(template: str, **values: object) -> str:
    """The page that a template gives with these values."""
    return _environment().get_template(template).render(**values)


def write_stylesheet(out: Path) -> None:
    """Put the style sheet into the albums folder, unless it is there already."""
    style, content = out / "style.css", (TEMPLATES / "style.css").read_bytes()
    if not style.exists() or style.read_bytes() != content:
        write_atomically(style, content)


def content_security_policy(scripts: Iterable[str]) -> str:
    """What a browser may do with an album page, opened from a folder or from a web server: run these scripts only.

    A folder has no origin, so that 'self' means nothing in some browsers: `file:` is what lies beside the page then.
    Style attributes are needed, as the places of faces are percentages.
    """
    digests = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; img-src 'self' file:; style-src 'self' file:; "
        "style-src-attr 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    install_translations(environment)
    environment.globals.update(short_year=short_year, years_span=years_span)
    scripts = {name: _script(name) for name in ("lightbox", "search")}
    environment.globals.update(scripts=scripts, content_security_policy=content_security_policy(scripts.values()))
    environment.filters.update(url=encode_url, year_url=lambda year: encode_url(year_path(year)))
    return environment


def _script(name: str) -> str:
    """A script as pages have it: without its comments and indentation, as every page has a copy."""
    lines = (TEMPLATES / f"{name}.js").read_text(encoding="utf-8").splitlines()
    return "\n".join(line.strip() for line in lines if not line.strip().startswith("//"))
