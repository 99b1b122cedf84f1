"""Update rules, each a few lines that read like its equation; agents and compiled loops call the same ones."""

from rlkit.updates.one_step import OneStep
from rlkit.updates.rule import Step, learn
from rlkit.updates.tabular import double_q_learning_error, q_learning_error

__all__ = ["OneStep", "Step", "double_q_learning_error", "learn", "q_learning_error"]
