"""Learners of a policy's state values: `from rlkit.agents import LinearTD, LSTD, TDC, ...`."""
