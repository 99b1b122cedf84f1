"""A point mass in a drawn maze, and the shortest ways through it."""
