"""The way in: `route-agent` and `python -m route_agent`. The one place that catches a bug (exit 70)."""

import os
import sys

# looking for plug-ins of the validation library costs a millisecond for every installed package
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

if not sys.flags.safe_path and sys.argv[0].endswith("__main__.py"):
    # `python -m` puts the current folder first: a repository's own yaml.py must not become ours
    sys.path.pop(0)


def main() -> None:
    """Run the command line and exit."""
    from route_agent.cli.app import app

    try:
        app()
    except BrokenPipeError:
        sys.stderr.close()  # the reader went away: `route-agent show | head`
        sys.exit(141)
    except Exception:  # noqa: BLE001 - whatever arrives here is our fault, and says so with its traceback
        import traceback

        traceback.print_exc()
        sys.stderr.write("this is a bug in route-agent; please report it with the lines above\n")
        sys.exit(70)


if __name__ == "__main__":
    main()
