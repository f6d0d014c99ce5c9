"""Whatever a reply says, it becomes edits or a refusal; and a clean diff, however it is dressed, lands exactly."""

from __future__ import annotations

import random
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from route_agent.errors import BadPatch, HostilePatch
from route_agent.patch.fit import fit
from route_agent.patch.formats import read_reply
from route_agent.repo.folder import apply_to_folder

STEADY = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
MANY = settings(STEADY, max_examples=150)

CODE = "import os\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 1\n"
FILES: Mapping[str, bytes] = {
    "m.py": CODE.encode(),
    "src/n.py": CODE.replace("a()", "c()").encode(),
    "w.txt": b"one\r\ntwo\r\nthree\r\n",
    "same.txt": b"x = 1\n" * 40,
}
REPLIES = {
    "unified": (
        "Here it is:\n```diff\n--- a/m.py\n+++ b/m.py\n@@ -4,2 +4,2 @@\n def a():\n-    return 1\n+    return 2\n"
        "--- a/src/n.py\n+++ b/src/n.py\n@@ -8,2 +8,3 @@\n def b():\n-    return 1\n+    # two\n+    return 2\n```\nDone.\n"
    ),
    "git": (
        "diff --git a/w.txt b/v.txt\nsimilarity index 60%\nrename from w.txt\nrename to v.txt\n--- a/w.txt\n+++ b/v.txt\n"
        "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\ndiff --git a/m.py b/m.py\nold mode 100644\nnew mode 100755\n"
        "diff --git a/k.py b/k.py\nnew file mode 100644\nindex 0000000..8888888\n--- /dev/null\n+++ b/k.py\n@@ -0,0 +1 @@\n+k = 1\n"
    ),
    "search and replace": (
        "m.py\n```python\n<<<<<<< SEARCH\ndef b():\n    return 1\n=======\ndef b():\n    return 3\n>>>>>>> REPLACE\n```\n"
        "new.py\n<<<<<<< SEARCH\n=======\nx = 1\n>>>>>>> REPLACE\n"
    ),
    "begin patch": (
        "*** Begin Patch\n*** Update File: m.py\n@@ def a():\n-    return 1\n+    return 2\n*** Add File: k.py\n+k = 1\n"
        "*** Delete File: w.txt\n*** End Patch\n"
    ),
    "json": (
        'Sure.\n[{"path": "m.py", "search": "import os\\n", "replace": "import sys\\n"}, {"path": "w.txt", "delete": true},\n'
        ' {"path": "k.py", "content": "k = 1\\n"}]\n'
    ),
    "whole files": f"`m.py`\n```python\n{CODE.replace('1', '2')}```\nand k.py:\n```\nk = 1\n```\n",
}
BY_NAME = pytest.mark.parametrize("reply", REPLIES.values(), ids=list(REPLIES))
ANY_REPLY = st.sampled_from(sorted(REPLIES.values()))
ANY_TWO = st.tuples(ANY_REPLY, ANY_REPLY)


LONGEST_REFUSAL = 20_000  # it goes into the next prompt


def total(reply: str) -> bool:
    """Whether a reply fits; every other end than our own refusals fails the test, as does a changed input."""
    files, told, fitted = dict(FILES), "", None
    try:
        fitted = fit(read_reply(reply), files)
    except (BadPatch, HostilePatch) as refusal:
        told = str(refusal)
    assert files == FILES
    if fitted is None:
        assert 0 < len(told) <= LONGEST_REFUSAL
        return False
    assert fitted.contents or fitted.modes
    assert all(data != FILES.get(path, b"\0") for path, data in fitted.contents.items())
    return True


@BY_NAME
def test_every_format_lands_as_it_is(reply: str) -> None:
    assert total(reply)


@BY_NAME
def test_a_reply_cut_at_any_point_is_edits_or_a_refusal(reply: str) -> None:
    for end in range(len(reply)):
        total(reply[:end])
        total(reply[end:])


@MANY
@given(st.text())
@example("--- a/m.py\n+++ b/m.py\n@@ -" + "9" * 5_000 + " +1 @@\n-import os\n+import sys\n")
@example("--- a/m.py\n+++ b/m.py\n@@ -1,\u0663 +1 @@\n-import os\n+import sys\n")
@example('{"path": "m.py", "search": "\\ud800", "replace": "\\udfff"}')
@example("--- a/m.py\n+++ b/" + "deep/" * 10_000 + "m.py\n@@\n-import os\n+import sys\n")
@example("--- a/m.py\n+++ b/m.py\n@@\n-" + "import os" * 10_000 + "\n+import sys\n")
@example("--- /dev/null\n+++ b/" + "\udcad" * 4_000 + "\n@@ -0,0 +1 @@\n+x\n")
@example('--- "a/\\777\\303"\n+++ "b/\\400"\n@@\n-a\n+b\n')
def test_any_text_is_edits_or_a_refusal(reply: str) -> None:
    total(reply)


