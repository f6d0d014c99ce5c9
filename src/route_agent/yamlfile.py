"""YAML as people mean it: strict, small, and with the line of every key.

PyYAML follows YAML 1.1, in which `no` is false, `012` is ten and `12:30` is 750, and it lets the last of
two equal keys win in silence. A policy decides what may be skipped, so all of that is refused or kept as
text here. Anchors are refused too: nobody needs them in a policy, and they can expand without end; so are
depth and length beyond what a person writes, since a parser must survive what it is given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any

import yaml

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_NUMBER = 400

Path = tuple[str | int, ...]


class YamlError(ValueError):
    """What is wrong and in which 1-based line."""

    def __init__(self, line: int, what: str) -> None:
        super().__init__(what)
        self.line = line
        self.what = what


@dataclass(frozen=True, slots=True)
class Document:
    """Plain data, and the line in which each value stands, by its path of keys and indices."""

    data: Any
    lines: dict[Path, int]

    def line(self, path: Path) -> int:
        """The 1-based line of the value at `path`, or of its nearest parent that has one."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


_QUOTED = ("'", '"', "|", ">")
_SCALARS: tuple[tuple[re.Pattern[str], Any], ...] = (
    (re.compile(r"(~|null)?$", re.IGNORECASE), lambda text: None),
    (re.compile(r"(true|false)$", re.IGNORECASE), lambda text: text.lower() == "true"),
    (re.compile(r"-?(0|[1-9][0-9]*)$"), int),
    (re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+$"), float),
)


def bounded(file: FilePath) -> bytes:
    """A file's bytes, of one that is too large only so many that `parse` refuses it: some have no end."""
    with file.open("rb") as opened_file:
        return opened_file.read(MAX_BYTES + 1)


def parse(text: str | bytes, limit: int = MAX_BYTES) -> Document:
    """Read one YAML document.

    Raises:
        YamlError: not YAML, not UTF-8, too large, too deep, more than one document, a repeated key, an
            anchor, a tag, a number longer than any that is meant.
    """
    if len(text) > limit:
        raise YamlError(1, f"larger than {limit // 1024} KiB")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise YamlError(error.object[: error.start].count(b"\n") + 1, "not UTF-8 text") from error
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        _look_over(text, loader)
        node = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(mark.line + 1 if mark else 1, f"not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise YamlError(1, f"not YAML: {error}") from error
    lines: dict[Path, int] = {}
    return Document(None if node is None else _build(node, (), lines), lines)


def _look_over(text: str, loader: Any) -> None:
    """Refuse what must not be built: its reader calls itself at each level, down to the stack's end."""
    depth = 0
    for event in yaml.parse(text, Loader=loader):
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise YamlError(line, "anchors and aliases (& and *) are not used here")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise YamlError(line, f"nested deeper than {MAX_DEPTH} levels")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _build(node: Any, path: Path, lines: dict[Path, int]) -> Any:
    line = node.start_mark.line + 1
    lines[path] = line
    if isinstance(node, yaml.SequenceNode):
        return [_build(child, (*path, index), lines) for index, child in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, path, lines)
    if node.tag.startswith("!") or node.tag.startswith("tag:yaml.org,2002:python"):
        raise YamlError(line, f"the tag {node.tag} is not used here")
    return node.value if node.style in _QUOTED else _plain(node.value, line)


def _plain(text: str, line: int) -> Any:
    for pattern, convert in _SCALARS:
        if pattern.match(text):
            if len(text) > MAX_NUMBER:
                raise YamlError(line, f"a number of {len(text)} characters")
            return convert(text)
    return text


def _build_mapping(node: Any, path: Path, lines: dict[Path, int]) -> dict[str, Any]:
    built: dict[str, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise YamlError(line, "a key must be a plain word")
        key = key_node.value
        if key in built:
            raise YamlError(line, f'"{key}" stands twice (first in line {lines[(*path, key)]})')
        built[key] = _build(value_node, (*path, key), lines)
        lines[(*path, key)] = line
    return built
