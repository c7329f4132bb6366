"""Starting the server of `classface review`: its address, its access token, and what the user is shown of them."""

import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classface_assets.core.errors import UserError
from classface_assets.review.auth.sessions import TokenError

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

HOST, PORT = "127.0.0.1", 8765


class AddressError(UserError):
    """The server cannot listen at the address."""


@dataclass(frozen=True)
class ServerOptions:
    """Where the server listens and who may use it.

    Attributes:
        host: The address to listen at.
        port: The port; 0 takes any that is free.
        token: The access token; None makes one where only this machine can reach the server.
        certificate: The files of a TLS certificate and its private key (PEM), for https.
    """

    host: str = HOST
    port: int = PORT
    token: str | None = None
    certificate: tuple[str, str] | None = None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_token(host: str, given: str | None, file: Path) -> str:
    """The access token: the given one, else on loopback one that is made once and stored.

    Args:
        host: The address at which the server listens.
        given: The token that the user gave.
        file: Where the token that was made is stored, readable only by its owner.

    Raises:
        TokenError: Other machines can reach the server and no token is given: whoever shows the faces of minors to a
            network must decide who may see them.
    """
    if given:
        return given
    if not is_loopback(host):
        raise TokenError(
            f"{host} can be reached from other machines: give a token of 16 characters or more with --token or "
            "CLASSFACE_TOKEN, or leave out --host."
        )
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch(mode=0o600)
    token = file.read_text(encoding="utf-8").strip()
    if not token:
        token = secrets.token_urlsafe(24)
        file.write_text(token, encoding="utf-8")
    return token


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any that is free.

    Raises:
        AddressError: The address is not this machine's, or the port is in use.
    """
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise AddressError(f"Nothing can listen at {host} port {port} ({why}); choose another --port.") from None


def serve(archive: "Archive", models: "Models", options: ServerOptions, echo: Callable[[str], None]) -> None:
    """Serve an archive until interrupted.

    Args:
        archive: The archive to review.
        models: The model pack for uploads and suggestions.
        options: Where the server listens and who may use it.
        echo: Is called with each line that the user should read, such as the URL.

    Raises:
        TokenError: No token where one is needed, or one that is too short.
        AddressError: The server cannot listen at the address.
        PackError: The model pack does not exist.
    """
    import uvicorn

    from classface_assets.review.app import create_app

    host, certificate = options.host, options.certificate
    token = resolve_token(host, options.token, archive.layout.local / "review_token")
    names = frozenset({socket.gethostname().lower(), socket.getfqdn().lower(), host.lower()})
    app = create_app(archive, models, token, names)
    with open_socket(host, options.port) as listening:
        shown_host = f"[{host}]" if ":" in host else host
        scheme, query = "https" if certificate else "http", "" if options.token else f"?token={token}"
        echo(f"Review: {scheme}://{shown_host}:{listening.getsockname()[1]}/{query}  (Ctrl+C ends it)")
        if not certificate and not is_loopback(host):
            echo("Names and faces cross the network unencrypted: give --certificate and --key, or use a tunnel.")
        threading.Thread(target=app.state.context.warm_up, daemon=True).start()
        # No access log: it would hold tokens and names.
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ssl_certfile=certificate and certificate[0],
            ssl_keyfile=certificate and certificate[1],
        )
        uvicorn.Server(config).run(sockets=[listening])
