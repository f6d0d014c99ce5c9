"""The way in: `route-agent` and `python -m route_agent`. The one place that catches a bug (exit 70)."""

import io
import os
import sys

# looking for plug-ins of the validation library costs a millisecond for every installed package
os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")

if not sys.flags.safe_path and sys.argv[0].endswith("__main__.py"):
    # `python -m` puts the current folder first: a repository's own yaml.py must not become ours
    sys.path.pop(0)


def main() -> None:
    """Run the command line and exit."""
    try:
        _mend_streams()
        _run()
    except KeyboardInterrupt:  # so early that no command had begun
        sys.stderr.write("error: interrupted\n")
        sys.exit(130)
    except Exception:  # noqa: BLE001 - whatever arrives here is our fault, and says so with its traceback
        import traceback

        from route_agent.redaction import redact

        sys.stderr.write(redact(traceback.format_exc()))
        sys.stderr.write("this is a bug in route-agent; please report it with the lines above\n")
        sys.exit(70)


def _run() -> None:
    if sys.argv[1:2] == ["complete"]:  # at every press of Tab, so before anything else is imported
        from route_agent.cli.completion import complete

        complete(sys.argv[2:])
        return
    if (pushed := _of_a_push(sys.argv[1:])) is not None:
        from route_agent.cli.pushed import run

        run(*pushed)
    from route_agent.cli.app import command
    from route_agent.cli.edge import end_for_no_reader, plain_errors

    stdout = sys.stdout
    try:
        with plain_errors():  # help and usage are printed outside of every command
            command()()
    except SystemExit:
        if sys.stdout is not stdout:  # how the parser forgets a pipe whose reader went away
            end_for_no_reader()
        raise


def _of_a_push(arguments: list[str]) -> tuple[str, str] | None:
    """What git passes to its hook; None where another command is meant, or more than git would say.

    Everybody who pushes waits for this one, so it does without the command line's parser.
    """
    if arguments[:2] != ["hook", "run"]:
        return None
    told = arguments[3:] if arguments[2:3] == ["--"] else arguments[2:]
    if len(told) > 2 or any(it.startswith("-") for it in told):
        return None
    remote, url = (*told, "", "")[:2]
    return remote, url


def _mend_streams() -> None:
    """Streams that were closed lead nowhere; what an encoding does not have is escaped, and stops nothing."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # takes the number that is missing, before a file of ours can take it and be written over
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
