"""Dagster's migration scripts, read once in a process instead of for every tick of a sensor.

For each tick Dagster opens its records anew in the process that has the definitions, and compares their version with
its migration scripts, all of which alembic reads and runs for that. It was two thirds of what a tick took there. The
scripts are files of the installed package, so they do not change while a process runs.
"""

from typing import Any

_KEY = "classface scripts"


def read_migration_scripts_once() -> None:
    """From now on alembic keeps the scripts that it has read for a configuration with that configuration."""
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    if isinstance(ScriptDirectory.__dict__["from_config"], staticmethod):
        return
    read = ScriptDirectory.from_config

    def from_config(config: Config) -> ScriptDirectory:
        known: dict[Any, Any] = config.attributes
        if _KEY not in known:
            known[_KEY] = read(config)
        scripts: ScriptDirectory = known[_KEY]
        return scripts

    ScriptDirectory.from_config = staticmethod(from_config)  # type: ignore[method-assign]
