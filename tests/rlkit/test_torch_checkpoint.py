"""Torch agents are saved and resumed to the bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from rlkit import Agent, CheckpointError, Trainer
from rlkit.agent import ReplayAgent
from rlkit.agents import DDPG
from rlkit.checkpoint import archive
from tests.rlkit.helpers import Drift
from tests.rlkit.test_checkpoint import put, rewritten

torch.set_num_threads(1)


class Critic(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.body = torch.nn.Sequential(torch.nn.Linear(2, 8), torch.nn.LayerNorm(8), torch.nn.Tanh())
        self.head = torch.nn.Linear(8, 1)
        self.scale = 2.0

    def forward(self, x):
        return self.scale * self.head(self.body(x)).squeeze(-1)


class Regression(ReplayAgent):
    """Fits rewards to observations; holds one of everything that torch agents hold."""

    def setup(self):
        super().setup()
        with torch.random.fork_rng():
            torch.manual_seed(int(self.rng.integers(2**31)))
            self.critic, self.target = Critic(), Critic()
        self.target.load_state_dict(self.critic.state_dict())
        self.optimizer = torch.optim.AdamW(self.critic.parameters(), lr=1e-2)
        self.scheduler = torch.optim.lr_scheduler.StepLR(self.optimizer, 10)
        self.average = torch.zeros(3, dtype=torch.bfloat16)
        self.weights = self.critic.head.weight.detach().numpy()  # a view
        self.parameters = list(self.critic.parameters())
        self.torch_generator.manual_seed(5)

    def act(self, observation, *, explore=False):
        return self.rng.uniform(-1, 1, size=2) if explore else np.zeros(2)

    def learn_batch(self, batch):
        x = torch.as_tensor(batch.observation, dtype=torch.float32)
        x = x + 0.01 * torch.randn(x.shape, generator=self.torch_generator)
        loss = (self.critic(x) - torch.as_tensor(batch.reward, dtype=torch.float32)).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        self.scheduler.step()
        self.average += 0.1
        with torch.no_grad():
            for slow, fast in zip(self.target.parameters(), self.critic.parameters(), strict=True):
                slow.lerp_(fast, 0.1)
        return {"loss": loss.detach()}


def make():
    return Regression.for_env(Drift(), seed=0, buffer_size=500, batch_size=8, learning_starts=10)


def fingerprint(agent):
    parts = [*agent.critic.state_dict().values(), *agent.target.state_dict().values(), agent.average.float()]
    parts += [state[key] for state in agent.optimizer.state_dict()["state"].values() for key in sorted(state)]
    parts += [agent.torch_generator.get_state()]
    rest = (agent.optimizer.param_groups[0]["lr"], agent.scheduler.last_epoch, agent.rng.bit_generator.state)
    return [part.numpy().tobytes() for part in parts], rest, agent.buffer.state_dict()["reward"].tobytes()


def test_a_torch_agent_resumes_to_the_bit(tmp_path):
    straight, stopped, resumed = make(), make(), make()
    Trainer(straight, Drift()).run(100)
    Trainer(stopped, Drift(), directory=tmp_path / "run").run(60)
    trainer = Trainer(resumed, Drift(), directory=tmp_path / "run")
    assert trainer.resume() == 60
    trainer.run(40)
    assert fingerprint(resumed) == fingerprint(straight)
    assert fingerprint(resumed) != fingerprint(stopped)


def test_what_refers_to_a_parameter_still_does_after_loading(tmp_path):
    agent = make()
    Trainer(agent, Drift()).run(30)
    agent.save(tmp_path / "agent.npz")
    back = Regression.load(tmp_path / "agent.npz")
    assert back.parameters[0] is next(back.critic.parameters())
    assert np.shares_memory(back.weights, back.critic.head.weight.detach().numpy())
    assert (back.weights == agent.weights).all()
    assert fingerprint(back) == fingerprint(agent)


def test_a_loss_that_is_not_finite_is_seen_before_anything_is_saved(tmp_path):
    class Unlucky(Regression):
        def learn_batch(self, batch):
            return {"loss": torch.tensor(float("nan"))}

    agent = Unlucky.for_env(Drift(), buffer_size=100)
    trainer = Trainer(agent, Drift(), directory=tmp_path / "run", checkpoint_every=150)
    with pytest.raises(ArithmeticError, match="loss is not finite"):
        trainer.run(1000)
    assert [path.name for path in trainer.folder.saved()] == ["step_000000000000.npz"]


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda a: setattr(a.critic, "hook", print), r"agent\.critic\.hook: a function"),
        (lambda a: a.critic.body[0].register_forward_hook(print), r"agent\.critic\.body\.0: a module with hooks"),
        (lambda a: setattr(a, "loss", a.critic(torch.zeros(1, 2))), r"agent\.loss: a tensor inside an autograd graph"),
        (lambda a: setattr(a, "sparse", torch.zeros(2).to_sparse()), r"agent\.sparse: .* no saved form"),
        (lambda a: (setattr(a, "x", np.zeros(3)), setattr(a, "y", torch.from_numpy(a.x))), r"agent\.y: shares memory"),
    ],
)
def test_torch_objects_without_a_saved_form_are_refused_by_their_path(tmp_path, spoil, complaint):
    agent = make()
    spoil(agent)
    with pytest.raises(CheckpointError, match=complaint):
        agent.save(tmp_path / "agent.npz")


def test_a_module_of_another_size_is_refused(tmp_path):
    make().save(tmp_path / "agent.npz")

    class Wider(Critic):
        def __init__(self):
            super().__init__()
            self.head = torch.nn.Linear(8, 2)

    Wider.__name__ = "Critic"

    class Other(Regression):
        def setup(self):
            super().setup()
            self.critic = Wider()

    Other.__name__ = "Regression"
    with pytest.raises(CheckpointError, match=r"agent\.critic: does not fit the module"):
        Other.load(tmp_path / "agent.npz")


@pytest.mark.skipif(torch.cuda.is_available(), reason="the device is there")
def test_what_was_saved_on_a_device_that_is_not_there_comes_back_on_the_cpu_and_says_so(tmp_path):
    trainer = Trainer(
        DDPG.for_env(Drift(), seed=0, network=(4,), buffer_size=50, learning_starts=5, batch_size=4),
        Drift(),
        directory=tmp_path,
    )
    trainer.run(20)
    path = trainer.folder.saved()[0]
    rewritten(path, lambda tree: put(tree, "policy", "config", "dict", "device", value="cuda"))
    with pytest.warns(UserWarning, match=r"was saved on device 'cuda', and is used on 'cpu'"):
        agent = DDPG.load(path)
    assert agent.config.device == "cpu"
    assert (agent.act(np.ones(2)) == trainer.agent.act(np.ones(2))).all()
    again = Trainer(agent, Drift(), directory=tmp_path)
    with pytest.warns(UserWarning, match="is used on 'cpu'"):
        again.resume()
    again.run(5)
    assert again.step == 25


class Listing(Agent):
    """Holds arrays and tensors within containers."""

    def setup(self):
        self.parts = [np.zeros(3), {"tensor": torch.zeros(2)}]
        self.tensor = torch.zeros(4)
        self.history = []


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda a: a.parts.__setitem__(0, np.zeros(4)), r"agent\.parts\[0\]: is float64 \(4,\), and setup\(\) makes"),
        (
            lambda a: a.parts[1].update(tensor=torch.zeros(3)),
            r"agent\.parts\[1\]\['tensor'\]: is torch\.float32 \(3,\)",
        ),
        (
            lambda a: setattr(a, "tensor", torch.zeros(4).double()),
            r"agent\.tensor: is torch\.float64 \(4,\), and setup",
        ),
    ],
)
def test_what_loading_would_refuse_saving_refuses(tmp_path, spoil, complaint):
    agent = Listing.for_env(Drift())
    agent.history = [np.zeros(2), torch.ones(5)]  # what setup did not make may be of any size
    agent.save(tmp_path / "agent.npz")
    assert Listing.load(tmp_path / "agent.npz").history[1].shape == (5,)
    spoil(agent)
    with pytest.raises(CheckpointError, match=complaint):
        agent.save(tmp_path / "agent.npz")


def test_a_tensor_of_another_shape_or_dtype_is_refused(tmp_path):
    path = tmp_path / "agent.npz"
    Listing.for_env(Drift()).save(path)
    tree = archive.read(path)[0]
    rewritten(path, change_arrays=lambda arrays: [*arrays[:-1], np.zeros(400, np.float32)])
    assert tree["policy"]["state"]["tensor"]["tensor"] == len(archive.read(path)[1]) - 1
    with pytest.raises(CheckpointError, match=r"agent\.tensor: is torch\.float32 \(400,\), where setup\(\) makes"):
        Listing.load(path)
