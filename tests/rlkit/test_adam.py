"""Adam and AdamW on a network in one row, against their formulas and torch's."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from rlkit.networks import Architecture, param_groups
from rlkit.updates.adam import adam

torch.set_num_threads(1)


def by_the_formula(theta, gradients, learning_rate, decay, decoupled):
    """Return the parameters after AdamW's steps as Loshchilov & Hutter (2019, algorithm 2) write them, or Adam's."""
    m = v = np.zeros_like(theta)
    for t, g in enumerate(gradients, 1):
        g = g if decoupled else g + decay * theta
        m = 0.9 * m + 0.1 * g
        v = 0.999 * v + 0.001 * g**2
        step = learning_rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        theta = theta - step - (learning_rate * decay * theta if decoupled else 0.0)
    return theta


def draws(n, steps):
    """Return parameters, gradients of sizes from 1e-3 to 1e3, and decays of all but the last 10 parameters."""
    rng = np.random.default_rng(0)
    gradients = rng.normal(size=(steps, n)) * 10.0 ** rng.integers(-3, 4, size=(steps, 1))
    return rng.normal(size=n), gradients, np.where(np.arange(n) < n - 10, 0.1, 0.0)


@pytest.mark.parametrize("decoupled", [False, True])
def test_two_hundred_steps_with_decay_are_the_formulas(decoupled):
    theta, gradients, decay = draws(60, 200)
    expected = by_the_formula(theta, gradients, 0.01, decay, decoupled)
    m, v = np.zeros((2, 60))
    for step, gradient in enumerate(gradients, 1):
        adam(theta, gradient, m, v, step, 0.01, math.inf, 50, 0.1, decoupled)
    np.testing.assert_allclose(theta, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("optimizer", "decoupled"), [(torch.optim.Adam, False), (torch.optim.AdamW, True)])
def test_float32_steps_with_decay_and_clipping_are_torchs(optimizer, decoupled):
    theta, gradients, _ = draws(60, 30)
    theta = theta.astype(np.float32)
    matrix, bias = (
        torch.nn.Parameter(torch.from_numpy(part.copy())) for part in (theta[:50].reshape(5, 10), theta[50:])
    )
    peer = optimizer(param_groups(torch.nn.ParameterList([bias, matrix]), 0.1), lr=0.01)
    m, v = np.zeros((2, 60), np.float32)
    for step, gradient in enumerate(gradients.astype(np.float32), 1):
        matrix.grad, bias.grad = torch.tensor(gradient[:50].reshape(5, 10)), torch.tensor(gradient[50:])
        torch.nn.utils.clip_grad_norm_([matrix, bias], 5.0)
        peer.step()
        adam(theta, gradient, m, v, step, 0.01, 5.0, 50, 0.1, decoupled)
    np.testing.assert_allclose(theta[:50], matrix.detach().numpy().ravel(), atol=2e-6)
    np.testing.assert_allclose(theta[50:], bias.detach().numpy(), atol=2e-6)


def test_two_hundred_steps_of_torchs_adamw_with_our_groups_are_the_formulas():
    generator = torch.Generator().manual_seed(0)
    network = Architecture(layer_norm=True).build(3, (8,), 2, generator).double()
    optimizer = torch.optim.AdamW(param_groups(network, 0.1), lr=0.01)
    rng = np.random.default_rng(0)
    expected, gradients = {}, {}
    for name, parameter in network.named_parameters():
        gradients[name] = rng.normal(size=(200, *parameter.shape))
        decay = 0.1 if name in ("0.weight", "3.weight") else 0.0  # 1 is LayerNorm
        expected[name] = by_the_formula(parameter.detach().numpy().copy(), gradients[name], 0.01, decay, True)
    for step in range(200):
        for name, parameter in network.named_parameters():
            parameter.grad = torch.from_numpy(gradients[name][step])
        optimizer.step()
    for name, parameter in network.named_parameters():
        np.testing.assert_allclose(parameter.detach().numpy(), expected[name], rtol=0, atol=1e-12)


def test_decay_alone_shrinks_the_decayed_by_the_learning_rate_times_it():
    theta, (m, v) = np.array([2.0, 2.0], np.float32), np.zeros((2, 2), np.float32)
    adam(theta, np.zeros(2, np.float32), m, v, 1, 0.5, math.inf, 1, 0.5, True)
    assert theta.tolist() == [1.5, 2.0]
