"""The connection of this process to a Ray cluster, and how Ray is kept from talking: to its makers, and on the screen.

Ray is imported here and beside, in functions, and only where an address was set.
"""

import os
import socket
import sys
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING

from classface_assets.core.errors import UnreachableError, UserError
from classface_assets.orchestration.batches.ray.settings import ADDRESS, LOCAL, RaySettings

if TYPE_CHECKING:
    from types import ModuleType

REACH_TIMEOUT_S = 5.0
QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # else a cluster that we start reports to Ray's makers
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # else lines of the cluster's own processes stand between those of the run
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else a warning that the next version behaves like that
}
ON_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""So Ray takes loopback for this machine's address, on every system; otherwise it never does."""
PATIENT = {"RAY_raylet_start_wait_time_s": "180"}
"""So a cluster that starts beside much other work is waited for."""
_ours: dict[str, str] = {}
"""`address` → that of the cluster that this module connected to."""
_on_disconnect: list[Callable[[], None]] = []


class RayUnusableError(UserError):
    """A Ray cluster that cannot be used as it is."""


def connect(settings: RaySettings) -> "ModuleType":
    """Ray, connected to the cluster.

    A process that is part of a cluster already, as under dagster-ray, stays with it.

    Raises:
        RayUnusableError: Ray is not installed, or the cluster runs another version of it or of Python.
        UnreachableError: There is no cluster at that address.
    """
    ray = import_ray(settings.address)
    if not ray.is_initialized():
        _require_reachable(settings.address)
        _init(ray, settings.address)
        _ours["address"] = settings.address
    return ray


def disconnect() -> None:
    """Leave the cluster, whose actors then end; one that was started here ends too. Nothing where there is none."""
    if _ours.pop("address", None) is not None:
        for forget in _on_disconnect:
            forget()
        sys.modules["ray"].shutdown()


def on_disconnect(forget: Callable[[], None]) -> None:
    """Have something called whenever the process leaves the cluster, with which all its actors end."""
    _on_disconnect.append(forget)


def import_ray(address: str) -> "ModuleType":
    """The module ray, with its usage reports off and quiet. Raises RayUnusableError where it is not installed."""
    if find_spec("ray") is None:
        raise RayUnusableError(
            f"{ADDRESS} or ray_address is {address!r}, but Ray is not installed: pip install 'classface_assets[ray]', "
            "or set it to nothing."
        )
    if "ray" not in sys.modules:
        for name, value in {**QUIET, **PATIENT, **(ON_LOOPBACK if _is_on_loopback(address) else {})}.items():
            os.environ.setdefault(name, value)
    elif _is_loaded_for_networks() and _is_on_loopback(address):
        raise RayUnusableError(
            "Ray was loaded by something else already, such as Dagster's launcher, and would not keep to this machine; "
            f"set {' '.join(f'{name}={value}' for name, value in ON_LOOPBACK.items())}, or name one on a network."
        )
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    return ray


def _is_loaded_for_networks() -> bool:
    """Whether Ray was imported without ON_LOOPBACK: it would try for ever to join a cluster on loopback."""
    is_network = any(os.environ.get(name) != value for name, value in ON_LOOPBACK.items())
    return is_network and not sys.modules["ray"].is_initialized()


def _init(ray: "ModuleType", address: str) -> None:
    silent = {"logging_level": "ERROR", "log_to_driver": False}
    own = {"include_dashboard": False, "_node_ip_address": "127.0.0.1"} if address == LOCAL else {}
    try:
        ray.init(address=address, **silent, **own)
    except RuntimeError as error:
        if "ersion mismatch" not in str(error):
            raise _unreachable(address, str(error)) from error
        raise RayUnusableError(
            f"The Ray cluster {address} runs another version of Ray or Python than this machine "
            f"(Ray {ray.__version__}, Python {sys.version.split()[0]}); install the same ones on all machines."
        ) from error
    except (ConnectionError, TimeoutError, ValueError) as error:
        raise _unreachable(address, str(error)) from error


def _unreachable(address: str, why: str) -> UnreachableError:
    reason = why.strip().splitlines()[0][:200] if why.strip() else "no answer"
    return UnreachableError(
        f"The Ray cluster {address} cannot be reached ({reason}); start it (`ray start --head`), check {ADDRESS}, or "
        "set it to nothing to run without Ray."
    )


def _require_reachable(address: str) -> None:
    """Raises UnreachableError within seconds where nothing listens; Ray itself would try for minutes."""
    host, port = _host_and_port(address)
    if port:
        try:
            socket.create_connection((host, port), REACH_TIMEOUT_S).close()
        except OSError as error:
            raise _unreachable(address, (error.strerror or str(error)).lower()) from None


def _host_and_port(address: str) -> tuple[str, int]:
    """Of an address that has both; port 0 for any other. Raises UnreachableError where it can be none."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if address in (LOCAL, "auto"):
        return "", 0
    if not host or not port.isdecimal() or not 0 < int(port) < 1 << 16:
        raise RayUnusableError(f"{address!r} is no address of a Ray cluster; give host:port, ray://host:port or auto.")
    return host.strip("[]"), int(port)


def _is_on_loopback(address: str) -> bool:
    """Whether the cluster listens on loopback only: one that is started here, or that does not answer elsewhere."""
    if address == LOCAL:
        return True
    host, port = _host_and_port(address)
    if host not in ("127.0.0.1", "::1", "localhost") or address.startswith("ray://"):
        return False
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect(("192.0.2.1", 9))  # sends nothing; it only chooses the address that others see
            socket.create_connection((probe.getsockname()[0], port), REACH_TIMEOUT_S).close()
    except OSError:
        return True
    return False
