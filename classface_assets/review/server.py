"""Starting the server of `classface review`: its address, its access token, and what the user is shown of them."""

import ctypes
import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from classface_assets.core.arrays import collect_garbage_rarely
from classface_assets.core.errors import UserError
from classface_assets.review.auth.sessions import TokenError

if TYPE_CHECKING:
    import uvicorn
    from fastapi import FastAPI

    from classface_assets.orchestration.resources import Archive, Models

HOST, PORT = "127.0.0.1", 8765
M_ARENA_MAX = -8
"""Of glibc's malloc.h."""


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
        allowed_hosts: Names under which a reverse proxy or a name server leads here, besides this machine's own.
        trusted_proxies: Addresses of reverse proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.
    """

    host: str = HOST
    port: int = PORT
    token: str | None = None
    certificate: tuple[str, str] | None = None
    allowed_hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a server at that address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def token_path(archive: "Archive") -> Path:
    """Where the token is stored that was made for this machine."""
    return archive.layout.local / "review_token"


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
    token = file.read_text(encoding="utf-8").strip() if file.exists() else ""
    if not token and not file.parent.exists():  # of an archive that nobody has started yet: stored when it is
        return secrets.token_urlsafe(24)
    return token or create_token(file)


def create_token(file: Path) -> str:
    """A new access token, stored in the file, which only its owner can read."""
    token = secrets.token_urlsafe(24)
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists():
        file.touch(mode=0o600)
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


def share_memory_arenas() -> None:
    """Let all threads share two arenas of glibc's allocator; other systems have none.

    By default there are eight for each core, and each retains what a request once took: the server would grow for hours
    (mallopt(3), M_ARENA_MAX). To be called before threads are started.
    """
    with suppress(OSError, AttributeError, TypeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 2)


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
    collect_garbage_rarely()
    from classface_assets.review.app import create_app

    share_memory_arenas()
    host, certificate = options.host, options.certificate
    token_file = token_path(archive)
    token = resolve_token(host, options.token, token_file)
    own_names = {socket.gethostname(), socket.getfqdn(), host, *options.allowed_hosts}
    names = frozenset(name.lower() for name in own_names)
    app = create_app(archive, models, token, names, None if options.token else token_file)
    app.state.context.import_runs()
    with open_socket(host, options.port) as listening:
        shown_host = f"[{host}]" if ":" in host else host
        scheme, query = "https" if certificate else "http", "" if options.token else f"?token={token}"
        echo(f"Review: {scheme}://{shown_host}:{listening.getsockname()[1]}/{query}  (Ctrl+C ends it)")
        if not certificate and not is_loopback(host):
            echo("Names and faces cross the network unencrypted: give --certificate and --key, or use a tunnel.")
        threading.Thread(target=app.state.context.warm_up, daemon=True).start()
        create_server(app, options).run(sockets=[listening])


def create_server(app: "FastAPI", options: ServerOptions) -> "uvicorn.Server":
    """The web server of an app, with limits on what strangers may send. It has no access log: that would hold names."""
    import uvicorn

    from classface_assets.review.auth.connections import connection_limits

    certificate = options.certificate
    config = uvicorn.Config(
        app,
        log_level="error",  # strangers cause warnings
        access_log=False,
        server_header=False,
        proxy_headers=bool(options.trusted_proxies),
        forwarded_allow_ips=list(options.trusted_proxies),
        ssl_certfile=certificate and certificate[0],
        ssl_keyfile=certificate and certificate[1],
        **connection_limits(),
    )
    server = uvicorn.Server(config)
    if hasattr(app, "state"):  # what wraps an app, as benchmarks do, has none
        app.state.server = server  # streams end when it is to stop
    return server
