"""Compiled loops: an agent and an environment run together at the speed of C, to the same bits as step by step.

Four things are combined: an environment's dynamics (`dynamics`), features (`rlkit.features.encoding`), an update rule
(`rlkit.updates`), and a way to act (`exploration`). Each is a NamedTuple of numbers and arrays with functions that are
registered for its type (`kinds`), so that the loop (`loop`), written once, is compiled for each combination in use.
`learners` says what a learner is; `prediction` and `control` are the two. An agent's `act` and `update` call the same
functions through `entries`, which is why it makes no difference which of the two ways is taken. `run` drives the loop
from Python.
"""
