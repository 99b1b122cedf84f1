"""Numba kernels of the grid model: plain sweeps, the solver of small grids, the solvers of large ones."""
