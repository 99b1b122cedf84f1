"""Features: what a linear function multiplies its weights with (Sutton & Barto 2018, chapter 9; Zhao, chapter 8).

    features = Fourier.for_env(env, order=3)      # ranges and coordinates are read off the environment, and captured
    features(observation)                         # one observation, encoded
    features.transform(observations)              # a batch, (N, n_features), as scikit-learn's transformers do
    features.matrix(env)                          # every state of a finite environment, (S, n_features)

**One interface, two encodings.** A feature vector of 36 cosines and one of which 8 entries out of 648 are 1 should not
be stored alike. So an observation is *encoded* as what its kind makes cheap: dense features as all `n_features` floats,
sparse ones as the int64 indices of the `n_active` that are 1. Whoever learns asks for `dot` and `add`
(`rlkit.features.encoding`), which mean `w . phi` and `w += step * phi` for both, and never for the kind. `concatenate`
stays sparse if all its parts are. `transform` and `matrix` are for linear algebra.

**Where observations come from.** A `Box` observation is scaled from the space's bounds, or from those given. A state's
number says nothing about its neighbours, so a `Discrete` observation stands for a point: its column and row on a grid,
its place on a chain (`Coordinates`). What is outside the bounds is clipped, and counted by whoever passes a
`FeatureReport`; the features themselves never change.

**They are data.** Features are frozen, and nothing but numbers: a configuration that holds some goes through JSON and
into a checkpoint, and comes back equal. `Features.from_dict` knows the classes of this package, and those that a user
adds with `@register`; nothing is ever imported because a file says so.

**One function, two speeds.** Each kind's formula is one function on flat arrays (`rlkit.features.encoding` says how it
is found), which compiled loops inline and which Python calls through a jitted entry: the bits are the same because the
code is. A loop takes `features.parameters`. For states these are all states' rows, worked out once, where they fit into
64 MiB: so that loops over grids and chains are compiled for two kinds of features only, and a step costs a copy.

**Actions.** `ActionBlocks` gives each action its own copy of any features; `JointActions` makes the action a coordinate
beside the others, (x, y, a). Loops use `encode_action`, `block` and `action_values` of `rlkit.features.action_encoding`
for both.
"""

from __future__ import annotations

from rlkit.features.action_blocks import ActionBlocks
from rlkit.features.actions import ActionFeatures
from rlkit.features.aggregation import StateAggregation
from rlkit.features.base import Features
from rlkit.features.concatenation import Concatenation, concatenate
from rlkit.features.coordinates import Coordinates
from rlkit.features.fourier import Fourier
from rlkit.features.joint_actions import JointActions
from rlkit.features.neural import NeuralEncoder
from rlkit.features.one_hot import OneHot
from rlkit.features.polynomial import Polynomial
from rlkit.features.radial_basis import RadialBasis
from rlkit.features.registry import register
from rlkit.features.report import FeatureReport
from rlkit.features.scaled import ScaledFeatures
from rlkit.features.table import FeatureTable
from rlkit.features.tile_coding import TileCoding

__all__ = [
    "ActionBlocks",
    "ActionFeatures",
    "Concatenation",
    "Coordinates",
    "FeatureReport",
    "FeatureTable",
    "Features",
    "Fourier",
    "JointActions",
    "NeuralEncoder",
    "OneHot",
    "Polynomial",
    "RadialBasis",
    "ScaledFeatures",
    "StateAggregation",
    "TileCoding",
    "concatenate",
    "register",
]
