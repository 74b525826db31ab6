"""``python -m pcqtool``: the same as the ``pcqtool`` command."""

import sys

from pcqtool.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
