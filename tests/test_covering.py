"""Which changed statements were executed: what counts as changed, as a statement, and as executed."""

from __future__ import annotations

import subprocess
import textwrap
from pathlib import Path

import pytest

from route_agent.covering import language, measure, read_source, statements
from route_agent.hunks import changed_lines
from route_agent.lexical import code_by_line, continued_lines

Files = dict[str, str | None]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    return tmp_path


def diff(repo: Path, old: Files, new: Files) -> str:
    """The difference of two trees as the product asks git for it."""
    trees = []
    for files in (old, new):
        for name, text in files.items():
            (repo / name).parent.mkdir(parents=True, exist_ok=True)
            (repo / name).unlink(missing_ok=True)
            if text is not None:
                (repo / name).write_bytes(text.encode())
        subprocess.run(["git", "add", "-A"], cwd=repo, check=True)
        tree = subprocess.run(["git", "write-tree"], cwd=repo, check=True, capture_output=True, text=True)
        trees.append(tree.stdout.strip())
    shape = ("-p", "-r", "--binary", "--full-index", "--no-renames", "--no-color")
    plain = ("--no-ext-diff", "--no-textconv", "--src-prefix=a/", "--dst-prefix=b/")
    done = subprocess.run(
        ["git", "diff-tree", *shape, *plain, *trees], cwd=repo, check=True, capture_output=True
    )
    return done.stdout.decode(errors="surrogateescape")


def code(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def wanted(repo: Path, old: str, new: str, path: str = "m.py") -> list[str]:
    """The changed statements, as the first lines of their text."""
    told = measure(diff(repo, {path: old}, {path: new}), {path: new.encode()}, {path: frozenset()})
    assert not told.unmeasured
    return [new.split("\n")[line - 1].strip() for _, line in sorted(told.changed)]


def known(path: str, source: str) -> set[int]:
    found = statements(path, source.encode())
    assert found is not None
    return set(found)


# --- the diff ---


def test_new_lines_are_told_by_the_new_side_and_both_lines_beside_a_deletion(repo: Path) -> None:
    old = "".join(f"{number}\n" for number in range(1, 30))
    new = old.replace("5\n", "five\nhalf\n", 1).replace("20\n21\n", "")

    found = changed_lines(diff(repo, {"a.txt": old, "gone.py": "x\n"}, {"a.txt": new, "gone.py": None}))

    assert found == {"a.txt": frozenset({5, 6, 20, 21})}


def test_names_and_contents_of_any_kind_do_not_lead_the_reader_astray(repo: Path) -> None:
    odd = 'ä "\t\n x.py'
    tricky = "++ b/other.py\n@@ -1 +1 @@\ndiff --git a/z b/z\n\x0c\x1c\u2028\r\nlast"

    found = changed_lines(diff(repo, {odd: "one\n", "t.txt": ""}, {odd: "two\n", "t.txt": tricky}))

    assert found == {odd: frozenset({1}), "t.txt": frozenset({1, 2, 3, 4, 5})}


def test_modes_and_binary_files_have_no_lines(repo: Path) -> None:
    told = diff(repo, {"b.bin": "\0\1"}, {"b.bin": "\0\2"})

    assert "GIT binary patch" in told
    assert not any(changed_lines(told).values())


# --- statements of Python ---


def test_a_statement_is_its_first_line_and_remarks_are_none() -> None:
    source = code('''
        """Module."""
        import os  # why

        # a remark
        @first
        @second(
            1,
        )
        def f(
            a,
            # inner
        ):
            """Doc
            string."""
            global x
            x = call(
                a,
            )
            if a:  # pragma: no cover
                pass
            else:
                return [
                    1,
                ]
            try:
                a()
            except ValueError:
                ...
            finally:
                a = 2
            "bare"
            return 3
            a = 4
    ''')

    found = read_source("m.py", source.encode())

    assert found is not None
    starts = {"import", "@first", "x", "if", "pass", "return", "try:", "a()", "except", "a"}
    lines = source.split("\n")
    counted = [lines[line - 1].split()[0] for line in sorted(known("m.py", source))]
    assert set(counted) == starts
    assert counted.count("return") == 2
    assert lines.index("    a = 4") + 1 not in found.first  # nothing can reach it
    assert found.first[lines.index("        a,") + 1] == lines.index("    x = call(") + 1
    assert found.first[lines.index("def f(") + 1] == lines.index("@first") + 1
    assert lines.index("    # inner") + 1 not in found.first


def test_heads_of_except_and_case_are_statements_of_their_own() -> None:
    source = "match a:\n    case [1, 2]:\n        b()\n    case _:\n        c()\n"

    assert known("m.py", source) == {1, 2, 3, 4, 5}


def test_what_is_for_type_checkers_alone_is_left_out_unless_the_file_says_what_the_name_is() -> None:
    guarded = "if TYPE_CHECKING:\n    import a\nelse:\n    import b\n"

    assert known("m.py", "from typing import TYPE_CHECKING\n" + guarded) == {1, 2, 5}
    assert known("m.py", "TYPE_CHECKING = 1\n" + guarded) == {1, 2, 3, 5}


@pytest.mark.parametrize(
    "source",
    ["def f(:\n", "a\0b\n", "x = 1\ry = 2\n", "-" * 100_000 + "1", "a" + ".b" * 100_000, "# coding: nope\n"],
)
def test_what_is_no_python_that_git_and_the_compiler_count_alike_is_not_known(source: str) -> None:
    assert statements("m.py", source.encode()) is None


def test_a_doubtful_source_warns_nobody() -> None:
    assert known("m.py", 'x = "\\d" is 1\n') == {1}


# --- gone lines ---


BODY = code("""
    def f(a):
        if not a:
            raise ValueError
        b = a + 1
        # remark
        log(
            b,
            2,
        )
        return b

    def g():
        return 0
""")


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("    if not a:\n        raise ValueError\n", ["b = a + 1"]),
        ("    b = a + 1\n", ["log("]),
        ("        b,\n", ["log("]),
        ("    return b\n", ["log("]),
        ("    # remark\n", []),
        ("\ndef g():\n    return 0\n", ["def f(a):"]),
        (BODY.split("\n\n")[0] + "\n\n", ["def g():"]),
    ],
)
def test_what_runs_across_a_gap_counts_as_changed(repo: Path, gone: str, expected: list[str]) -> None:
    assert gone in BODY

    assert wanted(repo, BODY, BODY.replace(gone, "")) == expected


