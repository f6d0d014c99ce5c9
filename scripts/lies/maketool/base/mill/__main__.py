"""python -m mill CONTENT OUT"""

import sys
from pathlib import Path

from mill.errors import MillError
from mill.site import build


def main(argv):
    if len(argv) != 2:
        print("usage: python -m mill CONTENT OUT", file=sys.stderr)
        return 64
    try:
        count = build(Path(argv[0]), Path(argv[1]))
    except MillError as error:
        print(f"mill: {error}", file=sys.stderr)
        return 1
    print(f"{count} pages")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
