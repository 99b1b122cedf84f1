"""How torch computes while networks learn: the same in all threads, and afterwards as before."""

import threading

import gymnasium
import pytest
import torch

import rlkit
from rlkit.agents import DDPG
from rlkit.networks import precision

torch.set_num_threads(1)


@pytest.fixture
def setting(monkeypatch):
    """Let "medium" be taken on any CPU; nothing is computed here."""
    monkeypatch.setattr(precision, "medium_is_exact", lambda: True)
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("highest")
    yield torch.get_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


def test_wide_layers_have_the_faster_kernels_until_they_are_done_or_fail(setting):
    with precision.computing(precision.WORTH_IT - 1):
        assert setting() == "highest"
    with precision.computing(precision.WORTH_IT):
        assert setting() == "medium"
        with precision.computing(precision.WORTH_IT):
            pass
        assert setting() == "medium"
    with pytest.raises(RuntimeError, match="on purpose"), precision.computing(precision.WORTH_IT):
        raise RuntimeError("on purpose")
    assert setting() == "highest"


def test_threads_keep_the_faster_kernels_until_the_last_of_them_is_done(setting):
    second_is_in = threading.Event()
    seen = []

    def first():
        with precision.computing(256):
            second.start()
            assert second_is_in.wait(30)

    def then():
        with precision.computing(256):
            second_is_in.set()
            one.join(30)
            seen.append(setting())

    one, second = threading.Thread(target=first), threading.Thread(target=then)
    one.start()
    one.join(30)
    second.join(30)
    assert seen == ["medium"]
    assert setting() == "highest"


def test_wide_networks_learn_the_same_to_the_bit_in_any_number_of_threads():
    def make(seed):
        env = gymnasium.make("Pendulum-v1")
        options = {"network": (128, 128), "batch_size": 32, "learning_starts": 20, "buffer_size": 200}
        return DDPG.for_env(env, seed=seed, **options), env

    before = torch.get_float32_matmul_precision()
    one, two = (rlkit.train_many(make, range(2), steps=120, threads=n, progress=False).agents for n in (1, 2))
    for ours, its in zip(one, two, strict=True):
        for a, b in zip(ours.critic.parameters(), its.critic.parameters(), strict=True):
            assert torch.equal(a, b)
    assert torch.get_float32_matmul_precision() == before
