"""Options that the commands share. Nothing heavy is imported, so that `--help` is instant."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

METHODS = ("temporal", "hdbscan", "dbscan", "agglomerative")
PACK = click.option("--pack", help="The model pack in use [builtin].")


def archive_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command --photos, --data and --local; it is handed the archive they name."""

    @click.option("--photos", help="Folder or URL (s3://bucket/photos) of school years [DATA/photos].")
    @click.option("--data", help="Folder or URL for all that is made [data].")
    @click.option("--local", help="Folder on this machine for database, names and models [DATA, or data for a URL].")
    @wraps(command)
    def wrapped(photos: str | None, data: str | None, local: str | None, **options: Any) -> Any:
        from classface_assets.resources import archive_for

        return command(archive_for(photos, data, local), **options)

    return wrapped