@MANY
@given(ANY_REPLY, st.randoms(use_true_random=False))
def test_shuffled_lines_are_edits_or_a_refusal(reply: str, chance: random.Random) -> None:
    lines = reply.splitlines(keepends=True)
    first, last = sorted(chance.sample(range(len(lines) + 1), 2))
    part = lines[first:last]
    chance.shuffle(part)

    total("".join(lines[:first] + part + lines[last:]))


@MANY
@given(ANY_TWO, st.data())
def test_the_head_of_a_reply_with_the_tail_of_another_is_edits_or_a_refusal(
    two: tuple[str, str], data: st.DataObject
) -> None:
    head, tail = (data.draw(st.integers(0, len(reply))) for reply in two)

    total(two[0][:head] + two[1][tail:])


@MANY
@given(ANY_REPLY, st.lists(st.tuples(st.integers(0, 400), st.text(max_size=6)), max_size=6))
def test_a_reply_with_text_typed_into_it_is_edits_or_a_refusal(
    reply: str, typed: list[tuple[int, str]]
) -> None:
    for at, text in typed:
        reply = reply[:at] + text + reply[at:]

    total(reply)


@pytest.mark.parametrize(
    "reply",
    [
        "--- a/x" + " " * 60_000 + "y\n+++ b/m.py\n@@\n-a\n+b\n",
        "<<<<<<< SEARCH " + " " * 60_000 + "x y\n",
        "m.py\n```\n" + "... " * 15_000 + "!x\n```\n",
        '"path"' + "[" * 60_000,
        '"path"' + '{"a":' * 12_000,
        "--- a/m.py\n+++ b/m.py\n" + "@@\n-a\n+b\n```\n\n\n\n" * 4_000,
        "--- a/same.txt\n+++ b/same.txt\n@@\n" + " x = 1\n-x = 1\n+x = 2\n" * 3_000,
        "m.py\n```py\n" * 5_000,
        " " * 60_000 + "\n" + "    x\n" * 6_000,
    ],
    ids=["date", "search path", "ellipsis", "brackets", "objects", "hunks", "ties", "open fences", "indents"],
)
@pytest.mark.timeout(20)
def test_a_reply_that_is_made_to_take_long_is_answered_soon(reply: str) -> None:
    began = time.process_time()

    total(reply)

    assert time.process_time() - began < 5


# --- all or nothing ----------------------------------------------------------------------------------------


def one_line(path: str, old: str, new: str) -> str:
    return f"--- a/{path}\n+++ b/{path}\n@@ @@\n-{old}\n+{new}\n"


FITS = (
    one_line("m.py", "import os", "import sys"),
    one_line("src/n.py", "def c():", "def d():"),
    one_line("w.txt", "two", "2"),
    "--- /dev/null\n+++ b/k.py\n@@ -0,0 +1 @@\n+k = 1\n",
    "--- a/same.txt\n+++ /dev/null\n@@ -1,40 +0,0 @@\n" + "-x = 1\n" * 40,
)
FAILS = (
    one_line("m.py", "import nothing_like_it_at_all", "import sys"),
    one_line("m.py", "    return 1", "    return 2"),
    one_line("gone.py", "a", "b"),
    "--- /dev/null\n+++ b/m.py\n@@ -0,0 +1 @@\n+k = 1\n",
    one_line("../m.py", "a", "b"),
    one_line(".git/config", "a", "b"),
)


@STEADY
@given(st.permutations(FITS), st.integers(1, len(FITS)))
def test_edits_of_several_files_land_together_as_they_land_alone(order: list[str], count: int) -> None:
    chosen = order[:count]

    together = fit(read_reply("".join(chosen)), FILES).contents

    alone = [fit(read_reply(reply), FILES).contents for reply in chosen]
    assert together == {path: data for contents in alone for path, data in contents.items()}


@STEADY
@given(st.permutations(FITS), st.integers(0, len(FITS)), st.sampled_from(FAILS))
def test_one_edit_without_a_home_and_nothing_is_written(order: list[str], place: int, failing: str) -> None:
    reply = "".join([*order[:place], failing, *order[place:]])
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path, data in FILES.items():
            (root / path).parent.mkdir(exist_ok=True)
            (root / path).write_bytes(data)

        with pytest.raises((BadPatch, HostilePatch)):
            apply_to_folder(root, reply)

        left = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
        assert {name: path.read_bytes() for name, path in left.items()} == FILES


