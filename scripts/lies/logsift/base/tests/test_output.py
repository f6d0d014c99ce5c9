import json

from helpers import make
from logsift.output import FORMATS, columns, render_json, render_table, render_text


def test_text():
    text = render_text([make(level="error", message="no", user=7, why="too late")])
    assert text == '2024-05-01T10:00:00Z ERROR no user=7 why="too late"\n'


def test_json():
    data = json.loads(render_json([make(ms=3)]))
    assert list(data) == ["time", "level", "message", "ms"]


def test_table():
    lines = render_table([make(), make(level="warning")]).splitlines()
    assert lines[0].split() == ["TIME", "LEVEL", "MESSAGE"]
    assert len(lines) == 3


def test_columns():
    assert columns([("a", 1), ("bcd", 22)]) == "a    1\nbcd  22\n"
    assert columns([]) == ""


def test_nothing_to_print():
    assert FORMATS["text"]([]) == FORMATS["json"]([]) == ""
