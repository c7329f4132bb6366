"""Turning templates into pages. Every value is escaped; templates lie beside this file."""

import functools
from pathlib import Path

import jinja2

from classface_assets.site.disk import write_file
from classface_assets.site.names import short_year, url, year_path, years_span

HERE = Path(__file__).parent


def render(template: str, **values: object) -> str:
    return _environment().get_template(template).render(**values)


def write_style(out: Path) -> None:
    style, content = out / "style.css", (HERE / "templates" / "style.css").read_bytes()
    if not style.exists() or style.read_bytes() != content:
        write_file(style, content)


def counted(number: int, one: str, many: str = "") -> str:
    """`1 photo`, `1,204 photos`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(counted=counted, short_year=short_year, years_span=years_span)
    environment.filters.update(url=url, year_url=lambda year: url(year_path(year)))
    return environment
