"""Learners of action values, which act on them: `from rlkit.agents import Sarsa, QLearning, ...`."""
