"""How observations become inputs, and the passes of a network, written out, against torch's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import nn

from rlkit import ConfigError
from rlkit.networks import Inputs, Passes, mlp

torch.set_num_threads(1)


@pytest.mark.parametrize("hidden", [(), (5,), (16, 8, 4)])
def test_values_and_gradients_are_autograds(hidden):
    generator = torch.Generator().manual_seed(0)
    network = mlp(3, hidden, 2, generator)
    x, slope = torch.randn(10, 3, generator=generator), torch.randn(10, 2, generator=generator)
    outputs = network(x)
    expected = torch.autograd.grad(outputs, list(network.parameters()), slope)
    passes = Passes(network)
    for _ in range(2):  # gradients are written, not added up
        torch.testing.assert_close(passes.forward(x), outputs)
        passes.backward(slope)
    in_order = sorted(expected, key=lambda slope: slope.ndim < 2)  # matrices come first
    np.testing.assert_allclose(passes.gradient, torch.cat([e.flatten() for e in in_order]), rtol=1e-4, atol=1e-6)
    torch.testing.assert_close([p.grad for p in network.parameters()], list(expected))
    ones = [passes.of_one(one) for one in x.numpy()]
    np.testing.assert_allclose(ones, outputs.detach(), rtol=1e-5, atol=1e-6)


def test_parameters_stay_those_of_the_network():
    network = mlp(3, (4,), 2, torch.Generator().manual_seed(0))
    passes, x = Passes(network), torch.ones(1, 3)
    passes.theta *= 0.5
    torch.testing.assert_close(network(x), passes.forward(x))
    network.load_state_dict({name: torch.ones_like(value) for name, value in network.state_dict().items()})
    assert (passes.theta == 1.0).all()
    assert passes.forward(x).tolist() == [[17.0, 17.0]]  # 4 (1 + 1 + 1 + 1) + 1


@pytest.mark.parametrize("layers", [[nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2)], [nn.Bilinear(2, 2, 2)], []])
def test_other_networks_are_refused(layers):
    with pytest.raises(ConfigError, match="expected a sequence of Linear"):
        Passes(nn.Sequential(*layers))


@pytest.mark.parametrize(
    ("high", "seen"), [([4.0, 10.0], [0.0, -0.2]), ([4.0, np.inf], [2.0, 4.0]), ([4.0, 0.0], [0.0, 4.0])]
)
def test_vectors_are_scaled_where_all_their_dimensions_are_bounded(high, seen):
    inputs = Inputs(spaces.Box(np.zeros(2), np.array(high), dtype=np.float64))
    observations = np.array([[2.0, 4.0]])
    np.testing.assert_allclose(inputs(observations).numpy(), [seen], rtol=1e-6)
    assert inputs.read(observations).tobytes() == inputs(observations).numpy().tobytes()
    assert inputs.reader()(observations[0]).tobytes() == inputs.read(observations).tobytes()
