"""`classface review`: the pages and the REST API where people say who is who."""

import sys
from typing import Any

import click

from classface_assets.cli.common import PACK, archive_options


@click.command("review")
@archive_options
@PACK
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; another one needs a token.")
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--token", envvar="CLASSFACE_TOKEN", help="What one must know to log in [made for you].")
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file, for https.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False), help="The certificate's private key.")
def review(
    archive: Any, pack: str | None, host: str, port: int, token: str | None, certificate: str | None, key: str | None
) -> None:
    """Name, confirm and correct in the browser; also a REST API (/docs)."""
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.review.server import ServerOptions, serve

    if bool(certificate) != bool(key):
        raise click.UsageError("--certificate and --key belong together.")
    both = (certificate, key) if certificate and key else None

    def tell(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    serve(archive, resolve_models(pack), ServerOptions(host, port, token, both), tell)


COMMANDS = (review,)
