"""What networks are built of: activations, initial weights, LayerNorm, residual blocks."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from rlkit import ConfigError, Trainer
from rlkit.agent import ReplayAgent
from rlkit.networks import Architecture, NTKLinear, ResidualBlock, mlp, param_groups
from rlkit.networks.architecture import ACTIVATIONS, GAINS
from tests.rlkit.helpers import Drift

torch.set_num_threads(1)

KINDS = ["torch", "orthogonal", "he", "lecun", "xavier", "ntk"]
OPTIONS = [
    *({"initialisation": kind} for kind in KINDS),
    *({"activation": name} for name in ACTIVATIONS),
    {"layer_norm": True},
    {"residual": True},
    {"residual": True, "activation": "silu"},
    {"initialisation": "ntk", "last_layer": 3e-3},
]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def weights(network):
    return b"".join(parameter.detach().numpy().tobytes() for parameter in network.parameters())


@pytest.mark.parametrize("options", OPTIONS)
def test_weights_come_from_the_given_generator_alone(options):
    before = torch.get_rng_state(), np.random.get_state()[1].tobytes()  # noqa: NPY002 - that it is left alone
    first = Architecture(**options).build(3, (8, 8), 2, seeded())
    assert (torch.get_rng_state() == before[0]).all()
    assert np.random.get_state()[1].tobytes() == before[1]  # noqa: NPY002
    with torch.random.fork_rng():
        torch.manual_seed(7)
        assert weights(Architecture(**options).build(3, (8, 8), 2, seeded())) == weights(first)
    assert weights(Architecture(**options).build(3, (8, 8), 2, seeded(1))) != weights(first)


@pytest.mark.parametrize("options", OPTIONS)
def test_every_parameter_learns(options):
    network = Architecture(**options).build(3, (8, 8), 2, seeded(), nn.Tanh)
    out = network(torch.randn(16, 3, generator=seeded()))
    assert out.shape == (16, 2)
    assert out.abs().max() <= 1
    out.square().sum().backward()
    for parameter in network.parameters():
        assert parameter.grad.isfinite().all()
        assert parameter.grad.abs().max() > 0


def test_the_layers_are_in_the_order_that_the_options_say():
    build = Architecture(layer_norm=True, activation="elu").build(3, (8, 4), 2, seeded(), nn.Tanh)
    assert [type(layer).__name__ for layer in build] == [
        *("Linear", "LayerNorm", "ELU", "Linear", "LayerNorm", "ELU"),
        *("Linear", "Tanh"),
    ]
    assert [layer.out_features for layer in build if isinstance(layer, nn.Linear)] == [8, 4, 2]
    assert [type(layer) for layer in mlp(3, (8,), 2, seeded())] == [nn.Linear, nn.ReLU, nn.Linear]
    assert [type(layer) for layer in mlp(3, (), 2, seeded())] == [nn.Linear]


@pytest.mark.parametrize(
    ("kind", "variance"),
    [
        ("torch", 1 / 900),
        ("he", 2 / 300),
        ("lecun", 1 / 300),
        ("xavier", 2 / 800),
        ("ntk", 1.0),
        ("orthogonal", 2 / 500),
    ],
)
def test_the_weights_have_the_variance_of_the_formula(kind, variance):
    layer = Architecture(initialisation=kind).build(300, (500,), 1, seeded())[0].requires_grad_(False)
    # of 150,000 normal weights the sample variance has a standard error of sqrt(2 / 150,000) = 0.4 %
    assert float(layer.weight.var()) == pytest.approx(variance, rel=0.02)
    if kind in ("torch", "xavier"):
        assert float(layer.weight.abs().max()) == pytest.approx(math.sqrt(3 * variance), rel=1e-3)
    assert float(layer.bias.abs().max()) == (pytest.approx(1 / math.sqrt(300), rel=0.02) if kind == "torch" else 0)


@pytest.mark.parametrize(("n_inputs", "width"), [(30, 50), (50, 30)])
def test_orthogonal_rows_or_columns_have_the_length_of_the_gain(n_inputs, width):
    weight = Architecture(initialisation="orthogonal").build(n_inputs, (width,), 1, seeded())[0].weight.detach()
    gram = weight.t() @ weight if width > n_inputs else weight @ weight.t()
    torch.testing.assert_close(gram, 2 * torch.eye(30), atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["relu", "elu", "gelu", "silu"])
def test_gains_keep_a_second_moment_of_one(name):
    z = torch.linspace(-14, 14, 200_001, dtype=torch.float64)
    density = torch.exp(-z.square() / 2) / math.sqrt(2 * math.pi)
    moment = torch.trapezoid(ACTIVATIONS[name]()(GAINS[name] * z).square() * density, z)
    assert float(moment) == pytest.approx(1, abs=1e-7)


def moment_through_20_layers(kind, seed):
    """Return the second moment behind 20 layers of 512 units over that of what goes in."""
    network = Architecture(initialisation=kind).build(512, (512,) * 20, 1, seeded(seed))[:-1]
    x = torch.randn(16, 512, generator=seeded(seed + 1000))
    with torch.no_grad():
        return float(network(x).square().mean() / x.square().mean())


@pytest.mark.parametrize("kind", ["he", "orthogonal", "ntk"])
def test_twenty_relu_layers_keep_the_second_moment(kind):
    # One network's is scattered, over 40 seeds, by a factor of e^0.5 (he) or e^0.35 (orthogonal): so the mean of 8.
    logarithms = [math.log(moment_through_20_layers(kind, seed)) for seed in range(8)]
    assert 0.5 < math.exp(np.mean(logarithms)) < 1.5


@pytest.mark.parametrize("kind", ["lecun", "xavier", "torch"])
def test_twenty_relu_layers_lose_the_second_moment_where_no_gain_makes_up_for_them(kind):
    assert moment_through_20_layers(kind, 0) < 1e-3


def test_in_the_ntk_parameterisation_a_network_is_at_first_the_one_with_he_weights():
    ntk, he = (Architecture(initialisation=kind).build(3, (64, 64), 2, seeded()) for kind in ("ntk", "he"))
    x = torch.randn(10, 3, generator=seeded(1))
    torch.testing.assert_close(ntk(x), he(x), rtol=1e-4, atol=1e-5)


def relative_change(kind, width, seed):
    """Return how much a step of gradient descent on a squared error changes a network's outputs."""
    generator = seeded(seed)
    network = Architecture(initialisation=kind).build(8, (width, width), 1, generator)
    x, y = torch.randn(16, 8, generator=generator), torch.randn(16, 1, generator=generator)
    out = network(x)
    (out - y).square().mean().backward()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter -= 1e-4 * parameter.grad
        return float((network(x) - out).norm() / out.norm())


