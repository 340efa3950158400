"""`python -m backprop`, the same as the command `backprop`."""

import sys

from backprop.cli import main

if __name__ == "__main__":
    sys.exit(main())
