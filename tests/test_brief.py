"""What is read out of a task's text."""

from __future__ import annotations

import pytest

from route_agent.brief import clean, named_paths, named_symbols, words_found
from route_agent.errors import UsageError


@pytest.mark.parametrize(
    "text", ["", "  \n\t ", "\u200b\u200b", b"", b"\xff\xfe", b"a\0b", b"x" * 70_000, "x" * 70_000]
)
def test_what_is_no_task_is_refused_plainly(text: str | bytes) -> None:
    with pytest.raises(UsageError) as caught:
        clean(text)
    assert "the task is" in caught.value.what


def test_invisible_characters_do_not_hide_a_word() -> None:
    text = clean("change the pass\u200bword\u202e form\x1b[31m")

    assert words_found(text, ["password"]) == ("password",)
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("fix sync/worker.py", ("src/sync/worker.py",)),
        ("fix worker.py.", ("src/sync/worker.py", "other/worker.py")),
        ("see `src/sync/worker.py:12`", ("src/sync/worker.py",)),
        ("the auth/ folder", ("auth/a.py",)),
        ("a worker", ()),
        ("../../etc/passwd and /etc/passwd", ()),
        ("version 3.11", ()),
    ],
)
def test_files_that_a_text_names_must_exist(text: str, found: tuple[str, ...]) -> None:
    paths = ["src/sync/worker.py", "other/worker.py", "auth/a.py", "myworker.py"]

    assert named_paths(text, paths) == found


def test_symbols_are_names_of_code_and_not_words() -> None:
    text = "Add a class RetryPolicy with reset_backoff and call close() in `worker`, not more"

    assert named_symbols(text) == ("RetryPolicy", "reset_backoff", "close", "worker")


def test_a_named_file_is_not_pushed_out_by_a_large_folder() -> None:
    paths = [f"src/m{number}.py" for number in range(80)] + ["src/zz/auth/session.py"]

    assert "src/zz/auth/session.py" in named_paths("clean up src/ and src/zz/auth/session.py", paths)
