"""The script that git calls: how it is written, known again, and renewed."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import sysconfig
import tempfile
from pathlib import Path

from route_agent.hooks import SKIP
from route_agent.places import APP

NAME = "pre-push"
KEPT = "pre-push.route-agent-kept"
MOVED = "pre-push.legacy"  # where the pre-commit framework puts a hook that it finds, to run it first
MARKER = b"# route-agent pre-push hook"
FORM = MARKER + b" (2):"  # of this version; the first one wrote none

# git tells the refs once, on standard input, and two programs want them; the dot saves the last line's end.
# A program that does not start is not installed any more, and must not stop anybody's work: a shell says so
# with 126 or 127, and Python with the 1 that also stands for a verdict, so then it is asked for its version.
_SCRIPT = """\
#!/bin/sh
{form} made by `route-agent hook install`, removed by `route-agent hook uninstall`.
# The hook that stood here before is kept beside this file and runs first. To skip both: {skip}
kept=$(dirname -- "$0")/{kept}
refs=$(cat && printf .)
if [ -f "$kept" ] && [ -x "$kept" ]; then
  printf %s "${{refs%.}}" | "$kept" "$@" || exit
fi
[ "$refs" != . ] || exit 0
for program in {programs}; do
  command -v "$program" >/dev/null 2>&1 || continue
  printf %s "${{refs%.}}" | "$program" hook run -- "$@"
  code=$?
  case $code in
    126 | 127) continue ;;
    1) "$program" --version </dev/null >/dev/null 2>&1 || continue ;;
  esac
  exit $code
done
echo "route-agent: nothing is judged: the program that this hook calls does not start. The push goes on." >&2
"""


def our_place(folder: Path) -> Path | None:
    """The file in which our hook lies, also after the pre-commit framework has moved it."""
    return next(
        (folder / name for name in (NAME, MOVED) if _first_comment(folder / name).startswith(MARKER)), None
    )


def is_old(file: Path) -> bool:
    """Whether a hook of ours was written by an earlier version."""
    return not _first_comment(file).startswith(FORM)


def _first_comment(file: Path) -> bytes:
    if not file.is_file():
        return b""
    with file.open("rb") as script:
        script.readline(256)
        return script.readline(256)


def write(file: Path) -> None:
    """Write the script whole or not at all.

    Raises:
        OSError: the folder cannot be written to.
    """
    programs = " ".join(shlex.quote(str(it)) for it in dict.fromkeys((program() or APP, APP)))
    script = _SCRIPT.format(form=FORM.decode(), kept=KEPT, skip=SKIP, programs=programs)
    descriptor, name = tempfile.mkstemp(prefix=f".{NAME}-", dir=file.parent)
    try:
        with os.fdopen(descriptor, "wb") as new:
            new.write(os.fsencode(script))
        Path(name).chmod(0o755)
        Path(name).replace(file)
    finally:
        Path(name).unlink(missing_ok=True)


def program() -> Path | None:
    """The installed `route-agent`, by a path that lasts: a link of pipx is kept as it is."""
    beside = Path(sysconfig.get_path("scripts"), APP)
    on_path = shutil.which(APP)
    candidates = [Path(sys.argv[0]), beside, *([Path(on_path)] if on_path else [])]
    return next((it.absolute() for it in candidates if it.name == APP and os.access(it, os.X_OK)), None)


def line_by_hand() -> str:
    """What does the same in somebody's own hook."""
    return f'{shlex.quote(str(program() or APP))} hook run "$@"'
