"""Stream TD(lambda) as published, re-implemented from the paper: a peer of `benchmarks.neural_td`.

Elsayed, Vasan & Mahmood (2024), "Streaming Deep Reinforcement Learning Finally Works": one gradient step for each
transition, no replay and no target network; overshooting-bounded gradient descent with eligibility traces (ObGD),
layers normalised before leaky ReLUs, sparse initial weights, observations normalised and rewards scaled by running
statistics. Constants are the paper's: step size 1, lambda 0.8, kappa 2, sparsity 0.9.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import layer_norm, leaky_relu


class Running:
    """Mean and sample variance of what was seen so far (Welford 1962)."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.count, self.mean, self.squares = 0, np.zeros(shape), np.zeros(shape)

    def add(self, x: NDArray[np.float64]) -> None:
        self.count += 1
        before = x - self.mean
        self.mean = self.mean + before / self.count
        self.squares = self.squares + before * (x - self.mean)

    @property
    def deviation(self) -> NDArray[np.float64]:
        variance = self.squares / (self.count - 1) if self.count > 1 else np.ones_like(self.squares)
        return np.sqrt(variance + 1e-8)


class ValueNetwork(nn.Module):
    def __init__(self, n_inputs: int, hidden: tuple[int, ...], generator: torch.Generator) -> None:
        super().__init__()
        sizes = (n_inputs, *hidden, 1)
        self.layers = nn.ModuleList(nn.Linear(m, n) for m, n in itertools.pairwise(sizes))
        for layer in self.layers:
            sparse_init(layer, generator)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers[:-1]:
            x = layer(x)
            x = leaky_relu(layer_norm(x, x.shape[-1:]))
        return self.layers[-1](x)


@torch.no_grad()
def sparse_init(layer: nn.Linear, generator: torch.Generator, sparsity: float = 0.9) -> None:
    """Weights uniform in +-1/sqrt(fan_in), of each unit a share of `sparsity` set to 0; biases 0."""
    fan_in = layer.in_features
    bound = 1.0 / math.sqrt(fan_in)
    layer.weight.uniform_(-bound, bound, generator=generator)
    for row in layer.weight:
        row[torch.randperm(fan_in, generator=generator)[: math.ceil(sparsity * fan_in)]] = 0.0
    layer.bias.zero_()


class ObGD(torch.optim.Optimizer):
    """Overshooting-bounded gradient descent: the step shrinks where it would overshoot the TD error's target."""

    def __init__(self, parameters: object, lr: float, gamma: float, lam: float, kappa: float) -> None:
        super().__init__(parameters, {"lr": lr, "gamma": gamma, "lam": lam, "kappa": kappa})

    @torch.no_grad()
    def step(self, delta: float, reset: bool = False) -> None:
        norm = 0.0
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if not state:
                    state["trace"] = torch.zeros_like(p)
                trace = state["trace"]
                trace.mul_(group["gamma"] * group["lam"]).add_(p.grad)
                norm += trace.abs().sum().item()
        for group in self.param_groups:
            bound = group["lr"] * group["kappa"] * max(abs(delta), 1.0) * norm
            size = group["lr"] / max(bound, 1.0)
            for p in group["params"]:
                trace = self.state[p]["trace"]
                p.add_(trace, alpha=size * delta)
                if reset:
                    trace.zero_()


class StreamTD:
    """Learns from one transition at a time; observations are vectors.

    Args:
        n_inputs: their length.
        hidden: units of the hidden layers.
        gamma: discount.
        seed: of the weights.
    """

    def __init__(self, n_inputs: int, hidden: tuple[int, ...], gamma: float, seed: int) -> None:
        self.gamma = gamma
        self.network = ValueNetwork(n_inputs, hidden, torch.Generator().manual_seed(seed))
        self.optimizer = ObGD(self.network.parameters(), lr=1.0, gamma=gamma, lam=0.8, kappa=2.0)
        self.seen, self.returns, self.trace = Running((n_inputs,)), Running(()), np.zeros(())
        self.observation: Tensor | None = None

    def begin(self, observation: NDArray[np.float64]) -> None:
        self.seen.add(observation)
        self.observation = self.normalized(observation)

    def update(self, reward: float, next_observation: NDArray[np.float64], terminated: bool, truncated: bool) -> None:
        self.trace = self.trace * self.gamma + reward
        self.returns.add(self.trace)
        scaled = reward / float(self.returns.deviation)
        self.seen.add(next_observation)
        following = self.normalized(next_observation)
        v, v_next = self.network(self.observation), self.network(following)
        delta = scaled + self.gamma * v_next.item() * (not terminated) - v.item()
        self.optimizer.zero_grad()
        v.backward()
        self.optimizer.step(delta, reset=terminated or truncated)
        self.observation = following
        if terminated or truncated:
            self.trace = np.zeros(())

    def values(self, observations: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return v of N observations, in the units of the rewards."""
        with torch.no_grad():
            v = self.network(self.normalized(observations)).squeeze(-1).double().numpy()
        return v * float(self.returns.deviation)

    def normalized(self, observation: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor((observation - self.seen.mean) / self.seen.deviation, dtype=torch.float32)
