"""`python -m loops`."""

import sys

from loops.cli import main

sys.exit(main())
