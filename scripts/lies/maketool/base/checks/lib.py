"""Assertions for the Python checks."""

import sys
import traceback


def equal(found, wanted):
    assert found == wanted, f"\n found: {found!r}\nwanted: {wanted!r}"


def contains(text, part):
    assert part in text, f"{part!r} is not in {text!r}"


def fails(kind, function, *args):
    try:
        function(*args)
    except kind as error:
        return str(error)
    raise AssertionError(f"{function.__name__}{args} did not fail")


def run(*functions):
    """Call each one, report what fails, exit with 1 if any did."""
    failed = 0
    for function in functions:
        try:
            function()
        except Exception:
            failed += 1
            print(f"{function.__name__}:")
            traceback.print_exc(limit=-2, file=sys.stdout)
    sys.exit(1 if failed else 0)
