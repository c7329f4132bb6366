"""`classface review`: the web pages and the REST API for naming and confirming faces."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from classface_assets.cli.common import PACK, archive_options
from classface_assets.cli.groups import DefaultGroup
from classface_assets.cli.messages import echo_sentence
from classface_assets.cli.output import JSON, echo_json
from classface_assets.core.errors import UserError

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
@click.option("--allowed-host", multiple=True, metavar="NAME", help="A name of this server behind a proxy; repeatable.")
@click.option(
    "--trusted-proxy", multiple=True, metavar="ADDRESS", help="A proxy whose X-Forwarded-For is believed; repeatable."
)
def review(archive: Archive, pack: str | None, **options: Any) -> None:
    """Name, confirm and correct in the browser; also a REST API (/docs)."""
    from classface_assets.orchestration.configured_resources import resolve_models
    from classface_assets.review.server import ServerOptions, serve

    certificate, key = options["certificate"], options["key"]
    if bool(certificate) != bool(key):
        raise click.UsageError("--certificate and --key belong together.")
    server_options = ServerOptions(
        host=options["host"],
        port=options["port"],
        token=options["token"],
        certificate=(certificate, key) if certificate else None,
        allowed_hosts=options["allowed_host"],
        trusted_proxies=options["trusted_proxy"],
    )

    def echo_line(line: str) -> None:
        click.echo(line)
        sys.stdout.flush()

    serve(archive, resolve_models(pack, archive), server_options, echo_line)


logins_group = DefaultGroup("logins", "Who is logged in to the review page; alone: the list.")


@logins_group.default
@logins_group.command("list")
@archive_options
@JSON
def list_logins(archive: Archive, as_json: bool) -> None:
    """List who is logged in, the last used one first: number, name, browser, address, last use; separated by tabs."""
    from datetime import datetime

    from classface_assets.review.auth.session_store import SessionStore

    sessions = SessionStore(archive.layout.sessions).all() if archive.layout.sessions.exists() else []
    used = [datetime.fromtimestamp(one.used_at).astimezone() for one in sessions]
    if as_json:
        echo_json(
            [
                {"number": s.number, "name": s.actor, "browser": s.browser, "address": s.address, "last_used": at}
                for s, at in zip(sessions, used, strict=True)
            ]
        )
        return
    for s, at in zip(sessions, used, strict=True):
        click.echo("\t".join([s.number, s.actor or "no name", s.browser, s.address, f"{at:%Y-%m-%d %H:%M}"]))
    echo_sentence(f"Logged in: {len(sessions)}. `classface logins end NUMBER` logs one out.", err=True)


@logins_group.command("end")
@archive_options
@click.argument("number", required=False)
@click.option("--all", "every", is_flag=True, help="Every login.")
def end_login(archive: Archive, number: str | None, every: bool) -> None:
    """Log out the session with this NUMBER, at once."""
    from classface_assets.review.auth.session_store import SessionStore

    if bool(number) == every:
        raise click.UsageError("Name the number of a login, which `classface logins` lists, or --all.")
    store = SessionStore(archive.layout.sessions)
    if every:
        click.echo(f"Logged out: {store.end_all()}.")
    elif store.end_numbered(number or ""):
        click.echo("Logged out.")
    else:
        raise UserError(f"There is no login {number}; `classface logins` lists them.")


@logins_group.command("new-token")
@archive_options
def new_token(archive: Archive) -> None:
    """Make another access token for this machine: everybody is logged out, also of a server that is running.

    A token that was given with --token or CLASSFACE_TOKEN stays as it is.
    """
    from classface_assets.review.server import create_token, token_path

    create_token(token_path(archive))
    echo_sentence("There is another token; `classface review` prints the link with it when it starts.")


COMMANDS = (review, logins_group)