def test_code_that_becomes_a_remark_leaves_a_gap(repo: Path) -> None:
    assert wanted(repo, BODY, BODY.replace("    b = a + 1\n", "    # b = a + 1\n")) == ["log("]


def test_a_docstring_is_no_statement_before_or_after(repo: Path) -> None:
    old = 'def f():\n    """One\n    two\n    three.\n    """\n    return 1\n'

    assert wanted(repo, old, old.replace("    two\n", "")) == []
    assert wanted(repo, old, old.replace("    two\n", "    2\n")) == []
    assert wanted(repo, old.replace("return 1", "return 2"), old) == ["return 1"]


# --- other languages ---

SCRIPT = code("""
    // remark
    import x from "y"; // more
    /* if (a) {
    } */
    function f(a) {
      const quoted = /["'`/]/.test(a) ? "//" : 1 / 2 / 3;
      return call(a, [
        1,
        // no
        2,
      ]);
    }
    const text = `one
    // two
    `;
""")


def test_lines_with_more_than_remarks_and_brackets_are_the_statements_of_other_languages() -> None:
    assert known("m.js", SCRIPT) == {2, 5, 6, 7, 8, 10, 13, 14, 15}
    assert continued_lines(SCRIPT) == {8, 10, 11, 14, 15}
    assert code_by_line("a = 1 # b\n# c\n  d // e", hashes=True) == [(1, 0, "a = 1"), (3, 2, "d // e")]


@pytest.mark.parametrize(
    ("path", "source", "kind"),
    [
        ("a/m.PY", b"", "py"),
        ("run", b"#!/usr/bin/env python3\n", "py"),
        ("run", b"#!/usr/bin/node\n", "js"),
        ("run", b"#! /bin/bash\n", "sh"),
        ("m.pyi", b"", ""),
        ("m.d.ts", b"", ""),
        ("m.ts", b"", "ts"),
        ("README.md", b"", ""),
        ("LICENSE", b"text", ""),
        (".env", b"", ""),
        ("data.json", b"", ""),
        ("Makefile", b"", "mk"),
    ],
)
def test_the_language_is_known_by_suffix_name_or_first_line(path: str, source: bytes, kind: str) -> None:
    assert language(path, source) == kind


# --- together ---


def test_covered_is_only_what_ran_of_every_changed_statement(repo: Path) -> None:
    new = BODY.replace("a + 1", "a + 2").replace("        2,", "        3,")
    told = diff(repo, {"m.py": BODY}, {"m.py": new})

    half = measure(told, {"m.py": new.encode()}, {"m.py": frozenset({1, 4})})
    full = measure(told, {"m.py": new.encode()}, {"m.py": frozenset({4, 7})})  # any line of `log(`

    assert half.changed == full.changed == {("m.py", 4), ("m.py", 6)}
    assert half.missing == (("m.py", 6),)
    assert not half.is_full
    assert full.is_full


def test_tests_prose_and_data_are_left_out_and_code_that_nobody_measured_is_named(repo: Path) -> None:
    new: Files = {
        "m.py": "a = 1\n", "web/m.ts": "let a = 1\n", "q.sql": "select 1\n", "r.sh": "# only a remark\n",
        "tests/test_m.py": "a = 1\n", "conftest.py": "a = 1\n", "README.md": "a\n", "data.yaml": "a: 1\n",
    }  # fmt: skip
    told = diff(repo, {}, new)
    sources = {path: (text or "").encode() for path, text in new.items()}

    nothing = measure(told, sources, {})
    some = measure(told, sources, {"m.py": frozenset({1}), "web/m.ts": frozenset()})

    assert (nothing.changed, nothing.unmeasured) == (frozenset(), ("m.py", "q.sql", "web/m.ts"))
    assert some.missing == (("web/m.ts", 1),)
    assert some.unmeasured == ("q.sql",)
    assert not some.is_full


def test_a_change_without_a_statement_is_not_covered(repo: Path) -> None:
    told = diff(repo, {"m.py": "a = 1\n", "n.py": "b\n"}, {"m.py": "a = 1\n# b\n", "n.py": None})

    found = measure(told, {"m.py": b"a = 1\n# b\n"}, {"m.py": frozenset({1})})

    assert not found.changed
    assert not found.unmeasured
    assert not found.is_full


def test_a_pragma_excludes_nothing(repo: Path) -> None:
    new = "def f():  # pragma: no cover\n    return 1  # pragma: no cover\n"

    found = measure(diff(repo, {}, {"m.py": new}), {"m.py": new.encode()}, {"m.py": frozenset({1})})

    assert found.missing == (("m.py", 2),)
