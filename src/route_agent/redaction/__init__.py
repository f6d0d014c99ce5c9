"""What must not leave the machine: files by name, and secrets by their shape. Applied before a model reads
anything and before anything is stored. Pure.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from route_agent.redaction.keys import NAMES, WORDS, keys, lines_of
from route_agent.redaction.kinds import KINDS, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

_NAMES = re.compile(
    r"(^|/)("
    r"\.env(\.(?!example$|sample$|template$|dist$)[^/]*)?|\.envrc|\.netrc|\.pgpass|\.npmrc|\.pypirc|\.git-credentials"
    r"|\.htpasswd|id_(rsa|dsa|ecdsa|ed25519)|[^/]*\.(pem|key|p12|pfx|jks|keystore|kdbx|ppk)"
    r"|kubeconfig|credentials(\.(json|ya?ml|toml|ini))?|secrets?\.(json|ya?ml|toml|ini|env)|service[-_]account[^/]*\.json"
    r")$",
    re.IGNORECASE,
)

PRIVATE_KEYS = frozenset({*NAMES, "age-key"})

PLACEHOLDER = "[redacted:{}]"
_PLACEHOLDERS = re.compile(r"\[redacted:[a-z0-9-]+\]")

# two texts that a language makes one of: literals side by side, and a line that goes on in the next
_SEAM = re.compile(
    r"""["'`](?=[ \t+.\\\r\n])[ \t]{0,40}(?:[+.][ \t]{0,40})?\\?\r?\n?[ \t]{0,200}[+.]?[ \t]{0,40}"""
    r"""[fFrRbBuU]{0,2}["'`]|\\\r?\n[ \t]{0,200}"""
)
# the rest of a long secret that was wrapped at the edge of a screen: one line of nothing else
_REST = re.compile(
    r"\r?\n[ \t>|+]{0,8}(?P<rest>(?=[A-Za-z_.+/=-]{0,200}[0-9])[A-Za-z0-9_.+/=-]{8,400})[ \t]*(?=\r?\n|$)"
)
_NEAR = 400  # characters: farther from a seam nothing of a secret is looked for that has one
_FILLED = re.compile(r"[xX*._-]{8,}$")


@dataclass(frozen=True, slots=True)
class Found:
    """A secret in a text: its first character, the one after its last, and its kind."""

    start: int
    end: int
    kind: str

    @property
    def is_private_key(self) -> bool:
        return self.kind in PRIVATE_KEYS


@dataclass(slots=True)
class Knowledge:
    """What is known of this run's secrets beyond their shapes. It only grows.

    Attributes:
        secrets: texts that are secrets, whatever they look like, with their kind.
        none: lines of secrets that are known to be none.
    """

    secrets: dict[str, str] = field(default_factory=dict)
    none: set[str] = field(default_factory=set)

    def add(self, secret: str, kind: str) -> None:
        """Take a text for a secret from now on; one of few letters would be found in every word."""
        if len(secret.strip()) >= LEAST_LETTERS:
            self.secrets[secret.strip()] = kind

    def spare(self, text: str) -> None:
        """Take every secret in a text for none from now on."""
        for found in _every(text, Knowledge()):
            self.none |= lines_of(text[found.start : found.end])


LEAST_LETTERS = 8
_NOTHING = Knowledge()
_known: ContextVar[Knowledge] = ContextVar("known", default=_NOTHING)


@contextmanager
def knowing(knowledge: Knowledge) -> Iterator[None]:
    """Redact with this knowledge until the block ends, in this thread and those that are begun with it."""
    before = _known.set(knowledge)
    try:
        yield
    finally:
        _known.reset(before)


def is_secret_name(path: str) -> bool:
    """Whether a file of this name usually holds secrets; such files are never sent."""
    return bool(_NAMES.search(path))


def find(text: str) -> tuple[Found, ...]:
    """Every secret of a known shape, in order; none overlaps another."""
    return _every(text, _known.get())


def redact(text: str) -> str:
    """The text with every secret of a known shape replaced by `[redacted:<kind>]`."""
    parts, at = [], 0
    for found in find(text):
        parts += [text[at : found.start], PLACEHOLDER.format(found.kind)]
        at = found.end
    return "".join((*parts, text[at:])) if parts else text


