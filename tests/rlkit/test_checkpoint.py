from __future__ import annotations

import math
import struct
from collections import OrderedDict, defaultdict, deque
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from rlkit import Agent, CheckpointError, Config, bounded
from rlkit.agents import DoubleQLearning, QLearning
from rlkit.checkpoint import archive
from rlkit.replay import ReplayBuffer
from rlkit.transition import Transition
from tests.rlkit.helpers import Corridor

SPACE = spaces.Discrete(3)
DTYPES = [*"?bBhHiIlLefdFD", "S3", "U2", ">f8", "<M8[s]", "m8[D]"]


class Bag(Agent):
    """Holds whatever a test puts into it."""

    def setup(self):
        self.content = None


class Node:
    def __init__(self):
        self.weights, self.child = np.zeros(2), None


def round_trip(value, folder, cls=Bag):
    bag = cls(SPACE, SPACE, seed=0)
    bag.content = value
    bag.save(folder / "bag.npz")
    return cls.load(folder / "bag.npz").content


def same(left, right):
    if isinstance(left, np.ndarray | np.generic):
        return type(left) is type(right) and left.dtype == right.dtype and left.tobytes() == right.tobytes()
    if isinstance(left, float):
        return struct.pack("d", left) == struct.pack("d", right)
    if isinstance(left, dict):
        return list(left) == list(right) and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple | deque):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.integers() | st.tuples(st.integers(), st.text()), inner)
        | st.lists(inner).map(lambda items: deque(items, len(items) + 1))
        | st.frozensets(st.integers() | st.text())
        | st.lists(st.floats(), min_size=20)
        | st.lists(st.integers(), min_size=20)
    ),
    max_leaves=20,
)


@given(plain)
def test_plain_data_comes_back_exactly(tmp_path_factory, value):
    with mock.patch("os.fsync"):
        assert same(value, round_trip(value, tmp_path_factory.getbasetemp()))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 0, 4), (2, 3)])
def test_arrays_and_scalars_come_back_exactly(tmp_path, dtype, shape):
    array = np.arange(math.prod(shape)).astype(dtype).reshape(shape)
    back, scalar = round_trip([array, np.zeros(1, dtype)[0]], tmp_path)
    assert back.shape == shape
    assert same(array, back)
    assert same(np.zeros(1, dtype)[0], scalar)


def test_the_memory_order_of_an_array_is_kept_as_sums_depend_on_it(tmp_path):
    back = round_trip([np.asfortranarray(np.ones((3, 4))), np.ones((6, 4))[::2]], tmp_path)
    assert back[0].flags.f_contiguous
    assert back[1].tolist() == np.ones((3, 4)).tolist()