@pytest.mark.parametrize(("kind", "least", "most"), [("ntk", 1, 3), ("he", 20, 100)])
def test_a_step_changes_the_outputs_alike_at_all_widths_in_the_ntk_parameterisation_only(kind, least, most):
    # otherwise the change grows like the width, 64-fold from 64 to 4096
    changes = [np.median([relative_change(kind, width, seed) for seed in range(4)]) for width in (64, 256, 1024, 4096)]
    assert least <= max(changes) / min(changes) < most


@pytest.mark.parametrize(
    "options", [{}, {"initialisation": "orthogonal"}, {"initialisation": "ntk"}, {"residual": True}]
)
def test_the_last_layer_is_uniform_within_its_bound(options):
    layer = Architecture(last_layer=3e-3, **options).build(5, (400, 400), 300, seeded())[-1]
    weight = layer.weight.detach() * (layer.scale if isinstance(layer, NTKLinear) else 1)
    assert float(weight.abs().max()) == pytest.approx(3e-3, rel=1e-3)
    assert float(weight.var()) == pytest.approx(3e-6, rel=0.02)  # (2 * 3e-3)^2 / 12
    assert float(layer.bias.detach().abs().max()) == pytest.approx(3e-3, rel=0.05)


def test_a_residual_block_is_its_formula():
    block = ResidualBlock(3, nn.ReLU(), math.sqrt(2), seeded())
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.uniform_(-1, 1, generator=seeded())
    x = torch.randn(4, 3, generator=seeded(1))
    w1, b1, w2, b2 = (
        parameter.detach().numpy()
        for parameter in (block.widen.weight, block.widen.bias, block.narrow.weight, block.narrow.bias)
    )
    centred = x.numpy() - x.numpy().mean(axis=1, keepdims=True)
    normalised = centred / np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    normalised = normalised * block.norm.weight.detach().numpy() + block.norm.bias.detach().numpy()
    expected = x.numpy() + np.maximum(normalised @ w1.T + b1, 0) @ w2.T + b2
    np.testing.assert_allclose(block(x).detach(), expected, rtol=1e-5, atol=1e-5)