def redact_all(value: Any, *, keys_too: bool = True) -> Any:
    """The same for every text inside plain data: a pattern must not run across the borders of its fields.

    Args:
        keys_too: whether the names in it are told as well; two that become one get a number.
    """
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, list):
        return [redact_all(item, keys_too=keys_too) for item in value]
    if not isinstance(value, dict):
        return value
    told: dict[Any, Any] = {}
    for key, item in value.items():
        name = redact(key) if keys_too and isinstance(key, str) else key
        told[name if name not in told else f"{name} {len(told)}"] = redact_all(item, keys_too=keys_too)
    return told


def has_placeholder(text: str) -> bool:
    """Whether the text holds one of our own placeholders, as a reply does that copies what it was shown."""
    return bool(_PLACEHOLDERS.search(text))


def _every(text: str, known: Knowledge) -> tuple[Found, ...]:
    spans = [*_keys(text), *_shaped(text), *_across_seams(text)]
    if known.none:
        spans = [it for it in spans if not lines_of(text[it.start : it.end]) <= known.none]
    for secret, kind in list(known.secrets.items()):
        spans += [Found(it.start(), it.end(), kind) for it in re.finditer(re.escape(secret), text)]
    kept: list[Found] = []
    for found in sorted(spans, key=lambda it: (it.start, -it.end)):
        if kept and found.start < kept[-1].end:
            if found.end > kept[-1].end:
                kept[-1] = Found(kept[-1].start, found.end, kept[-1].kind)
        else:
            kept.append(found)
    return tuple(kept)


def _keys(text: str) -> Iterator[Found]:
    if any(word in text for word in WORDS):
        yield from (Found(*it) for it in keys(text))


def _shaped(text: str) -> Iterator[Found]:
    folded = text.lower()
    if len(folded) != len(text):  # a few letters have no small form of one character
        folded = "".join(it.lower() if len(it.lower()) == 1 else it for it in text)
    for kind in KINDS:
        searched = folded if kind.folded else text
        for word in kind.words:
            if word in searched:
                yield from _of_kind(kind, word, text, searched)


def _of_kind(kind: Kind, word: str, text: str, searched: str) -> Iterator[Found]:
    pattern = kind.pattern
    group = "secret" if "secret" in pattern.groupindex else 0
    for match in _tried(pattern, word, text, searched) if kind.begins else pattern.finditer(text):
        start, end = match.span(group)
        if _FILLED.search(match[group]):
            continue  # as documents write it: sk-xxxxxxxx
        yield Found(start, end, kind.name)
        if end - start > 30 and (rest := _REST.match(text, end)):
            yield Found(start, rest.end("rest"), kind.name)


def _tried(pattern: re.Pattern[str], word: str, text: str, searched: str) -> Iterator[re.Match[str]]:
    """The pattern's matches, tried where its word stands and nowhere else."""
    at = searched.find(word)
    while at >= 0:
        match = pattern.match(text, at)
        if match:
            yield match
        at = searched.find(word, match.end() if match else at + 1)


def _across_seams(text: str) -> Iterator[Found]:
    """Secrets of which a program has two halves side by side."""
    near: list[tuple[int, int]] = []
    for seam in (match.span() for match in _SEAM.finditer(text)):
        if near and seam[0] - near[-1][1] > _NEAR:
            yield from _joined(text, near)
            near = []
        near.append(seam)
    if near:
        yield from _joined(text, near)


def _joined(text: str, seams: list[tuple[int, int]]) -> Iterator[Found]:
    """What is a secret once the seams are taken out, in the places where it stands with them."""
    at, stop = max(0, seams[0][0] - _NEAR), min(len(text), seams[-1][1] + _NEAR)
    pieces: list[str] = []
    starts: list[tuple[int, int]] = []
    length = 0
    for start, end in [*seams, (stop, stop)]:
        pieces.append(text[at:start])
        starts.append((length, at))
        length += start - at
        at = end
    for found in _shaped("".join(pieces)):
        first, last = _place(starts, found.start), _place(starts, found.end - 1)
        if last - first != found.end - 1 - found.start:
            yield Found(first, last + 1, found.kind)


def _place(starts: list[tuple[int, int]], at: int) -> int:
    """Where a character of the joined text stands in the text itself."""
    joined, own = starts[bisect_right(starts, at, key=itemgetter(0)) - 1]
    return own + at - joined
