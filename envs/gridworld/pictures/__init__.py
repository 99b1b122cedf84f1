"""Pictures of grid worlds, drawn with Pillow alone: fast to start, and the same on every machine."""
