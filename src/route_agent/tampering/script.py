"""JavaScript and TypeScript as the rules see them, by a small tokenizer that knows strings and comments."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass

from route_agent.tampering.assertions import NOTHING, PART, TRUTH, VALUE, Assertion

SUFFIXES = (".js", ".jsx", ".mjs", ".cjs", ".ts", ".tsx", ".mts", ".cts")
MAX_LETTERS = 300_000
_TOKEN = re.compile(
    r"(?P<comment>//[^\n]*|/\*(?:.*?\*/|.*))"
    r"|(?P<string>'(?:[^'\\\n]|\\.)*'?|\"(?:[^\"\\\n]|\\.)*\"?|`(?:[^`\\]|\\.)*`?)"
    r"|(?P<before>[(,=:\[!&|?{};+]\s*|\breturn\s+)"
    r"(?P<regex>/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n]){0,200}\]|[^/\\\n\[]){1,500}/[a-z]*)",
    re.DOTALL,
)
_CALL = re.compile(r"(?<![\w.$])(?P<name>[xf]?(?:test|it|describe)|suite|context)(?P<more>(?:\.\w+)*)\s*\(")
ASSERTS = re.compile(r"(?<![\w.$])(?P<name>(?:t\.)?assert(?:\.\w+)*|t\.\w+|expect)\s*\(")
_MATCHER = re.compile(r"\s*((?:\.\w+)+)\s*\(")
_SKIPPED = frozenset({"skip", "todo", "fixme", "failing", "skipIf", "runIf", "fails"})
_OPTION = re.compile(r"\b(skip|todo)\s*:\s*(?!false)")
_STRENGTH = {
    **dict.fromkeys(
        ("equal", "strictEqual", "deepEqual", "deepStrictEqual", "throws", "rejects", "is", "snapshot",
         "toBe", "toEqual", "toStrictEqual", "toThrow", "toThrowError", "toHaveBeenCalledWith",
         "toMatchSnapshot", "toMatchInlineSnapshot", "toBeNull", "toBeUndefined", "toHaveLength",
         "true", "false", "same",
         "doesNotThrow", "fail", "plan", "partialDeepStrictEqual"), VALUE),
    **dict.fromkeys(
        ("notEqual", "notStrictEqual", "notDeepEqual", "notDeepStrictEqual", "match", "doesNotMatch",
         "toMatch", "toContain", "toMatchObject", "toBeGreaterThan", "toBeLessThan", "toBeCloseTo",
         "toHaveProperty"), PART),
    **dict.fromkeys(
        ("ok", "assert", "toBeTruthy", "toBeDefined", "toBeInstanceOf", "truthy", "toBeFalsy", "ifError",
         "toHaveBeenCalled", "expect", "notOk", "not"), TRUTH),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Code:
    """A text twice, each letter at its place: without comments, and without comments and strings."""

    text: str
    bare: str
    breaks: tuple[int, ...] = ()

    @classmethod
    def of(cls, text: str, bare: str) -> Code:
        return cls(text, bare, tuple(at for at, letter in enumerate(text) if letter == "\n"))

    def line(self, at: int) -> int:
        return bisect_left(self.breaks, at) + 1


@dataclass(frozen=True, slots=True)
class Test:
    path: str
    name: str
    title: str
    start: int
    end: int
    line: int
    skipped: str
    is_only: bool
    body: Code

    @property
    def is_group(self) -> bool:
        return self.name.endswith("/")


def masked(text: str) -> Code:
    """The text without comments, and the text without comments and what stands in strings."""

    def blank(match: re.Match[str], kinds: tuple[str, ...]) -> str:
        whole = match.group()
        for kind in kinds:
            inside = match.group(kind)
            if inside is not None:
                hidden = re.sub(r"[^\n]", " ", inside)
                if kind != "comment" and len(inside) > 1:
                    hidden = inside[0] + hidden[1:-1] + inside[-1]
                return whole[: len(whole) - len(inside)] + hidden
        return whole

    return Code.of(
        _TOKEN.sub(lambda it: blank(it, ("comment",)), text),
        _TOKEN.sub(lambda it: blank(it, ("comment", "string", "regex")), text),
    )


def fits(text: str) -> bool:
    return len(text) <= MAX_LETTERS


def tests_of(path: str, code: Code) -> list[Test]:
    closing = _closing(code.bare)
    found: list[Test] = []
    open_groups: list[Test] = []
    for match in _CALL.finditer(code.bare):
        start = match.end()
        end = closing.get(start - 1, len(code.bare))
        while open_groups and open_groups[-1].end <= match.start():
            open_groups.pop()
        prefix = open_groups[-1].name if open_groups else ""
        title, options = _head(code, start, end)
        words = set(match["more"].split("."))
        name = match["name"]
        marks = sorted(words & _SKIPPED) + (["x"] if name[0] == "x" else []) + _OPTION.findall(options)
        is_group = name.lstrip("xf") in ("describe", "suite", "context")
        test = Test(
            path,
            f"{prefix}{title}{'/' if is_group else ''}",
            title,
            match.start(),
            end,
            code.line(match.start()),
            ",".join(marks),
            "only" in words or name[0] == "f" or bool(re.search(r"\bonly\s*:\s*true", options)),
            Code.of(code.text[start:end], code.bare[start:end]),
        )
        found.append(test)
        if is_group:
            open_groups.append(test)
    return found


def _head(code: Code, start: int, end: int) -> tuple[str, str]:
    """A test's title, and what stands between it and the function."""
    quoted = re.match(r"\s*(['\"`])", code.bare[start:end])
    if not quoted:
        return "", ""
    opening = start + quoted.end() - 1
    closing = code.bare.find(quoted[1], opening + 1, end)
    closing = end if closing < 0 else closing
    function = re.search(r"=>|\bfunction\b", code.bare[closing:end])
    options = code.bare[closing : closing + function.start()] if function else code.bare[closing:end]
    return code.text[opening + 1 : closing], options


