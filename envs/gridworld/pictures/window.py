"""A window on the screen for render mode "human": the only part that needs pygame."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray


class Window:
    """Shows frames at a steady pace; made at the first frame, closed by `close`.

    Args:
        title: of the window.
        frames_per_second: at most so many.

    Raises:
        ImportError: pygame is not installed.
    """

    def __init__(self, title: str, frames_per_second: int) -> None:
        os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
        try:
            import pygame
        except ImportError as error:
            raise ImportError('render_mode="human" needs pygame: pip install pygame-ce (the extra "render")') from error
        self._pygame = pygame
        self._pace = frames_per_second
        self._screen: pygame.Surface | None = None
        self._title = title
        self._clock = pygame.time.Clock()

    def show(self, frame: NDArray[np.uint8]) -> None:
        """Show a frame, uint8 `(height, width, 3)`, after waiting for its turn."""
        pygame, size = self._pygame, (frame.shape[1], frame.shape[0])
        if self._screen is None or self._screen.get_size() != size:
            pygame.display.init()
            self._screen = pygame.display.set_mode(size)
            pygame.display.set_caption(self._title)
        self._screen.blit(pygame.surfarray.make_surface(frame.swapaxes(0, 1)), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._pace)

    def close(self) -> None:
        """Close the window."""
        if self._screen is not None:
            self._pygame.display.quit()
            self._screen = None
