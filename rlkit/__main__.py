"""`python -m rlkit` is the command line `rlkit`."""

import sys

from rlkit.cli import main

sys.exit(main())
