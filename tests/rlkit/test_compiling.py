"""Compiled functions are cached, and never outlive the sources that they were made from."""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from typing import NamedTuple

import numba
import pytest

import rlkit
from rlkit.bellman import kernels
from rlkit.compiling import newest_beside, newest_change, njit

RULE = """
from typing import NamedTuple
from rlkit.compiling import njit

class Rule(NamedTuple):
    n: float

@njit(cache=True)
def size(rule):
    return rule.n
"""


@pytest.fixture
def users(tmp_path, monkeypatch):
    """A user's module, with a rule and a function that numba would cache beside it."""
    (tmp_path / "users_rules.py").write_text(RULE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    module = importlib.import_module("users_rules")
    yield module
    del sys.modules["users_rules"]


class Pair(NamedTuple):
    rule: NamedTuple
    more: float


def key_of(*values):
    """What numba asks for when it looks for code for values of such types."""
    return tuple(map(numba.typeof, values)), ("processor",), ("bytes",)


def test_a_change_in_any_file_voids_the_cache_of_every_compiled_function(tmp_path):
    (tmp_path / "package").mkdir()
    linked = tmp_path / "linked"
    linked.mkdir()
    (tmp_path / "package" / "link").symlink_to(linked)
    for path, changed in ((tmp_path / "package" / "outer.py", 1000), (linked / "inner.py", 2000)):
        path.write_text("")
        os.utime(path, (changed, changed))
    assert newest_change(str(tmp_path / "package")) == 2000


def test_the_newest_change_is_part_of_what_numba_compares():
    stamp = kernels.backup._cache._cache_file.stamp
    assert stamp[-1] == newest_change(str(Path(rlkit.__file__).parent))


def test_what_is_cached_is_found_by_the_types_it_is_for(users):
    shelf = users.size._cache._cache_file
    shelf.save(key_of(users.Rule(1.0)), "of a rule")
    shelf.save(key_of(1.0), "of a number")
    assert shelf.load(key_of(users.Rule(1.0))) == "of a rule"
    assert shelf.load(key_of(1.0)) == "of a number"
    assert shelf.load(key_of(users.Rule(1))) is None


def test_a_change_beside_a_users_class_voids_what_was_compiled_for_it_and_nothing_else(users, tmp_path):
    shelf = kernels.backup._cache._cache_file
    mine = key_of(Pair(users.Rule(1.0), 2.0))  # however deep
    before = shelf._name(mine), shelf._name(key_of(1.0))
    os.utime(tmp_path / "users_rules.py", (2e9, 2e9))
    newest_beside.cache_clear()
    assert shelf._name(mine) != before[0]
    assert shelf._name(key_of(1.0)) == before[1]


def test_classes_of_the_same_name_in_other_files_are_told_apart(users, tmp_path):
    shelf = kernels.backup._cache._cache_file
    first = shelf._name(key_of(users.Rule(1.0)))
    (tmp_path / "others").mkdir()
    (tmp_path / "others/users_rules.py").write_text(RULE)
    os.utime(tmp_path / "others/users_rules.py", (tmp_path / "users_rules.py").stat()[-3:-1])
    users.__file__ = str(tmp_path / "others/users_rules.py")
    assert shelf._name(key_of(users.Rule(1.0))) != first


def test_code_for_classes_that_no_other_process_can_name_is_not_kept(users, tmp_path):
    class Local(NamedTuple):
        n: float

    shelf = users.size._cache._cache_file
    shelf.save(key_of(Local(1.0)), "local")
    assert shelf.load(key_of(Local(1.0))) is None
    assert not list(tmp_path.rglob("*.nbc"))


def test_what_was_compiled_from_older_files_is_thrown_away_and_a_damaged_file_is_not_there(users, tmp_path):
    shelf = users.size._cache._cache_file
    shelf.save(key_of(1.0), "old")
    (path,) = tmp_path.rglob("*.nbc")
    newer = njit(cache=True)(users.size.py_func)._cache._cache_file
    newer._prefix = shelf._base + "newer"
    newer.save(key_of(1.0), "new")
    assert not path.exists()
    (path,) = tmp_path.rglob("*.nbc")
    path.write_bytes(b"half")
    assert newer.load(key_of(1.0)) is None


def test_a_function_of_a_users_rule_runs_from_the_cache(users, tmp_path):
    assert users.size(users.Rule(3.0)) == 3.0
    assert len(list(tmp_path.rglob("*.nbc"))) == 1
    again = njit(cache=True)(users.size.py_func)
    assert again(users.Rule(4.0)) == 4.0
    assert sum(again.stats.cache_hits.values()) == 1
