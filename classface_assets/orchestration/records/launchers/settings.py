"""The launcher in `dagster.yaml`: where Dagster starts the processes of runs, and which environment they get."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from dagster._config import process_config, resolve_to_config_type
from dagster._serdes import ConfigurableClass

from classface_assets.core.errors import UserError

FORWARDED = ("CLASSFACE_", "AWS_")
"""Variables that begin so are forwarded to runs where they are set: archive, ledger, object store."""
PASSWORD = "PGPASSWORD"
"""Of the ledger's and the records' PostgreSQL, whose URLs should hold none."""
NOT_FORWARDED = frozenset({"CLASSFACE_FAILPOINT", "CLASSFACE_TOKEN", "CLASSFACE_DAGSTER_URL"})
_PACKAGE = "classface_assets.orchestration.records.launchers"


class LauncherError(UserError):
    """A launcher that cannot be used."""


class Launcher(StrEnum):
    """Where runs are processes."""

    DEFAULT = "default"
    DOCKER = "docker"
    K8S = "k8s"
    RAY = "ray"


_CLASSES = {Launcher.DOCKER: "DockerRunLauncher", Launcher.K8S: "K8sRunLauncher", Launcher.RAY: "RayRunLauncher"}
_NEEDED = {
    Launcher.DOCKER: {"image": "--image"},
    Launcher.K8S: {
        "job_image": "--image",
        "service_account_name": "--service-account",
        "instance_config_map": "--config-map",
    },
    Launcher.RAY: {"address": "--ray-address"},
}
"""Launcher → its settings that have to be given, with the option that gives each."""


@dataclass(frozen=True)
class LauncherSettings:
    """A launcher, and what it needs to know.

    Attributes:
        kind: The launcher.
        image: The image of containers (docker, k8s).
        network: The network of containers (docker).
        service_account: The service account of jobs (k8s).
        config_map: The config map with `dagster.yaml` (k8s).
        ray_address: The address of the Ray cluster's job server (ray).
    """

    kind: Launcher
    image: str = ""
    network: str = ""
    service_account: str = ""
    config_map: str = ""
    ray_address: str = ""

    def section(self, variables: list[str], before: Mapping[str, Any]) -> dict[str, Any] | None:
        """The section `run_launcher` of `dagster.yaml`; None for Dagster's default, which needs none.

        Args:
            variables: The environment variables that runs get.
            before: The section as it is: what people changed in it stays where it is of the same launcher.

        Raises:
            LauncherError: The extra is missing, or something has to be given, or cannot be used.
        """
        if self.kind is Launcher.DEFAULT:
            return None
        if find_spec(f"dagster_{self.kind}") is None:
            raise LauncherError(
                f"The launcher {self.kind} needs the extra `{self.kind}`: pip install 'classface_assets[{self.kind}]'."
            )
        module = f"{_PACKAGE}.{self.kind}"
        config = dict(before.get("config") or {}) if before.get("module") == module else {}
        config = dict(config.get("ray") or {}) if self.kind is Launcher.RAY else config
        config |= {key: value for key, value in self._given().items() if value} | {"env_vars": variables}
        missing = [option for key, option in _NEEDED[self.kind].items() if not config.get(key)]
        if missing:
            raise LauncherError(f"The launcher {self.kind} needs {' and '.join(missing)}.")
        if self.kind is Launcher.RAY:
            config = {"ray": config}
        section = {"module": module, "class": _CLASSES[self.kind], "config": config}
        _require_valid(section)
        return section

    def _given(self) -> dict[str, str]:
        if self.kind is Launcher.DOCKER:
            return {"image": self.image, "network": self.network}
        if self.kind is Launcher.K8S:
            return {
                "job_image": self.image,
                "service_account_name": self.service_account,
                "instance_config_map": self.config_map,
            }
        return {"address": self.ray_address}


def _require_valid(section: Mapping[str, Any]) -> None:
    """Raises LauncherError where the launcher's class does not take that configuration."""
    launcher: type[ConfigurableClass] = getattr(import_module(section["module"]), section["class"])
    result = process_config(resolve_to_config_type(launcher.config_type()), section["config"])
    if not result.success:
        raise LauncherError(f"{section['class']} cannot be used: {(result.errors or [])[0].message}")


def forwarded_variables(records_variable: str = "") -> list[str]:
    """The environment variables of this process that runs elsewhere need, by name: no value is written anywhere.

    Args:
        records_variable: That which holds the URL of Dagster's records; "" for none.
    """
    chosen = {name for name in os.environ if name.startswith(FORWARDED) and name not in NOT_FORWARDED}
    password = {PASSWORD} & os.environ.keys()
    return sorted(chosen | password | ({records_variable} - {""}))
