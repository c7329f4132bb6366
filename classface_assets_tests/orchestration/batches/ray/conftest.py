"""The cluster that the tests of this folder share."""

from collections.abc import Iterator
from importlib.util import find_spec

import pytest

from classface_assets.orchestration.batches.ray.connection import ON_LOOPBACK, PATIENT, QUIET
from classface_assets_tests.support.ray_cluster import ROOT, Machines, node


@pytest.fixture(scope="module")
def machines() -> Iterator[Machines]:
    """Two machines on loopback."""
    if find_spec("ray") is None:
        pytest.skip("the extra `ray` is not installed")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**QUIET, **PATIENT, **ON_LOOPBACK, "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)
        from ray.cluster_utils import Cluster

        found = Machines(Cluster(initialize_head=True, head_node_args={**node(), "include_dashboard": False}))
        try:
            found.add()
            yield found
        finally:
            found.cluster.shutdown()
