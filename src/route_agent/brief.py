"""What a task's brief says, read with suspicion: tainted text can raise a score and never lower one.

Every function here only finds more in a longer text (text appended after a white space or a line break).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from route_agent.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_BYTES = 64 * 1024
MAX_NAMED_FILES = 50  # of one name or folder: what else the text names pushes none of them out
MAX_SYMBOLS = 20
MAX_LOOKED_UP = 200  # symbols that are looked for in a tree; of those after them none is known

PATH = re.compile(
    r"(?<![\w/.@+-])(?:[\w.@+-]+/)*[\w@+-][\w.@+-]*\.[A-Za-z]\w{0,9}(?![\w/])"  # with a suffix
    r"|(?<![\w/.@+-])(?:[\w.@+-]+/)+[\w.@+-]*"  # with a folder
)
_SYMBOL = re.compile(
    r"\b(?:class|function|method|def|struct|interface|enum)\s+`?([A-Za-z_]\w{2,})"
    r"|\b([A-Za-z_]\w{2,})\(\)"
    r"|`([A-Za-z_]\w{2,})`"
    r"|\b([A-Z][a-z0-9]+(?:[A-Z][a-z0-9]+)+)\b"
    r"|\b([a-z][a-z0-9]*(?:_[a-z0-9]+)+)\b"
)

# what a person cannot see but a pattern would trip over: a word with a zero-width mark in it is that word
_INVISIBLE = re.compile(r"[\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\U000e0000-\U000e007f]")


def clean(raw: str | bytes) -> str:
    """The brief as text: invisible and control characters removed, compatibility forms folded.

    Raises:
        UsageError: empty, larger than 64 KiB, or not text.
    """
    # an argument that is not UTF-8 arrives with its odd bytes as surrogates
    data = raw if isinstance(raw, bytes) else raw.encode("utf-8", "surrogatepass")
    if len(data) > MAX_BYTES:
        raise UsageError(f"the task is longer than {MAX_BYTES:,} bytes", hint="shorten it")
    if b"\0" in data:
        raise UsageError("the task is not text: it holds NUL bytes", hint="pass a text file")
    try:
        raw = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"the task is not UTF-8 text (byte {error.start})", hint="save it as UTF-8"
        ) from error
    text = _INVISIBLE.sub("", unicodedata.normalize("NFKC", raw.replace("\r\n", "\n")))
    text = "".join(letter for letter in text if letter in "\n\t" or unicodedata.category(letter)[0] != "C")
    if not text.strip():
        raise UsageError("the task is empty", hint='say what to do: route-agent --task "fix …"')
    return text.strip()


def words_found(text: str, words: Iterable[str]) -> tuple[str, ...]:
    """Which of the words or phrases stand in the text, as whole words, in any case."""
    folded = " ".join(text.casefold().split())
    return tuple(
        word
        for word in words
        if (plain := word.casefold()) in folded and re.search(rf"(?<!\w){re.escape(plain)}(?!\w)", folded)
    )


def paths_in(text: str) -> tuple[str, ...]:
    """What the text writes as a path with a folder, whether or not there is such a file yet.

    A folder by itself, `migrations/`, stands for any file in it: `migrations/*`.
    """
    found = (match.group().removeprefix("./") for match in PATH.finditer(text))
    return tuple(dict.fromkeys(f"{it}*" if it.endswith("/") else it for it in found if "/" in it))


def named_paths(text: str, paths: Iterable[str]) -> tuple[str, ...]:
    """The tree's files that the text names: whole, by their last parts (`sync/worker.py`), or by a folder."""
    tokens = dict.fromkeys(match.group().removeprefix("./") for match in PATH.finditer(text))
    if not tokens:
        return ()
    # a path has few forms and a text many tokens: looked up, and not compared one by one
    files = {token: rank for rank, token in enumerate(tokens)}
    folders = {token.rstrip("/"): rank for token, rank in reversed(files.items())}
    names = {token.rpartition("/")[2] for token in files}
    within: dict[str, list[tuple[int, int]]] = {}  # a large tree has far fewer folders than files
    found: list[tuple[tuple[int, int], str]] = []
    seen = Counter[tuple[int, int]]()
    for path in paths:
        folder, _, name = path.rpartition("/")
        if folder not in within:
            above = [path[:at] for at, letter in enumerate(path) if letter == "/"]
            within[folder] = [(1, folders[it]) for it in above if it in folders]
        ranks = within[folder]
        if name in names:
            starts = (0, *(at + 1 for at, letter in enumerate(path) if letter == "/"))
            # files before the contents of folders: a large folder must not push a named file out
            ranks = [(0, files[path[at:]]) for at in starts if path[at:] in files] + ranks
        if not ranks:
            continue  # nearly all of them
        if any(seen[rank] < MAX_NAMED_FILES for rank in ranks):
            found.append((min(ranks), path))
        seen.update(ranks)
    return tuple(path for _, path in sorted(found, key=lambda it: it[0]))


def named_symbols(text: str, most: int = MAX_SYMBOLS) -> tuple[str, ...]:
    """Names of classes and functions that the text mentions, in their order; a file's name is none."""
    found = (
        next(group for group in match.groups() if group) for match in _SYMBOL.finditer(PATH.sub(" ", text))
    )
    return tuple(dict.fromkeys(found))[:most]