# --- clean diffs -------------------------------------------------------------------------------------------

TEXTS = (
    *("x = 1", "    return x", "\tif x:", "}", "", "", "    ", "trailing  ", "-- a comment", "--- a", "++ b", "+++ b/x"),
    *("@@ -1 +1 @@", "```", "~~~", "diff --git a/x b/x", "\\ No newline at end of file", "<<<<<<< SEARCH", "======="),
    *("*** End Patch", "caf\u00e9", "\u201cquoted\u201d", "a\u00a0b", "\x0cpage", "a\x85b", "&lt;b&gt;", '{"path": 1}'),
    *("...", "# ...", "</patch>", "-- ", "2.39.5", "> quoted", "naïve = '\u2026'", "\u202f", "\\", "a\rb"),
)  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A file before and after, as lines without their ends."""

    old: tuple[str, ...]
    new: tuple[str, ...]


@st.composite
def pairs(draw: st.DrawFn, *, repeating: bool) -> Pair:
    """A file and what a few local changes make of it.

    Unless `repeating`, no line is like another but for blank ones, and no two blank ones stand together: then
    every hunk has one home, whatever its header says.
    """
    chance = draw(st.randoms(use_true_random=False))
    texts = chance.sample(TEXTS, 5) if repeating else TEXTS
    fresh = iter(range(10_000))

    def lines(count: int, before: str) -> list[str]:
        made = [before]
        for _ in range(count):
            text = chance.choice(texts)
            bare = repeating or (not text.strip() and made[-1].strip())
            made.append(text if bare else f"{text} {next(fresh)}")
        return made[1:]

    old = lines(draw(st.integers(1, 40)), "")
    new = list(old)
    for _ in range(draw(st.integers(1, 4))):
        at = chance.randint(0, len(new))
        new[at : at + chance.choice((0, 1, 1, 2, 5))] = lines(chance.choice((0, 1, 1, 2, 4)), "")
    return Pair(tuple(old), tuple(new))


class Differ:
    """Two files in a folder, and what git says of their difference."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        for side in "ab":
            (folder / side).mkdir()

    def diff(self, old: bytes, new: bytes, *options: str) -> str:
        (self._folder / "a/m.py").write_bytes(old)
        (self._folder / "b/m.py").write_bytes(new)
        command = ("git", "diff", "--no-index", "--no-prefix", *options, "a/m.py", "b/m.py")
        done = subprocess.run(command, cwd=self._folder, capture_output=True)
        assert done.returncode in (0, 1), done.stderr
        return done.stdout.decode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def differ(tmp_path_factory: pytest.TempPathFactory) -> Differ:
    return Differ(tmp_path_factory.mktemp("differ"))


@dataclass(frozen=True)
class Form:
    """How a text lies in a file: its line ends, its encoding, a mark in front, a line end behind."""

    end: str = "\n"
    encoding: str = "utf-8"
    mark: bytes = b""
    closed: tuple[bool, bool] = (True, True)

    def data(self, lines: tuple[str, ...], side: int) -> bytes:
        text = self.end.join(lines) + (self.end if self.closed[side] and lines else "")
        return self.mark + text.encode(self.encoding, "replace")


FORMS = st.builds(
    Form,
    end=st.sampled_from(("\n", "\r\n")),
    encoding=st.sampled_from(("utf-8", "latin-1")),
    mark=st.sampled_from((b"", b"\xef\xbb\xbf")),
    closed=st.sampled_from(((True, True), (True, False), (False, True), (False, False))),
)


def lands(reply: str, old: bytes, new: bytes) -> None:
    fitted = fit(read_reply(reply), {"m.py": old, "other.py": old})

    # a file of one line without an end does not tell how its lines end
    assert fitted.contents == {"m.py": new.replace(b"\r\n", b"\n") if tells_no_line_end(old) else new}


def tells_no_line_end(data: bytes) -> bool:
    return b"\n" not in data


@MANY
@given(pair=pairs(repeating=False), form=FORMS)
@example(pair=Pair((), ("x",)), form=Form())
@example(pair=Pair((), ("", "x")), form=Form(closed=(True, False)))
@example(pair=Pair(("x",), ()), form=Form())
@example(pair=Pair(("", ""), ("", "x", "")), form=Form(end="\r\n"))
@example(pair=Pair(("x", "y"), ("x", "y", "")), form=Form(closed=(False, True)))
@example(pair=Pair(("x", "y"), ("x",)), form=Form(end="\r\n", closed=(True, False)))
@example(pair=Pair((*"abcdefgh",), (*"zabcdefgh",)), form=Form(closed=(True, False)))
@example(pair=Pair(("-- a", "b"), ("++ c", "b")), form=Form())
@example(pair=Pair(("a = 1",), ("a = '&lt;'",)), form=Form())
def test_a_clean_diff_lands_and_the_bytes_are_those_of_the_target(
    differ: Differ, pair: Pair, form: Form
) -> None:
    old, new = form.data(pair.old, 0), form.data(pair.new, 1)
    reply = differ.diff(old, new)

    if reply:
        lands(reply, old, new)


