"""Renders the templates of the album pages; every value is escaped."""

import functools
from pathlib import Path

import jinja2

from classface_assets.albums.disk import write_atomically
from classface_assets.albums.names import encode_url, short_year, year_path, years_span
from classface_assets.core.names import pluralize

TEMPLATES = Path(__file__).parent / "templates"


def render_template(template: str, **values: object) -> str:
    """The page that a template gives with these values."""
    return _environment().get_template(template).render(**values)


def write_stylesheet(out: Path) -> None:
    """Put the style sheet into the albums folder, unless it is there already."""
    style, content = out / "style.css", (TEMPLATES / "style.css").read_bytes()
    if not style.exists() or style.read_bytes() != content:
        write_atomically(style, content)


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(pluralize=pluralize, short_year=short_year, years_span=years_span)
    environment.filters.update(url=encode_url, year_url=lambda year: encode_url(year_path(year)))
    return environment
