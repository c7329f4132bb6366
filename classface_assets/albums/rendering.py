"""Renders the templates of the album pages; every value is escaped."""

import functools
from pathlib import Path

import jinja2

from classface_assets.albums.disk import write_atomically
from classface_assets.albums.names import encode_url, short_year, year_path, years_span

TEMPLATES = Path(__file__).parent / "templates"


def render_template(template: str, **values: object) -> str:
    """The page that a template gives with these values."""
    return _environment().get_template(template).render(**values)


def write_stylesheet(out: Path) -> None:
    """Put the style sheet into the albums folder, unless it is there already."""
    style, content = out / "style.css", (TEMPLATES / "style.css").read_bytes()
    if not style.exists() or style.read_bytes() != content:
        write_atomically(style, content)


def pluralize(count: int, singular: str, plural: str = "") -> str:
    """A count with its noun; the plural is formed with s if none is given.

    >>> pluralize(1, "photo"), pluralize(1204, "photo")
    ('1 photo', '1,204 photos')
    """
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


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
