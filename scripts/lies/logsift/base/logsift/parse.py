"""Turn lines into records."""

import json
import re

from logsift.errors import ParseError
from logsift.levels import normalise
from logsift.records import Record
from logsift.timespec import parse_time

PAIR = re.compile(r'([A-Za-z_][\w.]*)=("(?:[^"\\]|\\.)*"|\S*)')
PLAIN = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d\S*)\s+"
    r"(?P<level>[A-Za-z]+):?\s+(?P<message>.*)"
)
TIME_KEYS = ("time", "ts", "timestamp")
MESSAGE_KEYS = ("message", "msg")


def _take(data, names, number):
    for name in names:
        if name in data:
            return data.pop(name)
    raise ParseError(number, f"no {names[0]}")


def _build(data, number):
    data = dict(data)
    raw = _take(data, TIME_KEYS, number)
    try:
        time = parse_time(raw)
    except (ValueError, OverflowError):
        raise ParseError(number, f"bad time {raw!r}") from None
    level = normalise(data.pop("level", "info"))
    message = str(_take(data, MESSAGE_KEYS, number))
    return Record(time, level, message, data)


def parse_json(line, number):
    try:
        data = json.loads(line)
    except ValueError:
        raise ParseError(number, "not valid JSON") from None
    if not isinstance(data, dict):
        raise ParseError(number, "not a JSON object")
    return _build(data, number)


def _unquote(text):
    if text.startswith('"'):
        return re.sub(r"\\(.)", r"\1", text[1:-1])
    return text


def parse_logfmt(line, number):
    pairs = {name: _unquote(value) for name, value in PAIR.findall(line)}
    if not pairs:
        raise ParseError(number, "no key=value pairs")
    return _build(pairs, number)


def parse_plain(line, number):
    match = PLAIN.fullmatch(line)
    if match is None:
        raise ParseError(number, "not TIME LEVEL message")
    return _build(match.groupdict(), number)


def parse_auto(line, number):
    if line.startswith("{"):
        return parse_json(line, number)
    if re.search(r"\b(time|ts|timestamp)=", line):
        return parse_logfmt(line, number)
    return parse_plain(line, number)


PARSERS = {
    "auto": parse_auto,
    "json": parse_json,
    "logfmt": parse_logfmt,
    "plain": parse_plain,
}


def parse_lines(lines, fmt="auto"):
    """Yield a record per line; blank lines are passed over."""
    parser = PARSERS[fmt]
    for number, line in enumerate(lines, start=1):
        line = line.strip()
        if line:
            yield parser(line, number)
