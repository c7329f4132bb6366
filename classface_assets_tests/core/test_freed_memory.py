"""Memory that Polars frees goes back to the system."""

import os
import subprocess
import sys

import pytest

CODE = """
import time
from classface_assets.core.arrays import share_one_polars_heap
share_one_polars_heap()
import polars as pl

def used():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 / 1e6

before = used()
held = [pl.int_range(0, 500_000, eager=True) for _ in range(40)]
most = used()
del held
for _ in range(20):  # it looks for what to give back when it is used
    time.sleep(0.02)
    pl.int_range(0, 500_000, eager=True)
print(most - before, used() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="read from Linux's /proc")
def test_polars_soon_returns_freed_memory_unless_the_environment_says_otherwise() -> None:
    name = "_RJEM_MALLOC_CONF"
    others = {key: value for key, value in os.environ.items() if key != name}

    def megabytes(**environment: str) -> tuple[float, float]:
        command, variables = [sys.executable, "-c", CODE], {**others, **environment}
        most, left = subprocess.run(command, capture_output=True, text=True, check=True, env=variables).stdout.split()
        return float(most), float(left)

    most, left = megabytes()
    assert most > 150 and left < 40
    assert megabytes(**{name: "dirty_decay_ms:60000"})[1] > 100
