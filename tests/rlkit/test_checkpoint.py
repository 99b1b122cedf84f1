from __future__ import annotations

import io
import json
import math
import os
import pickle
import random
import struct
import zipfile
import zlib
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


# -- damaged and hostile files -----------------------------------------------------------------------------------------


def test_every_truncation_is_refused(saved):
    for length in range(saved.stat().st_size - 1, -1, -3):
        os.truncate(saved, length)
        with pytest.raises(CheckpointError):
            QLearning.load(saved)


def overwrite(path, at, byte):
    with path.open("r+b") as stream:
        stream.seek(at)
        stream.write(bytes([byte]))


def test_every_flipped_bit_is_refused(saved):
    data = saved.read_bytes()
    bits = random.Random(0).sample(range(8 * len(data)), 3000)
    for bit in bits:
        overwrite(saved, bit // 8, data[bit // 8] ^ 1 << bit % 8)
        with pytest.raises(CheckpointError):
            QLearning.load(saved)
        overwrite(saved, bit // 8, data[bit // 8])
    QLearning.load(saved)


def seal(data: bytes) -> bytes:
    """Give zip bytes the comment and checksum of a checkpoint."""
    end = data.rindex(b"PK\x05\x06")
    data = data[: end + 20] + struct.pack("<H", 20) + archive.SEAL
    return data + f"{zlib.crc32(data):08x}".encode()


def zipped(*members, compression=zipfile.ZIP_STORED):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as file:
        for name, content in members:
            file.writestr(name, content)
    return seal(stream.getvalue())


def npy(descr: str, shape: str, data: bytes = b"") -> bytes:
    text = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': ({shape}), }}\n".encode()
    return archive.MAGIC + struct.pack("<H", len(text)) + text + data


class Bomb:
    def __reduce__(self):
        return os.system, ("touch bombed",)


TREE = ("tree.json", "{}")
HOSTILE = {
    "no zip": b"rubbish" * 100,
    "a member that is a pickle": zipped(TREE, ("0.npy", pickle.dumps(Bomb()))),
    "an object array": zipped(TREE, ("0.npy", npy("|O", "1,", b"x" * 8))),
    "10^18 elements": zipped(TREE, ("0.npy", npy("<f8", f"{10**18},"))),
    "10^18 times none": zipped(TREE, ("0.npy", npy("<f8", f"0, {10**18}, {10**18}"))),
    "code in a header": zipped(TREE, ("0.npy", npy("<f8", "__import__('os').system('touch bombed')"))),
    "a deflate bomb": zipped(("tree.json", b"[" + b"0," * 10**7 + b"0]"), compression=zipfile.ZIP_DEFLATED),
    "deep JSON": zipped(("tree.json", "[" * 100_000 + "]" * 100_000)),
    "deep nodes": zipped(("tree.json", '{"tuple":[' * 400 + "]}" * 400)),
    "path traversal": zipped(TREE, ("../../0.npy", b"")),
    "no tree": zipped(("0.npy", b"")),
    "two trees": zipped(TREE, ("tree.json ", "{}")),
    "JSON that is none": zipped(("tree.json", "{")),
    "a number that is endless": zipped(("tree.json", "1" * 10**5)),
    "NaN where no number goes": zipped(("tree.json", '{"format": NaN}')),
    "an empty archive": zipped(),
    "an empty file": b"",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_files_are_refused_and_nothing_runs(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    Path("hostile.npz").write_bytes(data)
    with pytest.raises(CheckpointError, match="hostile"):
        QLearning.load("hostile.npz")
    assert os.listdir() == ["hostile.npz"]  # noqa: PTH208


def test_deep_nodes_in_a_state_are_refused(saved):
    node: object = 1
    for _ in range(400):
        node = {"tuple": [node]}
    rewritten(saved, lambda tree: put(tree, "policy", "state", "extra", value=node))
    with pytest.raises(CheckpointError):
        QLearning.load(saved)


def test_numpy_opens_the_file_too(saved):
    with np.load(saved, allow_pickle=False) as file:
        assert json.loads(file["tree.json"])["policy"]["class"] == "QLearning"
        assert any((file[name] == 5).any() for name in file.files if name != "tree.json")


@pytest.mark.parametrize("call", ["write", "fsync", "replace"])
def test_a_save_that_fails_anywhere_leaves_the_old_checkpoint_whole(saved, monkeypatch, call):
    old, agent = saved.read_bytes(), QLearning.load(saved)
    agent.q[0, 0] = 1
    for nth in range(1, 30):
        count = [0]

        def failing(original, count=count, nth=nth):
            def wrapper(*arguments, **keywords):
                count[0] += 1
                if count[0] == nth:
                    raise OSError(28, "No space left on device")
                return original(*arguments, **keywords)

            return wrapper

        with monkeypatch.context() as patched:
            if call == "write":
                patched.setattr(zipfile._ZipWriteFile, "write", failing(zipfile._ZipWriteFile.write))
            elif call == "fsync":
                patched.setattr(os, "fsync", failing(os.fsync))
            else:
                patched.setattr(Path, "replace", failing(Path.replace))
            try:
                agent.save(saved)
            except CheckpointError:
                pass
            else:
                break
        assert QLearning.load(saved).q[0, 0] in (0, 1)
        assert saved.read_bytes() == old or call == "fsync"
        assert os.listdir(saved.parent) == [saved.name]  # noqa: PTH208
    assert nth > 1
    assert QLearning.load(saved).q[0, 0] == 1
