"""Update rules, each a few lines that read like its equation; agents and compiled loops call the same ones."""

from rlkit.updates.differential import Differential
from rlkit.updates.emphatic import Emphatic
from rlkit.updates.forward_view import LambdaReturn
from rlkit.updates.gradient_td import GTD2, TDC
from rlkit.updates.least_squares import LeastSquares
from rlkit.updates.memory import Memory, new_memory
from rlkit.updates.n_step import NStep
from rlkit.updates.one_step import OneStep
from rlkit.updates.rule import Step, learn
from rlkit.updates.traces import Accumulating, Dutch, Replacing, no_traces

__all__ = [
    "GTD2",
    "TDC",
    "Accumulating",
    "Differential",
    "Dutch",
    "Emphatic",
    "LambdaReturn",
    "LeastSquares",
    "Memory",
    "NStep",
    "OneStep",
    "Replacing",
    "Step",
    "learn",
    "new_memory",
    "no_traces",
]
