"""Solvers of the Bellman equations of finite MDPs, with proven error bounds."""
