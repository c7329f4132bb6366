"""Which Ray cluster is used and how much of it: by run config, else by environment variables, else none."""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from classface_assets.core.errors import UserError

ADDRESS = "CLASSFACE_RAY_ADDRESS"
LOCAL = "local"
"""The address that starts a cluster of this machine alone, for as long as a run takes."""


@dataclass(frozen=True)
class RaySettings:
    """A Ray cluster, and the actors to start on it.

    Attributes:
        address: `host:port` of the cluster's head, `auto` for the one that this machine is part of, `ray://host:port`
            for Ray's client, or `local`.
        actors_min: Work starts once so many actors are ready.
        actors_max: No more actors than these; 0: as many as the cluster has room for.
        cpus_per_actor: CPU cores of an actor.
        gpus_per_actor: GPUs of an actor; may be a fraction.
    """

    address: str
    actors_min: int = 1
    actors_max: int = 0
    cpus_per_actor: float = 1.0
    gpus_per_actor: float = 0.0

    def __post_init__(self) -> None:
        """Raises UserError for what cannot be."""
        if self.actors_max and self.actors_max < self.actors_min:
            raise UserError(
                f"At least {self.actors_min} and at most {self.actors_max} actors of Ray are asked for; "
                "set ray_actors_max to no fewer than ray_actors_min."
            )

    @property
    def cores(self) -> int:
        """The cores that one actor keeps busy."""
        return max(1, int(self.cpus_per_actor))


def ray_settings(given: Mapping[str, str | float | None]) -> RaySettings | None:
    """The settings of a run.

    Args:
        given: `ray_address`, `ray_actors_min` … of the run config; None where the environment decides.

    Returns:
        None where no address is set: everything is then done in this process.

    Raises:
        UserError: A value is not allowed.
    """
    address = str(given.get("ray_address") or os.environ.get(ADDRESS) or "")
    if not address:
        return None
    return RaySettings(
        address,
        int(_number(given.get("ray_actors_min"), "CLASSFACE_RAY_ACTORS_MIN", 1)),
        int(_number(given.get("ray_actors_max"), "CLASSFACE_RAY_ACTORS_MAX", 0)),
        _number(given.get("ray_cpus_per_actor"), "CLASSFACE_RAY_CPUS_PER_ACTOR", 1.0),
        _number(given.get("ray_gpus_per_actor"), "CLASSFACE_RAY_GPUS_PER_ACTOR", 0.0),
    )


def _number(given: str | float | None, variable: str, default: float) -> float:
    """The value of the run config, else of the environment variable. Raises UserError where that is no number."""
    if given is not None:
        return float(given)
    text = os.environ.get(variable) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf") or ("ACTORS" in variable and number != int(number)):
        raise UserError(f"{variable} is {text!r}; set it to a number from 0, or to nothing.")
    return number
