"""Small problems with known answers: random walks, and the classic examples of what goes wrong."""
