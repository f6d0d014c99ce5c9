import io

from helpers import run_cli
from logsift.cli import main


def call(*args):
    out = io.StringIO()
    return main([str(arg) for arg in args], out), out.getvalue()


def test_list_level(mixed):
    code, text = call("list", mixed, "--level", "error")
    assert code == 0
    assert [line.split()[1] for line in text.splitlines()] == ["ERROR", "CRITICAL"]


def test_list_nothing(mixed):
    assert call("list", mixed, "--where", "path=/none") == (1, "")


def test_list_since_and_last(mixed):
    assert call("list", mixed, "--since", "2024-05-01T11:00")[1].count("\n") == 2
    assert call("list", mixed, "--last", "10m")[1].count("\n") == 2


def test_count(mixed):
    code, text = call("count", mixed, "--by", "path", "--top", 1)
    assert code == 0
    assert "(other)" in text


def test_buckets(mixed):
    code, text = call("buckets", mixed, "--step", "1h")
    assert code == 0
    assert text.splitlines()[0].split() == ["2024-05-01T10:00:00Z", "3"]


def test_stats(mixed):
    text = call("stats", mixed, "--field", "ms")[1]
    assert text.splitlines()[0].split() == ["count", "2"]


def test_bad_line_aborts():
    done = run_cli("list", stdin="2024-05-01 10:00:00 INFO fine\n{oops\n")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "line 2: not valid JSON" in done.stderr


def test_stdin():
    done = run_cli("list", "--format", "json", stdin="2024-05-01 10:00:00 INFO fine\n")
    assert done.returncode == 0
    assert '"fine"' in done.stdout


def test_usage():
    assert run_cli("list", "--level", "loud").returncode == 64