def test_simba_is_an_orthogonal_layer_he_blocks_layer_norm_and_an_orthogonal_output():
    network = Architecture(residual=True).build(300, (512, 512), 400, seeded())
    first, *blocks, norm, output = network
    assert [type(layer) for layer in network] == [nn.Linear, ResidualBlock, ResidualBlock, nn.LayerNorm, nn.Linear]
    torch.testing.assert_close(first.weight.t() @ first.weight, torch.eye(300), atol=1e-5, rtol=0)
    torch.testing.assert_close(output.weight @ output.weight.t(), torch.eye(400), atol=1e-5, rtol=0)
    assert norm.normalized_shape == (512,)
    for block in blocks:
        assert float(block.widen.weight.detach().var()) == pytest.approx(2 / 512, rel=0.02)
        assert float(block.narrow.weight.detach().var()) == pytest.approx(2 / 2048, rel=0.02)
    assert all((layer.bias == 0).all() for layer in network.modules() if isinstance(layer, nn.Linear))


def test_a_residual_network_is_linear_where_its_blocks_add_nothing():
    network = Architecture(residual=True).build(3, (8, 8), 2, seeded())
    with torch.no_grad():
        for block in network[1:3]:
            block.narrow.weight.zero_()
    x = torch.randn(4, 3, generator=seeded(1))
    torch.testing.assert_close(network[:3](x), network[0](x), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"activation": "sigmoid"}, "activation='sigmoid' is not one of 'relu', 'tanh'"),
        ({"initialisation": "zeros"}, "initialisation='zeros' is not one of 'torch', 'orthogonal'"),
        ({"last_layer": 0.0}, "last_layer=0.0 is outside its range"),
        ({"residual": True, "layer_norm": True}, "layer_norm=True with residual"),
        ({"residual": True, "initialisation": "he"}, "initialisation='he' with residual"),
    ],
)
def test_what_cannot_be_built_is_refused_by_name(given, message):
    with pytest.raises(ConfigError, match=message):
        Architecture(**given)


@pytest.mark.parametrize(
    ("options", "hidden", "message"),
    [
        ({}, (4, 0), r"layers of \(3, 4, 0, 2\) units, expected at least 1"),
        ({"residual": True}, (400, 300), r"hidden layers of \(400, 300\) units, expected one width with residual"),
        ({"residual": True}, (), r"hidden layers of \(\) units, expected one width with residual"),
    ],
)
def test_sizes_that_make_no_network_are_refused(options, hidden, message):
    with pytest.raises(ConfigError, match=message):
        Architecture(**options).build(3, hidden, 2, seeded())


def test_an_architecture_is_the_same_after_it_was_written_down():
    architecture = Architecture(activation="silu", residual=True, last_layer=0.01)
    assert Architecture.from_dict(architecture.to_dict()) == architecture


@pytest.mark.parametrize("options", [{"layer_norm": True}, {"residual": True}, {"initialisation": "ntk"}])
def test_weights_decay_and_biases_and_layer_norm_do_not(options):
    network = Architecture(**options).build(3, (8, 8), 2, seeded())
    decaying, others = param_groups(network, 0.1)
    assert (decaying["weight_decay"], others["weight_decay"]) == (0.1, 0.0)
    linear = [layer for layer in network.modules() if isinstance(layer, nn.Linear | NTKLinear)]
    assert {id(parameter) for parameter in decaying["params"]} == {id(layer.weight) for layer in linear}
    both = [id(parameter) for parameter in (*decaying["params"], *others["params"])]
    assert sorted(both) == sorted(id(parameter) for parameter in network.parameters())


class Fit(ReplayAgent):
    """Fits rewards to observations with a network of every kind."""

    def setup(self):
        super().setup()
        kinds = [{"initialisation": "ntk"}, {"residual": True}, {"layer_norm": True, "activation": "gelu"}]
        self.networks = nn.ModuleList(
            Architecture(**options).build(2, (8, 8), 1, self.torch_generator) for options in kinds
        )
        self.optimizer = torch.optim.AdamW(param_groups(self.networks, 0.1), lr=1e-2)

    def act(self, observation, *, explore=False):
        return self.rng.uniform(-1, 1, size=2)

    def learn_batch(self, batch):
        x, y = (torch.as_tensor(part, dtype=torch.float32) for part in (batch.observation, batch.reward))
        loss = sum((network(x)[:, 0] - y).square().mean() for network in self.networks)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return {"loss": float(loss.detach())}


def test_networks_of_every_kind_resume_to_the_bit(tmp_path):
    straight, stopped, resumed = (
        Fit.for_env(Drift(), seed=seed, buffer_size=100, batch_size=8, learning_starts=10) for seed in (0, 0, 1)
    )
    Trainer(straight, Drift()).run(60)
    Trainer(stopped, Drift(), directory=tmp_path / "run").run(40)
    trainer = Trainer(resumed, Drift(), directory=tmp_path / "run")
    assert trainer.resume() == 40
    trainer.run(20)
    assert weights(resumed.networks) == weights(straight.networks)