def _closing(bare: str) -> dict[int, int]:
    pairs: dict[int, int] = {}
    opened: list[int] = []
    for match in re.finditer(r"[()]", bare):
        if match.group() == "(":
            opened.append(match.start())
        elif opened:
            pairs[opened.pop()] = match.start()
    return pairs


def squeezed(text: str) -> str:
    return " ".join(text.split())


def assertions_of(test: Test) -> list[Assertion]:
    """The assertions of a test."""
    body = test.body
    closing = _closing(body.bare)
    return [
        _assertion(body, match, closing.get(match.end() - 1, len(body.bare)), closing, test.line)
        for match in ASSERTS.finditer(body.bare)
        if _is_assertion(match["name"])
    ]


def _is_assertion(name: str) -> bool:
    return not name.startswith("t.") or name.rpartition(".")[2] in _STRENGTH


def _assertion(body: Code, match: re.Match[str], end: int, closing: dict[int, int], first: int) -> Assertion:
    text, name = body.text[match.end() : end], match["name"]
    line = first + body.line(match.start()) - 1
    args = _arguments(text, body.bare[match.end() : end])
    subject = args[0] if args else ""
    kind, expected = name.rpartition(".")[2], args[1] if len(args) > 1 else ""
    if name == "expect":
        matcher = _MATCHER.match(body.bare, end + 1)
        kind = matcher[1].strip(".") if matcher else "expect"
        stop = closing.get(matcher.end() - 1, end) if matcher else end
        expected = body.text[matcher.end() : stop] if matcher else ""
        strength = TRUTH if kind.startswith("not.") else _STRENGTH.get(kind.rpartition(".")[2], VALUE)
    else:
        strength = _STRENGTH.get(kind, VALUE)
    if strength == TRUTH:
        strength = _truth(subject)
    elif strength == VALUE and (
        subject.endswith(".length") or (kind in ("throws", "rejects") and not expected)
    ):
        strength = PART
    whole = f"{kind}|{squeezed(subject)}|{squeezed(expected)}"
    return Assertion(line, whole, squeezed(subject), strength, is_wide=strength == NOTHING)


def _truth(subject: str) -> int:
    if re.fullmatch(r"\s*(?:true|!0|[1-9]\d*|\[.*\]|\{.*\}|['\"`].+['\"`])\s*", subject) or re.search(
        r"\|\|\s*(?:true|1)\s*$", subject
    ):
        return NOTHING
    if re.search(r"[^=!]==", subject):
        return VALUE
    return PART if re.search(r"[<>]|!=", subject) else TRUTH


def _arguments(text: str, bare: str) -> list[str]:
    """What stands between the commas of a call."""
    cuts, depth = [-1], 0
    for match in re.finditer(r"[()\[\]{},]", bare):
        letter = match.group()
        if letter in "([{":
            depth += 1
        elif letter in ")]}":
            depth -= 1
        elif depth == 0:
            cuts.append(match.start())
    return [text[a + 1 : b].strip() for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]
