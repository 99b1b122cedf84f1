"""The file: one uncompressed zip of a JSON tree and plain arrays, written atomically and read with suspicion.

Members are `tree.json` and `0.npy`, `1.npy`, ..., each with zip's CRC; the archive's comment seals the whole file with
another. The arrays are ordinary `.npy` (format 1.0), so that `numpy.load` opens the file too. Nothing in it is ever
unpickled or imported, and reading it takes memory in proportion to its size, whatever its headers claim.
"""

from __future__ import annotations

import json
import math
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from rlkit.errors import CheckpointError
from rlkit.files import write_whole

TREE = "tree.json"
SEAL = b"rlkit-crc32:"
MAGIC = b"\x93NUMPY\x01\x00"
HEADER = re.compile(
    rb"\{'descr': '([^']{1,32})', 'fortran_order': (False|True), 'shape': \(((?:\d{1,19}, ?)*(?:\d{1,19})?)\), \} *\n"
)
DTYPE = re.compile(
    r"\|b1|\|[iu]1|[<>][iu][248]|[<>]f[248]|[<>]c(8|16)|\|S[1-9]\d{0,8}|[<>]U[1-9]\d{0,8}|[<>][mM]8(\[\w{1,8}\])?"
)
CHUNK = 1 << 20


def is_plain(dtype: np.dtype[Any]) -> bool:
    """Say whether arrays of this dtype can be stored: numbers, text, dates; no objects, no fields."""
    return dtype.fields is None and DTYPE.fullmatch(dtype.str) is not None


def write(path: Path, tree: Any, arrays: Sequence[NDArray[Any]]) -> None:
    """Write a checkpoint so that, whatever happens, `path` holds the old one or the new one, whole.

    Raises:
        CheckpointError: the file cannot be written.
    """

    def write_all(stream: IO[bytes]) -> None:
        _write_members(stream, tree, arrays)
        _seal(stream)

    try:
        write_whole(path, write_all)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be written ({error.strerror or error})") from error


def read(path: Path) -> tuple[Any, list[NDArray[Any]]]:
    """Read what `write` wrote.

    Raises:
        CheckpointError: the file cannot be read, is no checkpoint, or is damaged.
    """
    try:
        with path.open("rb") as stream:
            _check_seal(stream)
            return _read_members(stream)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from error
    except Exception as error:  # whatever a damaged archive makes zipfile, json or numpy raise
        raise CheckpointError(f"{path}: is damaged ({type(error).__name__}: {error})") from error


def _write_members(stream: IO[bytes], tree: Any, arrays: Sequence[NDArray[Any]]) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = SEAL + b"0" * 8
        archive.writestr(zipfile.ZipInfo(TREE), json.dumps(tree, separators=(",", ":"), allow_nan=False))
        for number, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(f"{number}.npy"), "w", force_zip64=True) as member:
                member.write(_npy_header(array))
                in_order = array if array.flags.c_contiguous else array.T if array.flags.f_contiguous else array.copy()
                data = np.ascontiguousarray(in_order).reshape(-1).view(np.uint8).data
                for start in range(0, len(data), CHUNK):
                    member.write(data[start : start + CHUNK])


def _npy_header(array: NDArray[Any]) -> bytes:
    fortran = array.flags.f_contiguous and not array.flags.c_contiguous
    text = f"{{'descr': '{array.dtype.str}', 'fortran_order': {fortran}, 'shape': {array.shape}, }}".encode()
    padding = -(len(MAGIC) + 2 + len(text) + 1) % 64
    text += b" " * padding + b"\n"
    return MAGIC + struct.pack("<H", len(text)) + text


def _seal(stream: IO[bytes]) -> None:
    stream.seek(0, os.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    crc = _crc(stream, size - 8)
    stream.seek(size - 8)
    stream.write(f"{crc:08x}".encode())


def _check_seal(stream: IO[bytes]) -> None:
    size = stream.seek(0, os.SEEK_END)
    if size < len(SEAL) + 8:
        raise CheckpointError("is not a checkpoint")
    stream.seek(size - len(SEAL) - 8)
    tail = stream.read()
    if not tail.startswith(SEAL):
        raise CheckpointError("is not a whole checkpoint")
    stream.seek(0)
    if tail[len(SEAL) :] != f"{_crc(stream, size - 8):08x}".encode():
        raise CheckpointError("is damaged (its checksum does not match)")


def _crc(stream: IO[bytes], size: int) -> int:
    crc = 0
    while size > 0:
        piece = stream.read(min(CHUNK, size))
        if not piece:
            break
        crc, size = zlib.crc32(piece, crc), size - len(piece)
    return crc


def _read_members(stream: IO[bytes]) -> tuple[Any, list[NDArray[Any]]]:
    size = stream.seek(0, os.SEEK_END)
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if [member.filename for member in members] != [TREE, *(f"{i}.npy" for i in range(len(members) - 1))]:
            raise CheckpointError("is not a checkpoint: its members are not a tree and arrays")
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
                raise CheckpointError(f"is not a checkpoint: {member.filename} is compressed or encrypted")
        if sum(member.file_size for member in members) > size:
            raise CheckpointError("is damaged: its members claim more bytes than the file has")
        with archive.open(TREE) as stream_of_tree:
            tree = json.loads(stream_of_tree.read(members[0].file_size))
            _expect_end(stream_of_tree)
        return tree, [_read_array(archive, member) for member in members[1:]]


def _read_array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> NDArray[Any]:
    with archive.open(info) as member:
        start = member.read(len(MAGIC) + 2)
        if len(start) < len(MAGIC) + 2 or not start.startswith(MAGIC):
            raise CheckpointError(f"{info.filename} is not a plain array")
        (length,) = struct.unpack("<H", start[-2:])
        header = HEADER.fullmatch(member.read(length))
        descr = header and header[1].decode("latin1")
        if header is None or descr is None or DTYPE.fullmatch(descr) is None:
            raise CheckpointError(f"{info.filename} is not a plain array")
        dtype = np.dtype(descr)
        shape = tuple(int(number) for number in header[3].replace(b",", b" ").split())
        expected = math.prod(shape) * dtype.itemsize
        if expected != info.file_size - len(start) - length:
            raise CheckpointError(f"{info.filename} claims {expected} bytes and has another number of them")
        flat = np.empty(expected, np.uint8)
        _fill(member, flat.data)
        _expect_end(member)
    return flat.view(dtype).reshape(shape, order="F" if header[2] == b"True" else "C")


def _fill(member: IO[bytes], target: memoryview) -> None:
    at = 0
    while at < len(target):
        piece = member.read(min(CHUNK, len(target) - at))
        if not piece:
            raise CheckpointError("ends too early")
        target[at : at + len(piece)] = piece
        at += len(piece)


def _expect_end(member: IO[bytes]) -> None:
    if member.read(1):  # reading to the end is also what makes zipfile compare the CRC
        raise CheckpointError("has bytes where a member should end")
