"""The run config by which an asset spreads its batches over a Ray cluster, and the runner that it asks for."""

import dagster as dg
from pydantic import Field

from classface_assets.core.layout import ArchiveLayout
from classface_assets.orchestration.batches.ray.settings import RaySettings, ray_settings
from classface_assets.orchestration.batches.runner import BatchRunner, InProcessRunner


class RayConfig(dg.Config):
    """Where batches are worked on; it changes no row. Base class of the configs of assets that can be spread."""

    ray_address: str | None = Field(
        default=None,
        description="Ray cluster whose workers share the work: host:port, `auto`, ray://host:port, or `local`, which "
        "starts one on this machine for the run. Empty: as CLASSFACE_RAY_ADDRESS says, else no Ray.",
    )
    ray_actors_min: int | None = Field(
        default=None,
        ge=1,
        description="Actors that have to be ready before work starts; empty: CLASSFACE_RAY_ACTORS_MIN, else 1.",
    )
    ray_actors_max: int | None = Field(
        default=None,
        ge=0,
        description="Actors at most; 0: as many as the cluster has room for. Empty: CLASSFACE_RAY_ACTORS_MAX, else 0.",
    )
    ray_cpus_per_actor: float | None = Field(
        default=None,
        gt=0,
        description="CPU cores of an actor, each of which has the models in memory once; empty: "
        "CLASSFACE_RAY_CPUS_PER_ACTOR, else 1.",
    )
    ray_gpus_per_actor: float | None = Field(
        default=None,
        ge=0,
        description="GPUs of an actor, also a fraction; empty: CLASSFACE_RAY_GPUS_PER_ACTOR, else 0.",
    )

    @property
    def ray(self) -> RaySettings | None:
        """The cluster; None where nothing is spread. Raises UserError where a value is not allowed."""
        return ray_settings({name: getattr(self, name) for name in RAY_KEYS})

    def runner(self, layout: ArchiveLayout, pack: str) -> BatchRunner:
        """Who works through the batches of an archive.

        Args:
            layout: The archive.
            pack: Name of the model pack, which the workers need.

        Raises:
            UserError: The cluster cannot be used.
        """
        settings = self.ray
        if settings is None:
            return InProcessRunner()
        from classface_assets.orchestration.batches.ray.pool import ray_runner

        return ray_runner(settings, layout, pack)


RAY_KEYS = frozenset(RayConfig.model_fields)
"""The keys that change no row."""
