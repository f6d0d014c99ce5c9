import pytest
from helpers import at
from logsift.errors import ParseError
from logsift.parse import parse_lines


def one(line, fmt="auto"):
    (record,) = parse_lines([line], fmt)
    return record


def test_json_line():
    record = one('{"time": "2024-05-01T10:00:00", "level": "ERR", "msg": "x", "n": 1}')
    assert record.time == at("10:00")
    assert record.level == "error"
    assert record.fields == {"n": 1}


def test_logfmt_line():
    record = one(r'ts=2024-05-01T10:00:00 level=warn msg="say \"hi\"" path=/a')
    assert record.message == 'say "hi"'
    assert record.fields == {"path": "/a"}


def test_plain_line():
    record = one("2024-05-01 10:00:00 INFO: all good")
    assert (record.level, record.message) == ("info", "all good")


def test_level_defaults_to_info():
    assert one('{"time": 0, "message": "x"}').level == "info"


def test_blank_lines_are_passed_over(mixed):
    assert len(list(parse_lines(mixed.read_text().splitlines()))) == 5


@pytest.mark.parametrize(
    ("line", "fmt", "reason"),
    [
        ("{oops", "auto", "not valid JSON"),
        ("[1, 2]", "json", "not a JSON object"),
        ('{"message": "x"}', "json", "no time"),
        ('{"time": "soon", "message": "x"}', "json", "bad time"),
        ("nothing here", "logfmt", "no key=value"),
    ],
)
def test_malformed_line(line, fmt, reason):
    with pytest.raises(ParseError, match=reason):
        one(line, fmt)
