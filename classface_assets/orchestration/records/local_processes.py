"""The processes of this machine that use Dagster's home of an archive: what there is to see without its records."""

import os
from pathlib import Path

import psutil


def dagster_processes(home: Path) -> list[int]:
    """Dagster's processes of this machine in that home: its servers, its daemon, and the runs that they started.

    They are known by DAGSTER_HOME in the environment that they were started with. Those of other users cannot be seen,
    nor runs of `classface` itself, which hold the archive's lock instead.

    Args:
        home: Dagster's home folder.

    Returns:
        Their numbers in order, without this process and those that it was started by.
    """
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    return sorted(
        process.pid for process in psutil.process_iter() if process.pid not in own and _uses_home(process, home)
    )


def _uses_home(process: psutil.Process, home: Path) -> bool:
    """Whether it is a Python with that home; a shell in which DAGSTER_HOME is exported is none."""
    try:
        named = process.environ().get("DAGSTER_HOME")
        if not named or Path(named).resolve() != home.resolve() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        command = process.cmdline()
        return bool(command) and "python" in Path(command[0]).name.casefold()
    except (psutil.Error, OSError):
        return False
