"""How torch computes while networks learn on the CPU."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch

WORTH_IT = 128  # units from which on the other kernels are faster; below they are slower


@contextmanager
def computing(width: int) -> Iterator[None]:
    """Let torch compute in one thread, and matrices this wide by its faster float32 kernels; restored afterwards.

    A second thread makes a single small network hardly faster, and on a busy machine several times slower.
    """
    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    if width >= WORTH_IT and medium_is_exact():
        torch.set_float32_matmul_precision("medium")
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        torch.set_float32_matmul_precision(precision)


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
