"""An episode as a picture: an animation of what the environment draws, or curves of what happened in it."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rlkit.logger import Logger, encode_gif
from rlkit.transition import Transition

FRAMES = 100  # at most so many are shown of an episode, and at least half as many of a long one
LARGEST_SIDE = 256  # pixels; larger frames are scaled down
FASTEST, SLOWEST = 50.0, 5.0  # frames a second


class Film:
    """Follows an episode in an environment and keeps what it takes to show it.

    Where the environment's `render_mode` is `"rgb_array"`, it is drawn after every k-th step, k growing with the
    episode, so that neither drawing nor the animation is ever long.

    Attributes:
        frames: uint8 `(H, W, 3)` each.
        steps: all steps, where there is nothing to draw.
        trouble: why there are no frames, None if nothing went wrong.
    """

    def __init__(self, env: gymnasium.Env[Any, Any]) -> None:
        self.env = env
        self.frames: list[NDArray[np.uint8]] = []
        self.steps: list[Transition] = []
        self.trouble: str | None = None
        self._draws = env.render_mode == "rgb_array"
        self._stride, self._count = 1, 0

    def note(self, transition: Transition) -> None:
        """Take in the step that the environment has just taken."""
        if not self._draws:
            self.steps.append(transition)
            return
        if self._count % self._stride == 0 and self.trouble is None:
            self._draw()
        self._count += 1

    def show(self, logger: Logger, tag: str, path: Path, step: int, *, agent: str) -> None:
        """Log the episode of an agent, said by name, under a tag, and write it to `path` with `.gif` or `.png`.

        Trouble costs a warning.
        """
        try:
            if self.frames:
                self._animate(logger, tag, path.with_suffix(".gif"), step)
            elif self.steps:
                from rlkit import plotting

                name = type(self.env.unwrapped).__name__ if self.env.spec is None else self.env.spec.id
                figure = plotting.plot_episode(self.steps, title=f"{agent} on {name}, after {step:,} steps of learning")
                logger.image(tag, plotting.to_image(figure), step)
                plotting.save(figure, path.with_suffix(".png"), dpi=100)
        except OSError as error:
            self.trouble = f"{path}: cannot be written ({error.strerror}); the run goes on"
        if self.trouble is not None:
            logger.warn(self.trouble)

    def _draw(self) -> None:
        try:
            frame = np.asarray(self.env.render(), np.uint8)
        except Exception as error:  # whatever ails the graphics, learning does not depend on them
            self.trouble = f"{self.env}: cannot be drawn ({error}); the run goes on"
            self.frames = []
            return
        self.frames.append(_smaller(frame))
        if len(self.frames) > FRAMES:
            self.frames = self.frames[::2]
            self._stride *= 2

    def _animate(self, logger: Logger, tag: str, path: Path, step: int) -> None:
        speed = self.env.metadata.get("render_fps") or 30.0
        speed = min(max(speed / self._stride, SLOWEST), FASTEST)
        encoded = encode_gif(self.frames, frames_per_second=speed)
        logger.encoded_image(tag, encoded, self.frames[0].shape, step)
        path.write_bytes(encoded)


def _smaller(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a frame of at most 256 pixels a side."""
    factor = math.ceil(max(frame.shape[:2]) / LARGEST_SIDE)
    if factor == 1:
        return frame
    from PIL import Image

    return np.asarray(Image.fromarray(frame).reduce(factor))
