"""How many processor cores this process may use."""

import os


def available_cores() -> int:
    """The cores that the process is allowed to run on, as its CPU affinity (taskset, cgroup cpusets) says."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
