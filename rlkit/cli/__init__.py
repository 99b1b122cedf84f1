"""The command line: `rlkit`."""
