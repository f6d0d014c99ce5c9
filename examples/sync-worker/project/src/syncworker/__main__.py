"""`python -m syncworker`."""

import sys

from syncworker.cli import main

if __name__ == "__main__":
    sys.exit(main())
