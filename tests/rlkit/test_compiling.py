"""Compiled functions are cached, and never outlive the sources that they were made from."""

from __future__ import annotations

import os
from pathlib import Path

import rlkit
from rlkit.bellman import kernels
from rlkit.compiling import newest_change


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
    stamp = kernels.backup._cache._cache_file._source_stamp
    assert stamp[-1] == newest_change(str(Path(rlkit.__file__).parent))
