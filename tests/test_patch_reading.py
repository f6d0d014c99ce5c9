"""Everything that a reply asks for is read, or nothing is: half of a patch is no patch."""

from __future__ import annotations

import pytest

from route_agent import patch
from route_agent.errors import BadPatch

A = b"x = 1\ny = 2\n"
DIFF = "--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n x = 1\n-y = 2\n+y = 3\n"


def landed(reply: str, **files: bytes) -> dict[str, bytes | None]:
    return patch.apply(reply, {name.replace("_py", ".py"): data for name, data in files.items()}).contents


def refused(reply: str, **files: bytes) -> str:
    with pytest.raises(BadPatch) as caught:
        landed(reply, **files)
    return str(caught.value)


def test_a_new_file_given_whole_beside_a_diff_lands_as_well() -> None:
    reply = f"First:\n```diff\n{DIFF}```\nThen a new file:\n\n`b.py`\n```python\nz = 1\n```\n"

    assert landed(reply, a_py=A) == {"a.py": b"x = 1\ny = 3\n", "b.py": b"z = 1\n"}


def test_a_block_that_shows_a_file_which_the_diff_edits_is_only_shown() -> None:
    reply = f"a.py\n```python\ny = 3\n```\n\n```diff\n{DIFF}```\n"

    assert landed(reply, a_py=A) == {"a.py": b"x = 1\ny = 3\n"}


def test_search_blocks_beside_a_diff_land_as_well() -> None:
    reply = f"{DIFF}\nb.py\n<<<<<<< SEARCH\nz = 1\n=======\nz = 2\n>>>>>>> REPLACE\n"

    assert landed(reply, a_py=A, b_py=b"z = 1\n") == {"a.py": b"x = 1\ny = 3\n", "b.py": b"z = 2\n"}


def test_an_underlined_heading_is_no_divider() -> None:
    reply = "d.md\n<<<<<<< SEARCH\nTitle\n=====\n\nold\n=======\nTitle\n=====\n\nnew\n>>>>>>> REPLACE\n"

    assert patch.apply(reply, {"d.md": b"Title\n=====\n\nold\n"}).contents == {
        "d.md": b"Title\n=====\n\nnew\n"
    }
    assert "several dividers" in refused(reply.replace("=====\n\n", "=======\n\n"), a_py=A)


def test_a_fenced_block_inside_a_whole_file_belongs_to_it() -> None:
    reply = "README.md\n```markdown\n# T\n\n```sh\nrun\n```\n\nThe end.\n```\n"
    long = "README.md\n````markdown\n# T\n\n```\nrun\n```\n\nThe end.\n````\n"

    assert landed(reply) == {"README.md": b"# T\n\n```sh\nrun\n```\n\nThe end.\n"}
    assert landed(long) == {"README.md": b"# T\n\n```\nrun\n```\n\nThe end.\n"}


def test_a_block_under_talk_of_another_file_goes_to_that_file() -> None:
    block = "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n"
    reply = f"a.py\n{block}\nAnd in `b.py`:\n\n{block}"

    assert landed(reply, a_py=A, b_py=b"x = 1\n") == {"a.py": b"x = 2\ny = 2\n", "b.py": b"x = 2\n"}
    assert "several files" in refused(reply.replace("`b.py`", "`b.py` or `c.py`"), a_py=A, b_py=b"x = 1\n")


def test_talk_behind_a_new_file_is_not_part_of_it() -> None:
    unfenced = (
        "--- /dev/null\n+++ b/b.py\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n\nThis module defines two names.\n"
    )
    begin = "*** Begin Patch\n*** Add File: b.py\n+x = 1\n+y = 2\n```\nThat is all.\n*** End Patch\n"

    assert landed(unfenced) == {"b.py": b"x = 1\ny = 2\n"}
    assert landed(begin) == {"b.py": b"x = 1\ny = 2\n"}


