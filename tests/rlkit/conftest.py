"""What is started once for all tests of a process."""

from __future__ import annotations

import pytest

from rlkit.distributed.cluster import connected


@pytest.fixture(scope="session")
def local_ray():
    """A local Ray with two CPUs, which the tests' pools and solvers use as they find it."""
    pytest.importorskip("ray")
    with connected(workers=2) as ray:
        yield ray