@MANY
@given(pair=pairs(repeating=True), form=FORMS)
def test_a_clean_diff_of_a_repetitive_file_lands_exactly_or_nowhere(
    differ: Differ, pair: Pair, form: Form
) -> None:
    old, new = form.data(pair.old, 0), form.data(pair.new, 1)
    reply = differ.diff(old, new)

    try:
        fitted = fit(read_reply(reply), {"m.py": old})
    except BadPatch:
        return
    # a file of one line without an end does not tell how its lines end
    assert fitted.contents == {"m.py": new.replace(b"\r\n", b"\n") if tells_no_line_end(old) else new}


def _garbled(reply: str, chance: random.Random) -> str:
    """Headers with other line numbers and counts, or with none."""

    def header(found: re.Match[str]) -> str:
        start, count = (chance.randint(1, 60) for _ in range(2))
        return chance.choice(("@@ @@", "@@", f"@@ -{start},{count} +{count},{start} @@", found[0]))

    return re.sub(r"^@@ -\d\S* \+\d\S* @@", header, reply, flags=re.MULTILINE)


def _between_prose(reply: str, chance: random.Random) -> str:
    talk = chance.choice(("Here is the change:", "I looked at m.py. It is wrong:", "1. First\n2. Then"))
    return f"{talk}\n\n{reply}\nThis makes it right - as asked.\n"


def _fenced(reply: str, chance: random.Random) -> str:
    fence = chance.choice(("````", "~~~~~"))  # longer than those inside
    return f"Look:\n{fence}{chance.choice(('diff', '', 'patch'))}\n{reply}{fence}\nDone.\n"


def _indented(reply: str, chance: random.Random) -> str:
    margin = chance.choice(("    ", "\t", "> ", "  "))
    return "".join(f"{margin}{line}\n" for line in reply.removesuffix("\n").split("\n"))


def _tagged(reply: str, chance: random.Random) -> str:
    tag = chance.choice(("patch", "diff", "answer"))
    return f"<{tag}>\n{reply}</{tag}>\n"


def _without_git_headers(reply: str, _: random.Random) -> str:
    return reply[reply.index("--- a/m.py") :]


DRESSES: tuple[Callable[[str, random.Random], str], ...] = (
    *(_garbled, _between_prose, _fenced, _indented, _tagged, _without_git_headers),
)  # fmt: skip


@pytest.mark.parametrize("dress", DRESSES, ids=lambda it: it.__name__.strip("_").replace("_", " "))
@STEADY
@given(pair=pairs(repeating=False), form=FORMS, chance=st.randoms(use_true_random=False))
def test_a_clean_diff_lands_however_it_is_dressed(
    differ: Differ,
    dress: Callable[[str, random.Random], str],
    pair: Pair,
    form: Form,
    chance: random.Random,
) -> None:
    old, new = form.data(pair.old, 0), form.data(pair.new, 1)
    reply = differ.diff(old, new)

    if "\n@@" in reply:
        lands(dress(reply, chance), old, new)


def _numbered(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    for line in data.splitlines(keepends=True):
        yield line.rstrip(b"\r\n"), line


@STEADY
@given(
    pair=pairs(repeating=False),
    ends=st.lists(st.sampled_from((b"\n", b"\r\n")), min_size=60, max_size=60),
)
def test_where_line_ends_are_mixed_each_line_outside_the_edit_keeps_its_own(
    differ: Differ, pair: Pair, ends: list[bytes]
) -> None:
    plain = tuple(text.replace("\r", " ").replace("\x0c", " ").replace("\x85", " ") for text in pair.old)
    after = tuple(text.replace("\r", " ").replace("\x0c", " ").replace("\x85", " ") for text in pair.new)
    old = b"".join(text.encode() + end for text, end in zip(plain, ends, strict=False))
    reply = differ.diff(Form().data(plain, 0), Form().data(after, 1))
    if not reply:
        return

    told = fit(read_reply(reply), {"m.py": old}).contents["m.py"]

    assert told is not None
    assert told.replace(b"\r\n", b"\n") == Form().data(after, 1)
    kept = {text: line for text, line in _numbered(old) if plain.count(text.decode()) == 1}
    assert all(
        line == kept[text] for text, line in _numbered(told) if text in kept and text.decode() in after
    )
