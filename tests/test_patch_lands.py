"""Replies that used to land in the wrong place, or to make of a file what nobody meant: each is refused, or right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from route_agent import patch
from route_agent.errors import BadPatch, HostilePatch
from route_agent.records.change import Edit
from route_agent.repo.folder import apply_to_folder

if TYPE_CHECKING:
    from pathlib import Path

FENCE = "```"


def landed(reply: str, **files: str | bytes) -> dict[str, bytes | None]:
    return patch.apply(reply, _tree(files)).contents


def refused(reply: str, **files: str | bytes) -> str:
    with pytest.raises(BadPatch) as caught:
        patch.apply(reply, _tree(files))
    return str(caught.value)


def _tree(files: dict[str, str | bytes]) -> dict[str, bytes]:
    """`src__a_py` stands for src/a.py."""
    named = {name.replace("__", "/").replace("_", "."): data for name, data in files.items()}
    return {name: data.encode() if isinstance(data, str) else data for name, data in named.items()}


def diff(body: str, header: str = "@@ -1,3 +1,3 @@", path: str = "a.py") -> str:
    return f"--- a/{path}\n+++ b/{path}\n{header}\n{body}"


def whole(text: str, path: str = "a.py") -> str:
    return f"{path}\n{FENCE}\n{text}{FENCE}\n"


def search(old: str, new: str, path: str = "a.py") -> str:
    return f"{path}\n<<<<<<< SEARCH\n{old}=======\n{new}>>>>>>> REPLACE\n"


# --- twins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("standing", "body"),
    [
        (
            "def load(path):\n    return {}\n\n\ndef save(path):\n    return None\n",
            " def load(path):\n-    return None\n+    return open(path)\n",
        ),
        (
            "dev:\n  host: a\n  port: 1\n\nprod:\n  host: b\n  port: 2\n",
            " dev:\n   host: a\n-  port: 2\n+  port: 3\n",
        ),
        (
            "function open() {\n  return start();\n}\nfunction stop() {\n  return halt();\n}\n",
            " function open() {\n-  return halt();\n+  return begin();\n }\n",
        ),
        (
            "def load():\n    check()\n    data = read()\n    return data\n\n\n"
            "def save():\n    check()\n    data = build()\n    return data\n",
            " def load():\n     check()\n     data = build()\n+    audit()\n     return data\n",
        ),
    ],
)
def test_the_twin_of_what_a_hunk_names_is_not_edited_for_it(standing: str, body: str) -> None:
    assert "nowhere in the file" in refused(diff(body, "@@ @@"), a_py=standing)


def test_context_that_has_drifted_and_stands_nowhere_else_still_has_its_place() -> None:
    standing = "def load(path):\n    check(path)\n    data = read(path)\n    return None\n"

    made = landed(
        diff(
            " def load(file):\n     check(path)\n     data = read(path)\n-    return None\n+    return data\n"
        ),
        a_py=standing,
    )

    assert made == {"a.py": standing.replace("return None", "return data").encode()}


def test_a_heading_that_stands_below_the_place_contradicts_it() -> None:
    standing = (
        "class A:\n    def run(self):\n        return 1\n\n\nclass B:\n    def run(self):\n        return 2\n"
    )
    reply = (
        "*** Begin Patch\n*** Update File: a.py\n@@ class B:\n     def run(self):\n-        return {}\n"
        "+        return 3\n*** End Patch\n"
    )

    assert "above the heading 'class B:' in line 6" in refused(reply.format(1), a_py=standing)
    assert landed(reply.format(2), a_py=standing) == {"a.py": standing.replace("2", "3").encode()}


# --- deletions and paths -----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["vendor/old/config.py", "config.py/config.py"])
def test_a_deletion_of_a_file_that_is_not_there_takes_no_other(path: str) -> None:
    reply = f"*** Begin Patch\n*** Delete File: {path}\n*** End Patch\n"

    assert "does not exist at start" in refused(reply, config_py="real = 1\n", src__app__config_py="x = 1\n")


def test_a_deletion_that_shows_other_lines_than_the_file_has_is_refused() -> None:
    reply = "--- a/config.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-something = else\n"

    assert "its lines are not the file's" in refused(reply, config_py="real = 1\nmuch = 2\n")
    assert "its lines are not the file's" in refused(reply, config_py="something = else\nmuch = 2\n")
    assert landed(reply, config_py=b"\xef\xbb\xbfsomething = else  \r\n\r\n") == {"config.py": None}


def test_a_folder_too_many_is_dropped_only_where_no_other_file_has_the_name() -> None:
    reply = diff("-a = 1\n+a = 2\n", path="lib/x.py")

    assert landed(reply, x_py="a = 1\n") == {"x.py": b"a = 2\n"}
    assert "lib/x.py does not exist" in refused(reply, x_py="a = 1\n", pkg__x_py="a = 1\n")


def test_new_files_go_beside_the_edited_ones_when_the_reply_names_the_repository_in_front() -> None:
    new = "--- /dev/null\n+++ b/myrepo/src/b.py\n@@ -0,0 +1 @@\n+y = 1\n"
    reply = diff("+from .b import y\n x = 1\n", path="myrepo/src/a.py") + new

    assert landed(reply, src__a_py="x = 1\n") == {
        "src/a.py": b"from .b import y\nx = 1\n",
        "src/b.py": b"y = 1\n",
    }
    assert set(landed(reply, src__a_py="x = 1\n", myrepo__c_py="z = 1\n")) == {"src/a.py", "myrepo/src/b.py"}


def test_a_file_of_secrets_gets_no_other_name_even_when_it_is_edited_on_the_way() -> None:
    for word in ("rename", "copy"):
        reply = (
            f"diff --git a/.env b/pub.txt\n{word} from .env\n{word} to pub.txt\n"
            "--- a/.env\n+++ b/pub.txt\n@@ -1,2 +1,2 @@\n KEY=1\n-HOST=a\n+HOST=b\n"
        )

        with pytest.raises(HostilePatch, match=r"'\.env', which holds secrets"):
            patch.apply(reply, {".env": b"KEY=1\nHOST=a\n"})


# --- two versions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "option",
    [
        lambda it: diff(f" a = 1\n+timeout = {it}\n b = 2\n"),
        lambda it: search("a = 1\n", f"a = 1\nt = {it}\n"),
    ],
)
def test_two_versions_of_the_same_lines_are_refused(option: object) -> None:
    assert callable(option)
    reply = f"Option A:\n\n{option(30)}\nOr, better:\n\n{option(60)}"

    assert "two versions of the same lines" in refused(reply, a_py="a = 1\nb = 2\n")


def test_the_same_insertion_twice_is_not_made_twice() -> None:
    reply = search('    "a",\n', '    "a",\n    "b",\n')

    assert "the same change twice" in refused(reply + reply, a_py='x = [\n    "a",\n    "c",\n]\n')


def test_the_same_lines_at_two_places_are_two_edits() -> None:
    reply = diff("-x = 1\n+x = 2\n", "@@ -1 +1 @@") + "\nand\n\n" + diff("-x = 1\n+x = 3\n", "@@ -3 +3 @@")

    assert landed(reply, a_py="x = 1\ny = 1\nx = 1\n") == {"a.py": b"x = 2\ny = 1\nx = 3\n"}


def test_two_versions_of_a_whole_file_are_refused_and_the_same_twice_is_one() -> None:
    first, second = whole("a = 1\nb = 2\nc = 4\n"), whole("a = 1\nb = 2\nc = 5\n")

    assert "two versions of the whole file" in refused(
        f"{first}\nOr:\n\n{second}", a_py="a = 1\nb = 2\nc = 3\n"
    )
    assert landed(f"{first}\nAgain:\n\n{first}", a_py="a = 1\nb = 2\nc = 3\n") == {
        "a.py": b"a = 1\nb = 2\nc = 4\n"
    }


# --- indentation -------------------------------------------------------------------------------------------


def test_blanks_in_a_reply_follow_the_tabs_of_the_file() -> None:
    reply = diff(" def f():\n   x = 1\n+  y = 2\n   return x\n")

    assert landed(reply, a_py="def f():\n\tx = 1\n\treturn x\n") == {
        "a.py": b"def f():\n\tx = 1\n\ty = 2\n\treturn x\n"
    }


def test_a_narrower_indentation_becomes_the_files_own_line_by_line() -> None:
    standing = "def f(x):\n    if x:\n        for y in x:\n            g(y)\n    return x\n"
    old = "if x:\n  for y in x:\n    g(y)\n"

    made = landed(search(old, f"{old}    h(y)\n  k()\n"), a_py=standing)

    assert made == {"a.py": standing.replace("g(y)\n", "g(y)\n            h(y)\n        k()\n").encode()}


def test_a_new_line_that_may_be_meant_at_two_depths_is_refused() -> None:
    standing = "class A:\n    def f(self):\n        x = 1\n        return x\n"
    body = " def f(self):\n     x = 1\n+    y = 2\n-        return x\n+        return x + y\n"

    assert "nowhere in the file" in refused(diff(body), a_py=standing)


# --- encodings ---------------------------------------------------------------------------------------------


def test_a_byte_order_mark_stays() -> None:
    standing = b"\xef\xbb\xbfx = 1\r\ny = 1\r\n"

    assert landed(diff("-x = 1\n+x = 2\n y = 1\n"), a_py=standing) == {
        "a.py": b"\xef\xbb\xbfx = 2\r\ny = 1\r\n"
    }
    assert landed(whole("x = 1\ny = 2\n"), a_py=standing) == {"a.py": b"\xef\xbb\xbfx = 1\r\ny = 2\r\n"}


def test_letters_beyond_ascii_are_not_mixed_into_a_file_of_another_encoding() -> None:
    standing = b"caf\xe9 = 1\ny = 1\n"

    assert "mix encodings" in refused(diff("-y = 1\n+y = 2 \u00e9\n"), a_py=standing)
    assert "mix encodings" in refused(whole("caf\u00e9 = 1\ny = 2\n"), a_py=standing)
    assert landed(diff("-y = 1\n+y = 2\n"), a_py=standing) == {"a.py": b"caf\xe9 = 1\ny = 2\n"}


def test_half_of_a_character_is_a_bad_patch() -> None:
    new = Edit("a.py", content="\ud800\n", overwrite=True)

    assert "half of a character" in refused(
        '[{"path":"a.py","old":"x = 1","new":"x = \\ud800"}]', a_py="x = 1\n"
    )
    with pytest.raises(BadPatch, match="half of a character"):
        _fit(new)


def _fit(edit: Edit) -> None:
    from route_agent.patch.fit import fit

    fit((edit,), {"a.py": b"x = 1\n"})


# --- what was left out -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "line",
    [
        "# ... existing code ...",
        "// rest of the function unchanged",
        "/* ... rest of file ... */",
        "# existing code here",
        "<!-- ... existing content unchanged ... -->",
        "# ... (other imports)",
        "... existing code ...",
        "// existing code...",
        "# (unchanged)",
    ],
)
def test_a_line_that_says_that_something_was_left_out_is_not_written(line: str) -> None:
    standing = "def f():\n    a = 1\n    b = 2\n    return a\n"
    old = "    a = 1\n    b = 2\n"

    assert "a part was left out" in refused(search(old, f"    a = 10\n    {line}\n"), a_py=standing)
    # a file about such lines has them already
    kept = standing.replace("b = 2", line)
    assert landed(search(f"    a = 1\n    {line}\n", f"    a = 2\n    {line}\n"), a_py=kept)


@pytest.mark.parametrize(
    "line",
    [
        "...",
        'print("loading other files...")',
        "# other functions",
        "# the rest of the buffer is read later",
        "...other,",
        "const {a, ...rest} = other",
        'raise ValueError("code is too short ...")',
        "# Build code from the remaining parts, then join ...",
    ],
)
def test_other_lines_with_such_words_are_written(line: str) -> None:
    assert landed(search("a = 1\n", f"{line}\n"), a_py="a = 1\n") == {"a.py": f"{line}\n".encode()}


def test_a_whole_file_may_have_the_ellipsis_that_it_had() -> None:
    standing = "class P(Protocol):\n    def f(self) -> int:\n        ...\n\nx = 1\n"

    assert landed(whole(standing.replace("x = 1", "x = 2")), a_py=standing)
    assert "left out" in refused(whole(standing), a_py=standing.replace("...", "return 1"))


@pytest.mark.parametrize("kept", [slice(0, 2), slice(1, 3), slice(1, 2)])
def test_a_snippet_is_no_whole_file(kept: slice) -> None:
    parts = [f"def {name}():\n    value = {name!r}\n    return value\n" for name in "abc"]
    snippet = "\n\n".join(parts[kept]).replace("return value", "return value * 2")

    assert "whole file" in refused(whole(snippet), a_py="\n\n".join(parts))


def test_a_method_is_no_whole_file_and_a_new_name_is_no_loss() -> None:
    standing = "class A:\n    def f(self):\n        x = 1\n        y = 2\n        return x\n\n    def g(self):\n        return 2\n"
    method = "def f(self):\n    x = 1\n    y = 3\n    return x + y\n"

    assert "whole file" in refused(whole(method), a_py=standing)
    renamed = (
        "class B:\n    def f(self):\n        x = 1\n        return x\n\n    def g(self):\n        return 2\n"
    )
    assert landed(whole(renamed), a_py=standing) == {"a.py": renamed.encode()}


# --- folders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [True, False])
def test_a_file_where_a_folder_stands_is_a_bad_patch(tmp_path: Path, *, check: bool) -> None:
    (tmp_path / "kept").mkdir()
    (tmp_path / "a.py").write_text("x = 1\n")
    reply = diff("-x = 1\n+x = 2\n") + "--- /dev/null\n+++ b/kept\n@@ -0,0 +1 @@\n+x\n"

    with pytest.raises(BadPatch, match="a folder stands there"):
        apply_to_folder(tmp_path, reply, check=check)
    assert (tmp_path / "a.py").read_text() == "x = 1\n"


@pytest.mark.parametrize("check", [True, False])
def test_a_new_file_cannot_be_the_folder_of_another(tmp_path: Path, *, check: bool) -> None:
    reply = "*** Begin Patch\n*** Add File: n\n+a\n*** Add File: n/m\n+b\n*** End Patch\n"

    with pytest.raises(BadPatch, match="n is a file"):
        apply_to_folder(tmp_path, reply, check=check)
    assert not list(tmp_path.iterdir())
