"""SB3's logger, writing into the log of one of our runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.logger import Figure, HParam, Image, KVWriter, Logger, SeqWriter, Video

from rlkit.errors import warn

if TYPE_CHECKING:
    from rlkit.training import Training


def logger_into(training: Training) -> Logger:
    """Return a logger of SB3's for callbacks of a run; what they `record` becomes part of the run's log.

    It goes out when they `dump`, or else with the next row. What is excluded from "tensorboard" is left out, because
    our rows are the same everywhere.
    """
    folder = training.folder or training.directory
    path = getattr(folder, "path", folder)
    return Logger(None if path is None else str(path), [_Writer(training)])


class _Writer(KVWriter, SeqWriter):
    """Writes what SB3's logger gathered."""

    def __init__(self, training: Training) -> None:
        self.training = training
        self._refused: set[str] = set()

    def write(self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0) -> None:
        """Log everything at a step; at 0, which is SB3's default, at the step that the run is at."""
        for tag, value in key_values.items():
            if "tensorboard" not in key_excluded.get(tag, ()):
                self._write(tag, value, step or self.training.step)

    def write_sequence(self, sequence: list[str]) -> None:
        """Print a message, if the run's rows are printed."""
        if self.training.console:
            print(*sequence, flush=True)

    def close(self) -> None:
        """Leave the log open: it is the run's."""

    def _write(self, tag: str, value: Any, step: int) -> None:
        logger = self.training.logger
        if hasattr(value, "detach"):
            value = value.detach().cpu().numpy()
        if isinstance(value, str):
            logger.text(tag, value, step)
        elif isinstance(value, HParam):
            logger.hparams(value.hparam_dict, value.metric_dict)
        elif isinstance(value, Figure):
            logger.image(tag, _drawn(value), step)
        elif isinstance(value, Image):
            logger.image(tag, _pixels(value.image, value.dataformats), step)
        elif isinstance(value, Video):
            logger.gif(tag, list(_frames(value)), step, frames_per_second=value.fps)
        elif np.size(value) == 1:
            logger.scalar(tag, float(value), step)
        elif tag not in self._refused:
            self._refused.add(tag)
            warn(f"{tag}: a {type(value).__name__} with {np.size(value)} numbers is not logged; record a number of it")


def _drawn(value: Figure) -> NDArray[np.uint8]:
    from rlkit.plotting import to_image

    image = to_image(value.figure)
    if value.close:
        from matplotlib import pyplot

        pyplot.close(value.figure)
    return image


def _frames(value: Video) -> NDArray[np.uint8]:
    """Return a video's first film, uint8 `[T, H, W, 3]`; SB3 has `[N, T, C, H, W]`."""
    return _bytes(np.moveaxis(np.asarray(value.frames)[0], 1, -1))


def _pixels(image: Any, axes: str) -> NDArray[np.uint8]:
    """Return a picture, or several side by side, as uint8 `[H, W, 3]`.

    Args:
        image: numbers, floats from 0 to 1 or uint8.
        axes: what its axes are, such as "HWC", "CHW", "HW" or "NCHW".
    """
    array = np.asarray(image)
    missing = "".join(axis for axis in "NHWC" if axis not in axes)
    array = array.reshape((1,) * len(missing) + array.shape)
    array = array.transpose([(missing + axes).index(axis) for axis in "NHWC"])
    side_by_side = np.concatenate(list(array), axis=1)
    return _bytes(np.broadcast_to(side_by_side, (*side_by_side.shape[:2], 3)) if array.shape[3] == 1 else side_by_side)


def _bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype != np.uint8:
        array = np.clip(np.rint(255 * array), 0, 255).astype(np.uint8)
    return np.ascontiguousarray(array)
