"""Damaged and hostile files are refused, nothing in them runs, and reading them takes memory bounded by their size."""

from __future__ import annotations

import copy
import io
import json
import os
import pickle
import random
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest

from rlkit import CheckpointError, Trainer
from rlkit.agents import TD3, QLearning
from rlkit.checkpoint import archive
from rlkit.run import RunFolder
from tests.rlkit.helpers import Corridor, Drift
from tests.rlkit.test_checkpoint import put, rewritten


@pytest.fixture
def saved(tmp_path):
    agent = QLearning.for_env(Corridor(), seed=0)
    agent.q[1, 1] = 5
    agent.save(tmp_path / "agent.npz")
    return tmp_path / "agent.npz"


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


def test_a_flipped_bit_that_was_sealed_again_is_refused_or_does_no_harm(saved):
    data = saved.read_bytes()
    for bit in random.Random(1).sample(range(8 * (len(data) - 28)), 2000):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        flipped[-8:] = f"{zlib.crc32(flipped[:-8]):08x}".encode()
        saved.write_bytes(flipped)
        try:
            agent = QLearning.load(saved)
        except CheckpointError:
            continue
        assert agent.q.sum() == agent.q[1, 1] == 5  # it was in what zip says of dates and systems


ODD = [
    *(None, True, -1, 0, 10**18, 1e308, "x", "", [], {}, [1, 2], {"tuple": []}, {"ref": "agent"}, {"dict": {}}),
    *({"array": 0}, {"array": 99}, {"packed": 0}, {"bytes": 0}, {"tensor": 0, "dtype": "float32"}),
    *({"int": "0x1"}, {"float": "7ff8000000000000"}, {"deque": [], "maxlen": -1}, {"torch_generator": 0}),
]


def places(node, path=()):
    """Yield the way to every part of a tree, but the tree itself."""
    for key, part in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield (*path, key)
        yield from places(part, (*path, key))


def spoiled(tree, arrays, dice):
    """Return a copy with something odd in one place."""
    tree, arrays = copy.deepcopy(tree), list(arrays)
    if dice.random() < 0.7:
        place = dice.choice(list(places(tree)))
        put(tree, *place, value=dice.choice(ODD))
    else:
        at = dice.randrange(len(arrays))
        flat = arrays[at].ravel()
        arrays[at] = dice.choice([flat[:0], np.concatenate([flat, flat]), flat.astype("<f8"), arrays[at][None]])
    return tree, arrays


@pytest.mark.filterwarnings("ignore:.*going back to the one before it")
@pytest.mark.parametrize("cls", [QLearning, TD3])
def test_whatever_a_file_holds_nothing_but_a_checkpoint_error_comes_of_it(tmp_path, cls):
    world = Corridor if cls is QLearning else Drift
    small = {} if cls is QLearning else {"network": (4,), "buffer_size": 20, "learning_starts": 2, "batch_size": 2}
    Trainer(cls.for_env(world(), seed=0, **small), world(), directory=tmp_path).run(10)
    dice, path = random.Random(0), RunFolder(tmp_path).saved()[0]
    refused = accepted = 0
    tree, arrays = archive.read(path)
    for number in range(250):
        archive.write(path, *spoiled(tree, arrays, dice))
        try:
            if number % 2:
                cls.load(path)
            else:
                trainer = Trainer(cls.for_env(world(), seed=0, **small), world(), directory=tmp_path)
                trainer.resume()
        except CheckpointError as error:
            refused += str(error).startswith(str(tmp_path))
        else:
            accepted += 1
    assert refused + accepted == 250
    assert min(refused, accepted) > 30


def test_a_network_that_the_file_cannot_hold_is_not_made(tmp_path):
    env = Drift()
    TD3.for_env(env, network=(4,), buffer_size=20).save(tmp_path / "small.npz")
    tree, arrays = archive.read(tmp_path / "small.npz")
    items = tree["policy"]["config"]
    text = json.dumps(items)
    assert text.count("[4]") == 1
    tree["policy"]["config"] = json.loads(text.replace("[4]", "[40000, 40000]"))
    archive.write(tmp_path / "large.npz", tree, arrays)
    with pytest.raises(CheckpointError, match=r"a layer of 40000 by 40000 units takes 6,400,160,000 bytes"):
        TD3.load(tmp_path / "large.npz")


