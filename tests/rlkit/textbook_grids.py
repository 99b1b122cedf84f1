"""Textbook grids as `FiniteMDP`s, written out from `Layout` alone."""

from __future__ import annotations

import numpy as np

from rlkit.envs.gridworld.cells import DEFAULT_LEGEND
from rlkit.envs.gridworld.layout import GridMap, Layout
from rlkit.envs.gridworld.rules import PRESETS, Rules
from rlkit.mdp import FiniteMDP

ZHAO = (".....", ".XX..", "..X..", ".XGX.", ".X...")


def layout(drawing, rules):
    codes = np.array([[".#SGXH".index(character) for character in row] for row in drawing], dtype=np.uint8)
    return Layout(GridMap(codes, DEFAULT_LEGEND), rules)


def written_out(layout):
    """Every (state, action) from `landings` and `mixing`; without walls or portals, states are cells."""
    n_states = layout.grid.codes.size
    landing, reward = layout.landings(np.arange(n_states))  # [S, D]
    mixing = layout.mixing(layout.rules.slip)  # [A, D]
    P = np.zeros((layout.n_actions, n_states, n_states))
    for a, s, d in np.ndindex(layout.n_actions, *landing.shape):
        P[a, s, landing[s, d]] += mixing[a, d]
    return FiniteMDP.from_arrays(P, reward @ mixing.T, layout.terminal[layout.grid.codes.ravel()])


def zhao(forbidden_reward=-1.0):
    return written_out(layout(ZHAO, Rules(**{**PRESETS["zhao"], "forbidden_reward": forbidden_reward})))


def sutton_barto_4_1():
    return written_out(layout(("G...", "....", "....", "...G"), Rules(**PRESETS["sutton-barto"])))
