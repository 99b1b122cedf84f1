"""Scalars, pictures and hyperparameters of a run: TensorBoard events, `progress.csv`, and a table on the console.

TensorBoard's event files are written directly (no torch, no thread: 25 ms to import, and safe to kill or fork at any
moment). Whatever goes wrong while writing, a full disk for instance, costs one warning and never the training.
"""

from __future__ import annotations

import csv
import io
import os
import socket
import struct
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rlkit.crc32c import masked_crc32c
from rlkit.errors import warn
from rlkit.files import write_whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PENDING_LIMIT = 1 << 23  # bytes kept back while the disk takes nothing
PIECES = 256  # pieces gathered before they are written


class Logger:
    """Write what a run produces into its folder; every method is cheap, and none ever raises for a full disk.

    Args:
        folder: where the event file and `progress.csv` go; None writes no files.
        console: also print every row of scalars as a table.
        resume_from: the step of the checkpoint that a resumed run starts at. Rows after it are cut off `progress.csv`
            and hidden from TensorBoard, so that each step is shown once. None appends.

    Attributes:
        latest: the number recorded last, by tag.
    """

    def __init__(self, folder: str | Path | None, *, console: bool = False, resume_from: int | None = None) -> None:
        self.folder = None if folder is None else Path(folder)
        self.console = console
        self.latest: dict[str, float] = {}
        self._row: dict[str, float] = {}
        self._row_step = 0
        self._warned = False
        self._events = None if self.folder is None else _EventFile(self.folder, resume_from)
        self._table = None if self.folder is None else _CsvTable(self.folder / "progress.csv", resume_from)

    def scalar(self, tag: str, value: float, step: int) -> None:
        """Record a number. Scalars of one step make one row, which goes out when another step begins or at `flush`."""
        if step != self._row_step:
            self._write_row()
            self._row_step = step
        self._row[tag] = self.latest[tag] = float(value)

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        """Record several numbers of one step."""
        for tag, value in values.items():
            self.scalar(tag, value, step)

    def image(self, tag: str, image: NDArray[np.uint8], step: int) -> None:
        """Record a picture, uint8 `[H, W, 3]`."""
        from PIL import Image

        stream = io.BytesIO()
        Image.fromarray(image).save(stream, format="PNG", compress_level=1)
        self.encoded_image(tag, stream.getvalue(), image.shape, step)

    def gif(self, tag: str, frames: Sequence[NDArray[np.uint8]], step: int, *, frames_per_second: float = 10) -> None:
        """Record an animation, each frame uint8 `[H, W, 3]`, which TensorBoard plays among the images."""
        self.encoded_image(tag, encode_gif(frames, frames_per_second=frames_per_second), frames[0].shape, step)

    def text(self, tag: str, markdown: str, step: int = 0) -> None:
        """Record a text in Markdown."""
        if self._events is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
        from tensorboard.compat.proto.tensor_pb2 import TensorProto

        metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
        tensor = TensorProto(dtype="DT_STRING", string_val=[markdown.encode()])
        tensor.tensor_shape.dim.add(size=1)
        value = Summary.Value(tag=f"{tag}/text_summary", metadata=metadata, tensor=tensor)
        self._events.summary([value], step)

    def hparams(self, config: Mapping[str, Any], metrics: Iterable[str] = ()) -> None:
        """Record hyperparameters, as a text and in TensorBoard's hparams tab, under this very run.

        Args:
            config: names and values; a value that has names itself is shown as `actor.layer_norm` and so on.
            metrics: tags of the scalars that the tab shows next to them.
        """
        config = dict(_flat(config))
        rows = "\n".join(f"| {name} | {value} |" for name, value in config.items())
        self.text("config", f"| hyperparameter | value |\n|---|---|\n{rows}")
        if self._events is not None:
            self._events.summary(_hparams_values(config, metrics), 0)

    def flush(self) -> None:
        """Hand everything to the operating system: what was recorded so far survives a killed process."""
        self._write_row()
        for sink in (self._events, self._table):
            if sink is not None:
                sink.flush()

    def sync(self) -> None:
        """Have everything on the disk: what was recorded so far survives a machine that dies."""
        self._write_row()
        for sink in (self._events, self._table):
            if sink is not None:
                sink.sync()

    def warn(self, message: str) -> None:
        """Warn of trouble with files, once a run."""
        if not self._warned:
            self._warned = True
            warn(message)

    def close(self) -> None:
        """Flush, and let go of the files; a later call opens them again."""
        self.flush()
        for sink in (self._events, self._table):
            if sink is not None:
                sink.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _write_row(self) -> None:
        if not self._row:
            return
        row, self._row = self._row, {}
        if self._events is not None:
            self._events.scalars(row, self._row_step)
        if self._table is not None:
            self._table.write({"step": self._row_step, **row})
        if self.console:
            print(format_table({**row, "step": self._row_step}), flush=True)

    def encoded_image(self, tag: str, encoded: bytes, shape: tuple[int, ...], step: int) -> None:
        """Record a picture that is a PNG or GIF already, of shape `[H, W, ...]`."""
        if self._events is None:
            return
        from tensorboard.compat.proto.summary_pb2 import Summary

        picture = Summary.Image(height=shape[0], width=shape[1], colorspace=3, encoded_image_string=encoded)
        self._events.summary([Summary.Value(tag=tag, image=picture)], step)


