"""`classface review`: the web pages and the REST API for naming and confirming faces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from classface_assets.cli.common import PACK, archive_options

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive


@click.command("review")
@archive_options
@PACK
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Address to listen on; any other one needs a token."
)
@click.option("--port", default=8765, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@click.option("--token", envvar="CLASSFACE_TOKEN", help="The secret to log in with [generated].")
@click.option("--certificate", type=click.Path(exists=True, dir_okay=False), help="PEM file, for https.")
@click.option("--key", type=click.Path(exists=True, dir_okay=False), help="The certificate's private key.")
def review(archive: Archive, pack: str | None, host: str, port: int, token: str | None, **tls: str | None) -> None:
    """Name, confirm and correct in the browser; also a REST API (/docs)."""
    from classface_assets.orchestration.resources import resolve_models
    from classface_assets.review.server import ServerOptions, serve

    certificate, key = tls["certificate"], tls["key"]
    if bool(certificate) != bool(key):
        raise click.UsageError("--certificate and --key belong together.")
    certificate_and_key = (certificate, key) if certificate and key else None

    def echo_line(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    serve(archive, resolve_models(pack), ServerOptions(host, port, token, certificate_and_key), echo_line)


COMMANDS = (review,)