@pytest.mark.parametrize("kind", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
def test_a_generator_goes_on_where_it_was(tmp_path, kind):
    generator = np.random.Generator(kind(3))
    generator.integers(5, size=3, dtype=np.int32)
    back = round_trip(generator, tmp_path)
    assert back.random(5).tolist() == generator.random(5).tolist()


def test_shared_references_stay_shared(tmp_path):
    array, generator = np.arange(3), np.random.default_rng(0)
    inner = [array]
    back = round_trip({"a": array, "b": inner, "c": (inner, generator), "d": generator}, tmp_path)
    assert back["b"][0] is back["a"]
    assert back["c"][0] is back["b"]
    assert back["d"] is back["c"][1]


def test_transitions_and_spaces_have_a_saved_form(tmp_path):
    space = spaces.Dict(
        {
            "a": spaces.Box(-1, np.inf, (2,), np.float32),
            "b": spaces.Tuple([spaces.Discrete(4, start=-1), spaces.MultiBinary((2, 3)), spaces.MultiDiscrete([2, 3])]),
        }
    )
    transition = Transition(np.zeros(2), 1, 0.5, np.ones(2), False, True)
    back = round_trip([space, deque([transition], maxlen=3)], tmp_path)
    unsorted = spaces.Dict(b=spaces.Discrete(2), a=spaces.Discrete(2))
    assert [*round_trip(unsorted, tmp_path).spaces] == ["b", "a"]
    assert back[0] == space
    assert back[1].maxlen == 3
    assert isinstance(back[1][0], Transition)
    assert same(tuple(back[1][0]), tuple(transition))


def test_objects_that_setup_makes_are_restored_into(tmp_path):
    class Tree(Bag):
        def setup(self):
            self.content = Node()
            self.content.child = [Node()]

    tree = Node()
    tree.weights[0], tree.child = 5, [Node()]
    tree.child[0].weights[1] = 7
    back = round_trip(tree, tmp_path, Tree)
    assert (back.weights.tolist(), back.child[0].weights.tolist()) == ([5, 0], [0, 7])


def test_objects_that_setup_does_not_make_are_refused_before_they_are_lost(tmp_path):
    with pytest.raises(CheckpointError, match=r"agent\.content: a Node can only be restored if setup\(\) makes one"):
        round_trip(Node(), tmp_path)


def test_an_array_that_has_grown_is_refused_before_it_is_lost(tmp_path):
    agent = QLearning.for_env(Corridor())
    agent.w = agent.w[:3]
    with pytest.raises(CheckpointError, match=r"agent\.w: is float64 \(3,\), and setup\(\) makes float64 \(12,\)"):
        agent.save(tmp_path / "agent.npz")


def test_a_file_cannot_have_objects_made(tmp_path):
    class Tree(Bag):
        def setup(self):
            self.content = Node()

    tree = Tree(SPACE, SPACE)
    tree.content.child = [Node()]
    tree.save(tmp_path / "tree.npz")
    with pytest.raises(
        CheckpointError, match=r"agent\.content\.child\[0\]: is a Node, where setup\(\) makes a NoneType"
    ):
        Tree.load(tmp_path / "tree.npz")


@dataclass(frozen=True, kw_only=True)
class Inner(Config):
    rate: float = bounded(0.5, above=0, up_to=1)
    sizes: tuple[int, ...] = (1, 2)


def test_a_config_among_the_attributes_comes_back(tmp_path):
    class Holder(Bag):
        def setup(self):
            self.content = Inner()

    assert round_trip(Inner(rate=0.25, sizes=(3,)), tmp_path, Holder) == Inner(rate=0.25, sizes=(3,))


def cycle():
    loop: list = [1]
    loop.append({"x": loop})
    return loop


ARRAY = np.zeros((4, 4))


@pytest.mark.parametrize(
    ("value", "complaint"),
    [
        ({"layers": [0, 1, {"hook": lambda: 0}]}, r"agent\.content\['layers'\]\[2\]\['hook'\]: a function has no"),
        ([print], r"agent\.content\[0\]: a function has no"),
        (Corridor().step, r"agent\.content: a method has no"),
        (Node, "the class Node has no"),
        (Corridor(), "an environment has no"),
        (defaultdict(int), r"a defaultdict \(a plain dict has one\)"),
        (OrderedDict(), "OrderedDict"),
        (np.array([None]), "an array of dtype object"),
        (np.zeros(2, [("a", "f4")]), "an array of dtype"),
        (np.ma.zeros(2), "a MaskedArray has no"),
        (np.random.RandomState(0), "a RandomState has no"),
        (1j, "a complex has no"),
        (Path("x"), "Path has no"),
        (iter([]), "iterator has no"),
        (np, "a module has no"),
        (ValueError(), "a ValueError has no"),
        (cycle(), r"agent\.content\[1\]\['x'\]: contains itself \(at agent\.content\)"),
        ([ARRAY, ARRAY[1:]], r"agent\.content\[1\]: shares memory with agent\.content\[0\]"),
    ],
)
def test_what_has_no_saved_form_is_refused_by_its_path(tmp_path, value, complaint):
    with pytest.raises(CheckpointError, match=complaint):
        round_trip(value, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nesting_without_end_is_refused(tmp_path):
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    with pytest.raises(CheckpointError, match="nested more than"):
        round_trip(deep, tmp_path)


def test_a_replay_buffer_is_saved_in_proportion_to_its_rows(tmp_path):
    class Remembering(Bag):
        def setup(self):
            self.content = ReplayBuffer(100_000, spaces.Box(-1, 1, (3,)), SPACE)

    agent = Remembering(SPACE, SPACE)
    for step in range(50):
        agent.content.add(Transition(np.full(3, step / 50), 1, float(step), np.ones(3), step % 7 == 0, False))
    agent.save(tmp_path / "agent.npz")
    assert (tmp_path / "agent.npz").stat().st_size < 6000
    back = Remembering.load(tmp_path / "agent.npz")
    left, right = (buffer.sample(20, np.random.default_rng(0)) for buffer in (agent.content, back.content))
    assert len(back.content) == 50
    assert all((a == b).all() for a, b in zip(left, right, strict=True))


# -- files of other agents ---------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path):
    agent = QLearning.for_env(Corridor(), seed=0)
    agent.q[1, 1] = 5
    agent.save(tmp_path / "agent.npz")
    return tmp_path / "agent.npz"


def test_an_agent_comes_back_as_it_was(saved):
    agent = QLearning.load(saved)
    assert agent.q[1, 1] == 5
    assert agent.seed == 0
    assert agent.rng.random() == QLearning.for_env(Corridor(), seed=0).rng.random()


def test_another_classs_checkpoint_is_refused(saved):
    with pytest.raises(CheckpointError, match="is a QLearning's, expected a DoubleQLearning's"):
        DoubleQLearning.load(saved)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nothing\.npz: cannot be read \(No such file"):
        QLearning.load(tmp_path / "nothing.npz")


def rewritten(path, change_tree=lambda tree: tree, change_arrays=lambda arrays: arrays):
    """Write a checkpoint anew, well sealed, with its content changed."""
    tree, arrays = archive.read(path)
    archive.write(path, change_tree(tree) or tree, change_arrays(arrays) or arrays)


def put(tree, *keys, value):
    node = tree
    for key in keys[:-1]:
        node = node[key]
    node[keys[-1]] = value


FOREIGN = [
    (("version",), 2, "format version 2"),
    (("format",), "other", "is not a checkpoint"),
    (("policy",), None, "is not a checkpoint"),
    (("policy", "config", "dict", "gamma"), 1.5, "gamma=1.5 is outside"),
    (("policy", "config", "dict", "extra"), 1, "unknown hyperparameter 'extra'"),
    (("policy", "observation_space", "parts", "dict", "n"), 3, r"agent\.\w+: is float64 \(12,\)"),
    (("policy", "observation_space", "parts", "dict", "n"), -3, "does not fit"),
    (("policy", "observation_space", "space"), "Env", "does not fit"),
    (("policy", "state", "act"), 1, r"agent\.act: is not data"),
    (("policy", "state", "exploration_rate"), 1, r"agent\.exploration_rate: is not data"),
    (("policy", "state", "__class__"), 1, r"agent\.__class__: is not data"),
    (("policy", "state", "w"), {"array": 99}, "does not fit"),
    (("policy", "state", "w"), {"eval": "print()"}, "unknown kind of node 'eval'"),
    (("policy", "state", "w"), {"object": "QLearning", "state": {}}, "setup"),
    (("policy", "state", "w"), {}, "does not fit"),
    (("policy", "state", "seed"), {"ref": "os.system"}, "does not fit"),
    (("policy", "state", "seed"), {"int": "9" * 10**6}, None),
    (("policy", "state", "rng", "generator"), "RandomState", "does not fit"),
    (("policy", "state", "rng", "generator"), "MT19937", "is not the state of a MT19937"),
    (("policy", "state", "rng", "state"), {"dict": {}}, "is not the state of"),
]


@pytest.mark.parametrize(("keys", "value", "complaint"), FOREIGN, ids=lambda part: str(part)[:30])
def test_a_checkpoint_that_does_not_fit_is_refused(saved, keys, value, complaint):
    rewritten(saved, lambda tree: put(tree, *keys, value=value))
    if complaint is None:
        QLearning.load(saved)
    else:
        with pytest.raises(CheckpointError, match=complaint):
            QLearning.load(saved)


def test_an_attribute_that_is_missing_is_named(saved):
    rewritten(saved, lambda tree: tree["policy"]["state"].pop("w") and None)
    with pytest.raises(CheckpointError, match=r"agent\.w: is not in the file"):
        QLearning.load(saved)


@pytest.mark.parametrize("change", [lambda a: a.astype(np.float32), lambda a: a[:2], lambda a: a[None]])
def test_arrays_of_another_dtype_or_shape_are_refused(saved, change):
    rewritten(saved, change_arrays=lambda arrays: [change(array) for array in arrays])
    with pytest.raises(CheckpointError, match=r"where setup\(\) makes"):
        QLearning.load(saved)


def test_generators_that_would_read_out_of_bounds_are_refused(tmp_path):
    for kind, name, value in [(np.random.MT19937, "pos", 625), (np.random.Philox, "buffer_pos", -5)]:
        bag = Bag(SPACE, SPACE)
        bag.content = np.random.Generator(kind(0))
        bag.save(tmp_path / "bag.npz")

        def poison(tree, name=name, value=value):
            state = tree["policy"]["state"]["content"]["state"]["dict"]
            (state if name in state else state["state"]["dict"])[name] = value

        rewritten(tmp_path / "bag.npz", poison)
        with pytest.raises(CheckpointError, match=f"{name}={value} is outside"):
            Bag.load(tmp_path / "bag.npz")