def encode_gif(frames: Sequence[NDArray[np.uint8]], *, frames_per_second: float = 10) -> bytes:
    """Encode frames, each uint8 `[H, W, 3]`, as an endlessly looping GIF."""
    from PIL import Image

    first, *others = [Image.fromarray(frame) for frame in frames]
    stream = io.BytesIO()
    first.save(
        stream, format="GIF", save_all=True, append_images=others, duration=round(1000 / frames_per_second), loop=0
    )
    return stream.getvalue()


def format_table(values: Mapping[str, float]) -> str:
    """Lay numbers out as SB3 does: one block per tag's first part, names left, values right."""
    lines: list[tuple[str, str]] = []
    group = None
    for tag, value in sorted(values.items()):
        head, slash, name = tag.rpartition("/")
        if slash and head != group:
            lines.append((f"{head}/", ""))
        group = head
        lines.append((f"   {name}" if slash else tag, f"{value:.4g}" if isinstance(value, float) else str(value)))
    left, right = (max(len(line[side]) for line in lines) for side in (0, 1))
    rule = "-" * (left + right + 7)
    return "\n".join([rule, *(f"| {name:<{left}} | {text:<{right}} |" for name, text in lines), rule])


class _Appender:
    """Append bytes to a file in whole pieces; a piece that the disk refuses is kept and tried again.

    A piece that was only partly written is cut off again, so that the file never holds half a record.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None
        self._pending: list[bytes] = []
        self._synced = True
        self._warned = False

    def append(self, piece: bytes) -> None:
        self._pending.append(piece)
        if len(self._pending) >= PIECES:
            self.flush()

    def flush(self) -> None:
        if not self._pending:
            return
        data = b"".join(self._pending)
        try:
            self._write(data)
        except OSError as error:
            self.warn(error)
            self._pending = [data] if len(data) < PENDING_LIMIT else []
        else:
            self._pending = []

    def sync(self) -> None:
        self.flush()
        if self._descriptor is not None and not self._synced:
            try:
                os.fsync(self._descriptor)
                self._synced = True
            except OSError as error:
                self.warn(error)

    def _write(self, data: bytes) -> None:
        self._synced = False
        if self._descriptor is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        size = os.fstat(self._descriptor).st_size
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            os.ftruncate(self._descriptor, size)
            raise

    def warn(self, error: OSError) -> None:
        if not self._warned:
            self._warned = True
            warn(f"{self.path}: cannot be written ({error.strerror}); the run goes on")

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _EventFile:
    """One TensorBoard event file: a sequence of `Event` protocol buffers, each framed by its length and CRCs."""

    def __init__(self, folder: Path, resume_from: int | None) -> None:
        # TensorBoard reads a folder's files in the order of their names: time comes first.
        name = f"events.out.tfevents.{time.time_ns() // 1000:016d}.{socket.gethostname()}.{os.getpid()}"
        self._file = _Appender(folder / name)
        self._resume_from = resume_from
        self._begun = False

    def scalars(self, values: Mapping[str, float], step: int) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        self.summary([Summary.Value(tag=tag, simple_value=value) for tag, value in values.items()], step)

    def summary(self, values: Sequence[Any], step: int) -> None:
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        if not self._begun:
            self._begun = True
            self._append(Event(wall_time=time.time(), file_version="brain.Event:2"))
            if self._resume_from is not None:  # what earlier files hold from this step on is void
                start = SessionLog(status=SessionLog.START)
                self._append(Event(wall_time=time.time(), step=self._resume_from + 1, session_log=start))
        self._append(Event(wall_time=time.time(), step=step, summary=Summary(value=values)))

    def _append(self, event: Any) -> None:
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        crcs = (struct.pack("<I", masked_crc32c(part)) for part in (length, data))
        self._file.append(length + next(crcs) + data + next(crcs))

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


class _CsvTable:
    """A CSV file of rows; a row with a new name widens the table, and the file is written anew."""

    def __init__(self, path: Path, resume_from: int | None) -> None:
        self._file = _Appender(path)
        self._resume_from = resume_from
        self._columns: list[str] | None = None

    def write(self, row: Mapping[str, float]) -> None:
        if self._columns is None or any(name not in self._columns for name in row):
            self._widen(row)
        assert self._columns is not None
        self._file.append(_csv_line([_spell(row.get(name)) for name in self._columns]))

    def _widen(self, row: Mapping[str, float]) -> None:
        self._file.flush()
        try:
            old = self._read()
            columns = [*(old[0] if old else ["step"])]
            columns += [name for name in row if name not in columns]
            lines = [_csv_line(columns)]
            lines += [_csv_line(line + [""] * (len(columns) - len(line))) for line in old[1:]]
            self._file.close()
            write_whole(self._file.path, lambda stream: stream.write(b"".join(lines)))
        except OSError as error:
            self._file.warn(error)
            columns = ["step", *(name for name in row if name != "step")] if self._columns is None else self._columns
        self._columns = columns
        self._resume_from = None

    def _read(self) -> list[list[str]]:
        if not self._file.path.exists():
            return []
        with self._file.path.open(newline="", encoding="utf-8") as stream:
            header, *rows = list(csv.reader(stream)) or [["step"]]
        rows = [line for line in rows if len(line) == len(header)]  # a killed process may leave half a line
        if self._resume_from is not None:
            rows = [line for line in rows if line[0].isdecimal() and int(line[0]) <= self._resume_from]
        return [header, *rows]

    def flush(self) -> None:
        self._file.flush()

    def sync(self) -> None:
        self._file.sync()

    def close(self) -> None:
        self._file.close()


def _csv_line(cells: Iterable[str]) -> bytes:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerow(cells)
    return stream.getvalue().encode()


def _spell(value: float | None) -> str:
    return "" if value is None else repr(value)


def _flat(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def _hparams_values(config: Mapping[str, Any], metrics: Iterable[str]) -> list[Any]:
    """Build the three summaries that TensorBoard's hparams tab reads: experiment, session start, session end."""
    from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
    from tensorboard.plugins.hparams import api_pb2, plugin_data_pb2

    experiment, start = api_pb2.Experiment(), plugin_data_pb2.SessionStartInfo(start_time_secs=time.time())
    for name, value in config.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
            kind = "DATA_TYPE_BOOL"
        elif isinstance(value, int | float):
            start.hparams[name].number_value = value
            kind = "DATA_TYPE_FLOAT64"
        else:
            start.hparams[name].string_value = str(value)
            kind = "DATA_TYPE_STRING"
        experiment.hparam_infos.add(name=name, type=api_pb2.DataType.Value(kind))
    for tag in metrics:
        experiment.metric_infos.add(name=api_pb2.MetricName(tag=tag))
    end = plugin_data_pb2.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    parts = {"experiment": experiment, "session_start_info": start, "session_end_info": end}
    values = []
    for name, part in parts.items():
        content = plugin_data_pb2.HParamsPluginData(version=0, **{name: part}).SerializeToString()
        plugin = SummaryMetadata.PluginData(plugin_name="hparams", content=content)
        values.append(Summary.Value(tag=f"_hparams_/{name}", metadata=SummaryMetadata(plugin_data=plugin)))
    return values
