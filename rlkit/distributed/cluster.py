"""Ray, connected to for as long as it is needed: what was started here is shut down here."""

from __future__ import annotations

import contextlib
import os
import re
import socket
from collections.abc import Iterator
from typing import Any

from rlkit.errors import ConfigError


def import_ray() -> Any:
    """Return the module `ray`.

    Raises:
        ConfigError: where it is not installed.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nobody is told what is computed
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError("Ray is not installed; pip install 'rlkit[ray]'") from None
    return ray


_ANSWER = 10.0
"""Seconds within which the machine at an address has to answer; Ray itself would wait for minutes."""


@contextlib.contextmanager
def connected(address: str | None = None, *, workers: int | None = None) -> Iterator[Any]:
    """Yield the module `ray`, connected to a cluster; a connection that there is already is used and left alone.

    Args:
        address: of the cluster ("auto" for the one that runs on this machine); None for a local Ray of its own.
        workers: the CPUs that a local Ray takes itself to have; None for all there are.

    Raises:
        ConfigError: where there is no Ray, or no cluster at that address.
    """
    ray = import_ray()
    if ray.is_initialized():
        yield ray
        return
    own = address is None or address == "local"
    if not own:
        _check_listening(str(address))
    quiet = {"logging_level": "ERROR", "log_to_driver": False, "configure_logging": True}
    here = {"num_cpus": workers, "include_dashboard": False} if own else {}
    try:
        ray.init(address="local" if own else address, **quiet, **here)
    except (ConnectionError, ValueError, RuntimeError, TimeoutError) as error:
        raise ConfigError(f"no Ray cluster at {address!r}: {' '.join(str(error).split())}") from error
    try:
        yield ray
    finally:
        ray.shutdown()


def _check_listening(address: str) -> None:
    """Check that somebody listens at `host:port` or `ray://host:port`; other addresses are for Ray to understand."""
    found = re.fullmatch(r"(?:ray://)?(.+):(\d+)", address)
    if found is None:
        return
    try:
        socket.create_connection((found[1].strip("[]"), int(found[2])), timeout=_ANSWER).close()
    except (OSError, OverflowError) as error:
        raise ConfigError(f"no Ray cluster at {address!r}: {error}") from error
