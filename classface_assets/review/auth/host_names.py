"""Which host names and addresses this server answers to, against DNS rebinding."""

import ipaddress
import re

_HOST = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:.]+)\]|(?P<name>[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?))(?::\d{1,5})?")


def is_own_name(host: str, names: frozenset[str]) -> bool:
    """Whether a `Host` header (RFC 9110, section 7.2) names this server.

    An attacker's page can rebind its own name to this machine, but not an address. The port may be any: a tunnel has
    one of its own.

    Args:
        host: The header as it was sent.
        names: The server's own names in lower case, besides `localhost`.
    """
    found = _HOST.fullmatch(host)
    if found is None:
        return False
    if found["v6"] is not None:
        return _is_address(found["v6"], ipaddress.IPv6Address)
    name = found["name"].lower()
    return name == "localhost" or name in names or _is_address(name, ipaddress.IPv4Address)


def _is_address(text: str, kind: type[ipaddress.IPv4Address] | type[ipaddress.IPv6Address]) -> bool:
    try:
        kind(text)
    except ValueError:
        return False
    return True