def test_a_table_that_the_file_cannot_hold_is_not_made(tmp_path):
    QLearning.for_env(Corridor()).save(tmp_path / "small.npz")
    tree, arrays = archive.read(tmp_path / "small.npz")
    tree["policy"]["observation_space"]["parts"]["dict"]["n"] = 20_000_000
    archive.write(tmp_path / "hostile.npz", tree, arrays)
    with pytest.raises(CheckpointError, match=r"40,000,000 weights takes 320,000,000 bytes, which are not in the file"):
        QLearning.load(tmp_path / "hostile.npz")
    assert peak_of_loading(tmp_path / "hostile.npz") < 2e7


def peak_of_loading(path):
    """Return how many bytes loading a file that is refused takes at most."""
    tracemalloc.start()
    try:
        with pytest.raises(CheckpointError):
            QLearning.load(path)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def crowd(n):
    """Return an archive whose directory names a member n times."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as file:
        file.writestr("tree.json", "{}")
        file.filelist.extend([file.filelist[0]] * n)
    return seal(stream.getvalue())


LARGE = {
    "a deflate bomb of 20 MB": lambda: zipped(
        ("tree.json", b"[" + b"0," * (10**7) + b"0]"), compression=zipfile.ZIP_DEFLATED
    ),
    "an array of 10^18 numbers": lambda: HOSTILE["10^18 elements"],
    "deep JSON": lambda: HOSTILE["deep JSON"],
    "many empty lists": lambda: zipped(("tree.json", "[" + "[]," * 10**5 + "[]]")),
    "ten thousand members that are one": lambda: crowd(10_000),
    "an array that overlaps the next": lambda: zipped(TREE, ("0.npy", npy("<f8", "1000,", b"x" * 80))),
}


@pytest.mark.parametrize("make", LARGE.values(), ids=LARGE.keys())
def test_refusing_a_file_takes_memory_in_proportion_to_its_size(tmp_path, make):
    """An empty list, three bytes with its comma, is 64 bytes in Python, and 8 for where it is: 24 times as many."""
    path = tmp_path / "hostile.npz"
    path.write_bytes(make())
    assert peak_of_loading(path) < 40 * path.stat().st_size + 4 * archive.CHUNK


def again_and_again(tree):
    """Name the same array of numbers in a thousand places."""
    put(tree, "policy", "state", "extra", value=[{"list": {"packed": 0}}] * 1000)


def of_two_numbers(tree):
    """Describe a space of 10^8 numbers by two."""
    two = {name: {"scalar": "<f4", "bytes": "00000000"} for name in ("low", "high")}
    node = {"space": "Box", "parts": {"dict": {**two, "shape": [10**4, 10**4]}}}
    put(tree, "policy", "observation_space", value=node)


@pytest.mark.parametrize("change", [again_and_again, of_two_numbers])
def test_what_a_tree_makes_of_its_arrays_takes_memory_in_proportion_too(tmp_path, change):
    agent = QLearning.for_env(Corridor(20_000), seed=0)
    agent.save(tmp_path / "agent.npz")
    rewritten(tmp_path / "agent.npz", change)
    assert peak_of_loading(tmp_path / "agent.npz") < 40 * (tmp_path / "agent.npz").stat().st_size + 4 * archive.CHUNK


def test_the_name_of_a_dtype_has_torch_import_nothing(monkeypatch):
    torch = pytest.importorskip("torch")
    from rlkit.checkpoint.decode import Decoder

    asked = []
    monkeypatch.setattr(torch, "__getattr__", asked.append, raising=False)
    for name in ("onnx", "_inductor", "nn", "nothing"):
        with pytest.raises(CheckpointError, match="is not a dtype"):
            Decoder([np.zeros(2)]).decode({"tensor": 0, "dtype": name}, None, "agent.w")
    assert asked == []
