"""The cluster that the tests of this folder share."""

from collections.abc import Iterator

import pytest

from classface_assets_tests.support.ray_cluster import Machines, two_machines


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """Two machines on loopback."""
    with two_machines() as found:
        yield found
