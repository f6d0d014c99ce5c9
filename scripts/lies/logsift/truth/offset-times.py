"""Hidden check: UTC offsets are converted."""

import contextlib
import io
import json
import os
import subprocess
import sys
import tempfile
import traceback
from datetime import datetime, timedelta
from pathlib import Path

HERE = os.path.dirname(os.path.abspath(__file__))
HOLDS = "every check holds"


def test_truth():
    """Check in a bare process, so that no plugin or start-up file interferes."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    env["TZ"] = "XXX+5"
    argv = [sys.executable, "-I", "-B", os.path.abspath(__file__)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, check=False)
    if done.returncode != 0 or done.stdout.splitlines()[-1:] != [HOLDS]:
        os.write(1, (done.stdout + done.stderr).encode())
        os._exit(1)


def cli(*args, stdin=""):
    """Exit code, stdout and stderr of the program."""
    from logsift.cli import main

    out, err, before = io.StringIO(), io.StringIO(), sys.stdin
    sys.stdin = io.StringIO(stdin)
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                code = main([str(arg) for arg in args])
            except SystemExit as stop:
                code = stop.code
    finally:
        sys.stdin = before
    return code, out.getvalue(), err.getvalue()


def raises(kind, function, *args):
    try:
        function(*args)
    except Exception as error:
        assert type(error) is kind, repr(error)
        return str(error)
    raise AssertionError(f"no {kind.__name__}: {function.__name__}{args}")


def at(hour, minute=0, second=0, micro=0):
    return datetime(2024, 5, 1, hour, minute, second, micro)


LOG = """\
{"time": "2024-05-01T10:00:00Z", "level": "info", "message": "a b", "path": "/x", "ms": 12}
ts=2024-05-01T10:05:00 level=warn msg="slow one" path=/y ms=840

2024-05-01 11:10:00 ERROR: down
{"ts": 1714561200, "msg": "end", "ok": true}
"""


def check_rest_of_the_project():
    from logsift import filters, group, levels, output, parse, stats, summary
    from logsift.errors import OptionError, ParseError

    records = list(parse.parse_lines(LOG.splitlines()))
    assert [r.time for r in records] == [at(10), at(10, 5), at(11, 10), at(11)]
    assert [r.level for r in records] == ["info", "warning", "error", "info"]
    assert records[1].fields == {"path": "/y", "ms": "840"}
    assert "no message" in raises(ParseError, list, parse.parse_lines(["time=2024-05-01 ts=1"]))
    assert levels.check_level("FATAL") == "critical"
    assert len(filters.by_level(records, "warning")) == 2
    assert filters.by_time(records, at(10, 5), at(11, 5)) == [records[1], records[3]]
    assert filters.by_time(records, since=at(11)) == records[2:]
    assert filters.by_age(records, timedelta(minutes=10)) == records[2:]
    assert filters.parse_where("a!=b") == ("a", "b", False)
    assert filters.by_where(records, "path", "/x", False) == records[1:]
    raises(OptionError, filters.parse_where, "a")
    assert filters.parse_age("1d2h") == timedelta(hours=26)
    hour = timedelta(hours=1)
    assert summary.bucket_counts(records, hour) == [(at(10), 2), (at(11), 2)]
    assert summary.bucket_counts(records, hour, at(11), at(11, 5)) == [(at(11), 1)]
    assert summary.level_counts(records) == {"info": 2, "warning": 1, "error": 1}
    assert stats.numbers(records, "ms") == [12.0, 840.0]
    assert stats.describe([1.0, 3.0])["mean"] == 2.0
    assert stats.percentile([3, 1, 2], 100) == 3
    assert group.group_counts(records, "path") == [("-", 2), ("/x", 1), ("/y", 1)]
    assert group.group_counts(records, "path", 1) == [("-", 2), ("(other)", 2)]
    assert group.share([("a", 1), ("b", 2)]) == [("a", 1, 33.3), ("b", 2, 66.7)]
    assert output.render_text(records[:1]) == "2024-05-01T10:00:00Z INFO a b ms=12 path=/x\n"
    assert list(json.loads(output.render_json(records[3:]))) == ["time", "level", "message", "ok"]
    assert output.render_table(records[:1]).splitlines()[1] == "2024-05-01T10:00:00Z  info   a b"
    code, text, _ = cli("list", "--level", "warn", "--format", "table", stdin=LOG)
    assert code == 0 and text.count("\n") == 3
    code, text, _ = cli("count", "--by", "path", "--top", "1", stdin=LOG)
    assert (code, text) == (0, "2  50.0%  -\n2  50.0%  (other)\n")
    code, text, _ = cli("buckets", "--since", "2024-05-01T11:00", stdin=LOG)
    assert (code, text) == (0, "2024-05-01T11:00:00Z  2\n")
    code, text, _ = cli("stats", "--field", "ms", stdin=LOG)
    assert code == 0 and text.startswith("count  2\nmin    12\nmax    840\nmean   426\n")
    assert cli("list", "--where", "path=/none", stdin=LOG)[:2] == (1, "")
    assert cli("list", "--level", "loud", stdin=LOG)[0] == 64
    assert cli("list", "--no-such-option", stdin=LOG)[0] == 64
    assert cli("list", "/no/such/file")[0] == 2


def check_offsets():
    from logsift.timespec import parse_time

    for text, moment in {
        "2024-05-01T12:00:00+02:00": at(10),
        "2024-05-01T05:00:00-05:00": at(10),
        "2024-05-01T15:30:00+05:30": at(10),
        "2024-05-01T06:30:00-03:30": at(10),
        "2024-05-01 12:00:00+0200": at(10),
        "2024-05-01T12:00:00.250+02:00": at(10, 0, 0, 250000),
        "2024-05-01T10:00:00+00:00": at(10),
        "2024-05-01T10:00:00Z": at(10),
        "2024-05-01T10:00:00": at(10),
        "2024-05-01 10:00": at(10),
        "2024-05-01": at(0),
        "2024-05-02T01:00:00+03:00": at(22),
        "2024-04-30T20:00:00-04:00": at(0),
        1714557600: at(10),
    }.items():
        found = parse_time(text)
        assert found == moment and found.tzinfo is None, (text, found)
    raises(ValueError, parse_time, "soon")
    raises(ValueError, parse_time, True)


def check_everywhere():
    log = (
        '{"time": "2024-05-01T12:00:00+02:00", "message": "one"}\n'
        'ts=2024-05-01T06:00:00-05:00 msg=two\n'
        '2024-05-01T17:30:00+05:30 INFO three\n'
    )
    code, text, _ = cli("list", "--since", "2024-05-01T13:00:00+02:00", stdin=log)
    assert (code, [line.split()[::2] for line in text.splitlines()]) == (
        0,
        [["2024-05-01T11:00:00Z", "two"], ["2024-05-01T12:00:00Z", "three"]],
    )
    code, text, _ = cli("buckets", "--until", "2024-05-01T07:30:00-04:00", stdin=log)
    assert text == "2024-05-01T10:00:00Z  1\n2024-05-01T11:00:00Z  1\n"


if __name__ == "__main__":
    sys.path.insert(0, HERE)
    good = True
    for name, check in list(globals().items()):
        if name.startswith("check_"):
            try:
                check()
            except BaseException:
                traceback.print_exc()
                good = False
    print(HOLDS if good else "something is wrong", flush=True)
    sys.stderr.flush()
    os._exit(0 if good else 1)
