"""Starting the server of `classface review`: the address, the token, and what is said of them."""

import ipaddress
import secrets
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from classface_assets.core.errors import UserError
from classface_assets.review.auth.sessions import TokenError

if TYPE_CHECKING:
    from classface_assets.orchestration.resources import Archive, Models

HOST, PORT = "127.0.0.1", 8765


class AddressError(UserError):
    """The server cannot listen there."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can call the server there."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def resolve_token(host: str, given: str | None, kept: Path) -> str:
    """The token given; on loopback else one that was made once and lies in `kept`, for its owner only to read.

    Raises TokenError: whoever opens the pictures of minors to a network says who may see them.
    """
    if given:
        return given
    if not is_loopback(host):
        raise TokenError(
            f"{host} can be reached from other machines: give a token of 16 characters or more with --token or "
            "CLASSFACE_TOKEN, or leave out --host."
        )
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
    token = kept.read_text(encoding="utf-8").strip()
    if not token:
        token = secrets.token_urlsafe(24)
        kept.write_text(token, encoding="utf-8")
    return token


def open_socket(host: str, port: int) -> socket.socket:
    """A socket that listens there; port 0 takes any that is free. Raises AddressError."""
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or error
        raise AddressError(f"Nothing can listen at {host} port {port} ({why}); choose another --port.") from None


def serve(
    archive: "Archive",
    models: "Models",
    host: str,
    port: int,
    given: str | None,
    tell: Callable[[str], None],
    certificate: tuple[str, str] | None = None,
) -> None:
    """Serve until interrupted. Raises TokenError, AddressError, PackError."""
    import uvicorn

    from classface_assets.review.app import create_app

    token = resolve_token(host, given, archive.layout.local / "review_token")
    names = frozenset({socket.gethostname().lower(), socket.getfqdn().lower(), host.lower()})
    app = create_app(archive, models, token, names)
    with open_socket(host, port) as here:
        shown = f"[{host}]" if ":" in host else host
        scheme, secret = "https" if certificate else "http", "" if given else f"?token={token}"
        tell(f"Review: {scheme}://{shown}:{here.getsockname()[1]}/{secret}  (Ctrl+C ends it)")
        if not certificate and not is_loopback(host):
            tell("Names and faces cross the network unencrypted: give --certificate and --key, or use a tunnel.")
        threading.Thread(target=app.state.desk.get_ready, daemon=True).start()
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
        uvicorn.Server(config).run(sockets=[here])
