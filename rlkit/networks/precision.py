"""How torch computes while networks learn on the CPU."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache

import torch

WORTH_IT = 128  # units from which on the other kernels are faster; below they are slower


@contextmanager
def computing(width: int) -> Iterator[None]:
    """Let torch compute in one thread, and matrices this wide by its faster float32 kernels; restored afterwards.

    A second thread makes a single small network hardly faster, and on a busy machine several times slower. Who learns
    in several threads at once has the faster kernels in all of them, until the last of these is done.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _FASTER.kernels() if width >= WORTH_IT else nullcontext():
            yield
    finally:
        torch.set_num_threads(threads)


class _Faster:
    """Chooses the kernels by torch's one setting for all threads, while any of them wants it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wanted, self._before = 0, ""

    @contextmanager
    def kernels(self) -> Iterator[None]:
        """Let torch take its "medium" kernels, where these are exact."""
        with self._lock:
            if not self._wanted:
                self._before = torch.get_float32_matmul_precision()
                if medium_is_exact():
                    torch.set_float32_matmul_precision("medium")
            self._wanted += 1
        try:
            yield
        finally:
            with self._lock:
                self._wanted -= 1
                if not self._wanted:
                    torch.set_float32_matmul_precision(self._before)


_FASTER = _Faster()


@cache
def medium_is_exact() -> bool:
    """Tell whether torch's "medium" precision is float32 on this CPU all the same, by other kernels, and not bfloat16.

    Where the CPU has no fast bfloat16 it is, and takes up to half the time. bfloat16 errs by about 4e-3, relative to
    the largest product; float32 by less than 1e-6.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(256, 256, generator=generator), torch.randn(256, 256, generator=generator)
    exact = a.double() @ b.double()
    precision = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        error = ((a @ b).double() - exact).abs().max() / exact.abs().max()
    finally:
        torch.set_float32_matmul_precision(precision)
    return float(error) < 1e-5
