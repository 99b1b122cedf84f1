"""Neural networks: how observations become tensors, layers from a seed, passes, and target networks."""

from rlkit.networks.architecture import Architecture, mlp
from rlkit.networks.decay import param_groups
from rlkit.networks.inputs import Inputs, dense
from rlkit.networks.layers import NTKLinear, linear
from rlkit.networks.passes import Passes, as_one_vector
from rlkit.networks.residual import ResidualBlock
from rlkit.networks.target import target_of, update_target

__all__ = [
    "Architecture",
    "Inputs",
    "NTKLinear",
    "Passes",
    "ResidualBlock",
    "as_one_vector",
    "dense",
    "linear",
    "mlp",
    "param_groups",
    "target_of",
    "update_target",
]
