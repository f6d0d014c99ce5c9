"""From a reply to edits, from an edit to its place, and what may not be changed at all."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from route_agent.errors import BadPatch, HostilePatch
from route_agent.patch.fit import fit
from route_agent.patch.formats import read_reply
from route_agent.patch.guard import judge
from route_agent.records.change import Change, Edit, FileChange

FILE = b"import os\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 1\n"


def patched(reply: str, **files: bytes) -> dict[str, bytes | None]:
    return fit(read_reply(reply), {name.replace("_py", ".py"): data for name, data in files.items()}).contents


def refused(reply: str, **files: bytes) -> str:
    with pytest.raises(BadPatch) as caught:
        patched(reply, **files)
    return str(caught.value)


def diff(body: str, header: str = "@@ -4,2 +4,2 @@") -> str:
    return f"Here it is:\n```diff\n--- a/m.py\n+++ b/m.py\n{header}\n{body}```\nDone.\n"


def test_a_fenced_diff_lands_whatever_its_counts_say() -> None:
    reply = diff(" def a():\n-    return 1\n+    return 2\n+    # two\n", header="@@ -99,7 +3,1 @@ whatever")

    assert patched(reply, m_py=FILE)["m.py"] == FILE.replace(
        b"a():\n    return 1", b"a():\n    return 2\n    # two"
    )


def test_a_search_and_replace_block_lands() -> None:
    reply = "m.py\n```python\n<<<<<<< SEARCH\ndef b():\n    return 1\n=======\ndef b():\n    return 3\n>>>>>>> REPLACE\n```"

    assert patched(reply, m_py=FILE)["m.py"] == FILE.replace(b"b():\n    return 1", b"b():\n    return 3")


def test_a_new_file_and_a_deletion_land() -> None:
    reply = "--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n--- a/m.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-import os\n"

    assert patched(reply, m_py=b"import os\n") == {"n.py": b"x = 1\ny = 2\n", "m.py": None}


def test_an_ambiguous_place_is_no_place_unless_the_line_number_fits_exactly() -> None:
    body = "-    return 1\n+    return 2\n"

    assert "2 places fit by exact (lines 5, 9)" in refused(diff(body, "@@ @@"), m_py=FILE)
    assert "2 places fit" in refused(diff(body, "@@ -6,1 +6,1 @@"), m_py=FILE)
    assert patched(diff(body, "@@ -9 +9 @@"), m_py=FILE)["m.py"] == FILE[:-2] + b"2\n"


def test_a_missing_place_says_what_stands_nearest() -> None:
    message = refused(diff(" def a(x):\n-    return 11\n+    return 2\n"), m_py=FILE)

    assert "m.py, hunk 1: its lines are nowhere in the file" in message
    assert "nearest is line 5" in message


def test_all_files_or_none() -> None:
    reply = (
        diff(" def a():\n-    return 1\n+    return 2\n") + "\n--- a/n.py\n+++ b/n.py\n@@ -1 +1 @@\n-x\n+y\n"
    )

    assert "n.py does not exist at start" in refused(reply, m_py=FILE)


def test_bytes_outside_the_edit_survive() -> None:
    windows = FILE.replace(b"\n", b"\r\n")
    latin = b"# caf\xe9\n" + FILE.rstrip(b"\n")
    reply = diff(" def a():\n-    return 1\n+    return 2\n")

    assert patched(reply, m_py=windows)["m.py"] == windows.replace(
        b"a():\r\n    return 1", b"a():\r\n    return 2"
    )
    assert patched(reply, m_py=latin)["m.py"] == latin.replace(b"a():\n    return 1", b"a():\n    return 2")


def test_context_with_other_trailing_space_lands_and_keeps_the_files_own() -> None:
    spaced = FILE.replace(b"def a():\n", b"def a():  \n")

    assert patched(diff(" def a():\n-    return 1\n+    return 2\n"), m_py=spaced)["m.py"] == spaced.replace(
        b"a():  \n    return 1", b"a():  \n    return 2"
    )


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        ("I cannot do that.", "holds no patch"),
        ("", "holds no patch"),
        ("m.py\n<<<<<<< SEARCH\nimport os\n", "has no end"),
        ("<<<<<<< SEARCH\nimport os\n=======\nx\n>>>>>>> REPLACE\n", "no file path above"),
        (diff(" def a():\n     return 1\n"), "it changes nothing"),
        ("--- a/m.py\n+++ b/m.py\n", "has no hunks"),
        (diff("-import os\n+KEY = '[redacted:aws-key-id]'\n"), "placeholder"),
        ("--- /dev/null\n+++ b/m.py\n@@ -0,0 +1 @@\n+x\n", "exists already"),
        ("--- a/gone.py\n+++ b/gone.py\n@@ -1 +1 @@\n-a\n+b\n", "does not exist at start"),
        (diff("-import os\n+import sys\n").replace("m.py", "bin.py"), "binary"),
    ],
)
def test_what_is_no_patch_is_refused_in_words_that_help(reply: str, told: str) -> None:
    assert told in refused(reply, m_py=FILE, bin_py=b"\0\1")


PIECES = st.sampled_from(
    ["--- a/m.py\n", "+++ b/m.py\n", "@@ -1 +1 @@\n", "@@", "-import os\n", "+x\n", " \n", "```\n", "m.py\n",
     "<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "\\ No newline at end of file\n", "--- /dev/null\n"]
)  # fmt: skip


@given(st.lists(PIECES | st.text(max_size=12), max_size=14).map("".join))
@example("--- a/m.py\n+++ b/m.py\n@@")
@example("\ud800")
def test_any_text_gives_edits_or_a_plain_refusal(reply: str) -> None:
    try:
        fit(read_reply(reply), {"m.py": FILE})
    except (BadPatch, HostilePatch):
        return


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "a/../../x", "a//b", "a/./x", ".git/config", ".GIT/hooks/x", "sub/.git/config", "git~1/x",
     ".git./x", ".git /x", ".git::$INDEX_ALLOCATION/x", ".g\u200cit/config", "..\\x", "C:/x", "a\nb", "a\x1b[31m",
     "a\u202eb", ".gitmodules", "x/" * 60 + "y", "n" * 300],
)  # fmt: skip
def test_a_name_that_leaves_the_tree_or_deceives_is_hostile(path: str) -> None:
    with pytest.raises(HostilePatch, match="Nothing was applied"):
        judge(Change("a", "b", (FileChange(path, "000000", "100644", "0", "1", 1, 0),)), {})
    with pytest.raises(HostilePatch, match="Nothing was applied"):
        fit((Edit(path, content="x"),), {})


@pytest.mark.parametrize(
    ("file", "links", "told"),
    [
        (FileChange("l", "000000", "120000", "0", "1"), {"l": "/etc"}, "link that leaves"),
        (FileChange("a/l", "000000", "120000", "0", "1"), {"a/l": "../../x"}, "link that leaves"),
        (FileChange("s", "000000", "160000", "0", "1"), {}, "submodule"),
        (FileChange("s", "160000", "000000", "0", "1"), {}, "submodule"),
        (FileChange("x", "100644", "100666", "0", "1"), {}, "file mode 100666"),
        (FileChange("x", "100644", "100644", "0", "1", None, None), {}, "binary"),
        (FileChange("x", "100644", "100644", "0", "1", 60_000, 0), {}, "too large"),
    ],
)
def test_what_a_tree_may_not_hold_is_hostile(file: FileChange, links: dict[str, str], told: str) -> None:
    with pytest.raises(HostilePatch, match=told):
        judge(Change("a", "b", (file,)), links)


def test_a_link_inside_the_tree_is_fine() -> None:
    judge(Change("a", "b", (FileChange("a/l", "000000", "120000", "0", "1"),)), {"a/l": "../b/c"})


def test_talk_that_got_a_blank_in_front_is_not_context_where_the_header_does_not_count_it() -> None:
    body = ' def b():\n     return 1\n+\n+\n+def c():\n+    return 2\n \n {\n     "tests": ["m::c"],\n }\n'

    assert patched(diff(body, "@@ -8,2 +8,6 @@"), m_py=FILE)["m.py"] == FILE + b"\n\ndef c():\n    return 2\n"
    assert "nowhere" in refused(diff(body, "@@ @@"), m_py=FILE)


def test_of_two_lines_that_differ_in_indentation_only_the_one_that_was_told_goes() -> None:
    source = b"class A:\n    def f(self):\n        if x {\n            y;\n            }\n        }\n    }\n    return x;\n"
    body = "             y;\n-            }\n+        ]\n     }\n     return x;\n"

    assert patched(diff(body, "@@ @@"), m_py=source)["m.py"] == source.replace(
        b"            }\n", b"        ]\n"
    )


def test_an_insertion_that_fits_at_two_places_of_a_drifted_context_is_refused() -> None:
    source = b"start_here()\nsame()\nsame()\nend_here()\nfinish()\n"
    body = " start_here()\n same()\n+new()\n end_here()\n finish()\n"

    assert "2 places fit by alignment" in refused(diff(body, "@@ @@"), m_py=source)


def test_one_guessed_line_at_the_edge_does_not_hinder_where_the_line_number_fits_exactly() -> None:
    body = " import guessed\n+import re\n \n \n def a():\n"

    assert patched(diff(body, "@@ -1,4 +1,5 @@"), m_py=FILE)["m.py"] == FILE.replace(
        b"os\n", b"os\nimport re\n", 1
    )
    assert "nowhere" in refused(diff(body, "@@ -2,4 +2,5 @@"), m_py=FILE)


def test_many_hunks_written_as_one_are_taken_apart() -> None:
    source = b"".join(b"def f%d():\n    return %d\n\n\n# between %d\n" % (n, n, n) for n in range(12))
    body = "".join(f" def f{n}():\n-    return {n}\n+    return -{n}\n" for n in range(0, 12, 2))

    expected = source
    for n in range(0, 12, 2):
        expected = expected.replace(b"    return %d\n" % n, b"    return -%d\n" % n)
    assert patched(diff(body, "@@ @@"), m_py=source)["m.py"] == expected


def test_a_path_with_the_repositorys_own_name_in_front_is_found() -> None:
    body = diff(" def b():\n-    return 1\n+    return 2\n").replace("m.py", "project/m.py")

    assert set(patched(body, m_py=FILE)) == {"m.py"}


def test_a_later_edit_of_a_file_that_the_reply_made_goes_there_and_not_to_its_namesake() -> None:
    made = "--- /dev/null\n+++ b/new/m.py\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n"
    edited = "--- a/new/m.py\n+++ b/new/m.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"

    assert patched(made + edited, m_py=FILE) == {"new/m.py": b"x = 1\ny = 3\n"}


def test_a_refusal_gives_the_files_true_lines_with_their_numbers() -> None:
    body = " def b():\n-    return value\n+    return 2\n"

    message = refused(diff(body), m_py=FILE)

    assert "nearest is line 8, where the file reads" in message
    assert "\n    8 def b():\n    9     return 1" in message


def test_an_ambiguous_hunk_is_told_what_stands_above_each_place() -> None:
    message = refused(diff("-    return 1\n+    return 2\n", "@@ @@"), m_py=FILE)

    assert "    4 def a():\n    5     return 1" in message
    assert "    8 def b():\n    9     return 1" in message


def test_a_file_that_is_not_there_is_answered_with_the_one_that_is_most_alike() -> None:
    body = diff(" def b():\n-    return 1\n+    return 2\n").replace("m.py", "src/worker_sink.py")

    assert "did you mean src/worker_sync.py?" in refused(body, **{"src/worker_sync.py": FILE})


def test_the_library_call_gives_the_new_bytes() -> None:
    from route_agent import patch

    result = patch.apply(diff(" def b():\n-    return 1\n+    return 2\n"), {"m.py": FILE})

    assert result.contents == {"m.py": FILE[:-2] + b"2\n"}
    with pytest.raises(patch.BadPatch):
        patch.apply("no patch", {})


def test_new_lines_follow_their_neighbour_where_the_context_was_copied_unevenly() -> None:
    source = b"def f(a):\n        if a:\n            one()\n        two(a)\n        three(a)\n"
    body = "     if a:\n-        one()\n+        two_ones()\n         two(a)\n+        more(a)\n         three(a)\n"

    assert patched(diff(body, "@@ @@"), m_py=source)["m.py"] == (
        b"def f(a):\n        if a:\n            two_ones()\n        two(a)\n        more(a)\n        three(a)\n"
    )


def test_a_rename_without_hunks_stays_itself_when_another_files_diff_follows() -> None:
    reply = (
        "diff --git a/m.py b/lib/m.py\nsimilarity index 100%\nrename from m.py\nrename to lib/m.py\n"
        "--- a/n.py\n+++ b/n.py\n@@ -1 +1 @@\n-x = 1\n+x = 2\n"
    )

    assert patched(reply, m_py=FILE, n_py=b"x = 1\n") == {"m.py": None, "lib/m.py": FILE, "n.py": b"x = 2\n"}