@pytest.mark.parametrize(
    "reply",
    [
        "b.py\n```python\nx = 1\n```\nc.py\n```python\ny = ",
        '[{"path": "a.py", "old": "x = 1", "new": "x = 2"}, {"path": "a.py", "old": "y = 2", "ne',
        "*** Begin Patch\n*** Update File: a.py\n-x = 1\n+x =",
        f"{DIFF}diff --git a/b.py b/b.py\nnew file mode 100644",
        f"{DIFF}--- a/b.py",
        f"{DIFF}\nand further down:\n@@ -9,1 +9,1 @@\n-z = 1\n+z = 2\n",
    ],
    ids=["fence", "json", "begin patch", "git header", "file header", "hunk under talk"],
)
def test_a_reply_of_which_a_part_cannot_be_read_lands_nowhere(reply: str) -> None:
    assert refused(reply, a_py=A)


@pytest.mark.parametrize(
    "reply",
    [
        '[{"path": "a.py", "old": "x = 1", "new": "x = 2"}, {"path": "a.py", "rename": "b.py"}]',
        '{"path": "a.py", "what": "x"}',
    ],
)
def test_a_json_entry_that_is_not_understood_refuses_all(reply: str) -> None:
    assert "says neither" in refused(reply, a_py=A)


def test_json_in_two_blocks_or_nested_by_file_lands_whole() -> None:
    first = '```json\n[{"path": "a.py", "old": "x = 1", "new": "x = 2"}]\n```\n'
    second = '```json\n[{"path": "a.py", "old": "y = 2", "new": "y = 3"}]\n```\n'
    nested = '{"files": [{"path": "a.py", "edits": [{"old": "x = 1", "new": "x = 2"}, {"old": "y = 2", "new": "y = 3"}]}]}'

    assert landed(first + second, a_py=A) == {"a.py": b"x = 2\ny = 3\n"}
    assert landed(nested, a_py=A) == {"a.py": b"x = 2\ny = 3\n"}


def test_line_ends_inside_json_follow_the_file() -> None:
    reply = '[{"path": "a.py", "old": "x = 1\\r\\ny = 2", "new": "x = 2\\r\\ny = 2"}]'

    assert landed(reply, a_py=A) == {"a.py": b"x = 2\ny = 2\n"}
    assert landed(reply, a_py=A.replace(b"\n", b"\r\n")) == {"a.py": b"x = 2\r\ny = 2\r\n"}


def test_a_heading_that_only_looks_a_little_like_a_path_is_none() -> None:
    with pytest.raises(BadPatch, match="no patch"):
        patch.read("CI/CD:\n```yaml\nx: 1\n```\n")


def test_a_byte_order_mark_before_the_reply_does_not_hide_it() -> None:
    assert landed("\ufeff" + DIFF, a_py=A) == {"a.py": b"x = 1\ny = 3\n"}


def test_a_page_that_shows_a_diff_is_not_taken_apart() -> None:
    reply = f"docs/diff.md\n```markdown\nA diff looks like this:\n\n{DIFF}```\n"

    assert "not clear" in refused(reply, a_py=A)


def test_a_path_above_the_fence_of_its_diff_names_no_second_file() -> None:
    assert landed(f"src/other.py\n```diff\n{DIFF}```\n", a_py=A) == {"a.py": b"x = 1\ny = 3\n"}


BLOCK = "<<<<<<< SEARCH\nx = 1\n=======\nx = 2\n>>>>>>> REPLACE\n"


@pytest.mark.parametrize(
    "reply",
    [
        f'<file path="a.py">\n{BLOCK}</file>\n',
        f'<edit file="a.py">\n```\n{BLOCK}```\n</edit>\n',
        "a.py\n" + BLOCK.replace("<", "&lt;").replace(">", "&gt;"),
        '<file path="a.py">\nx = 2\ny = 2\n</file>\n',
        '<file path="a.py">\n```python\nx = 2\ny = 2\n```\n</file>\n',
        "<pre>--- a/a.py\n+++ b/a.py\n@@ -1,2 +1,2 @@\n-x = 1\n+x = 2\n y = 2\n</pre>\n",
    ],
    ids=["tag", "tag and fence", "escaped markers", "whole in a tag", "whole in fence and tag", "pre"],
)
def test_tags_around_an_edit_name_its_file_and_are_not_part_of_it(reply: str) -> None:
    assert landed(reply, a_py=A) == {"a.py": b"x = 2\ny = 2\n"}


def test_a_tag_that_is_never_closed_is_a_reply_that_was_cut_off() -> None:
    assert "cut off" in refused('<file path="a.py">\nx = 2\ny =', a_py=A)
