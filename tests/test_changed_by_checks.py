"""The accepted patch is the tree recorded before the checks ran; what they change is told, and weighs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sandpit import ADD, CHECK, FIX, Sandpit, replies

UNIT = '  - {name: unit, kind: test, run: [python3, -c, "%s"], timeout: 60}\n' % CHECK.replace('"', '\\"')  # noqa: UP031
HEAD = """\
version: 1
models:
  fast: {provider: openai, model: small-1}
  strong: {provider: anthropic, model: large-1}
accept: {fast: ran, strong: ran}
routing: {confidence_threshold: 0}
checks:
"""
FIXED = ADD.replace("a - b", "a + b")


def check(code: str, more: str = "") -> str:
    return f'{HEAD}{UNIT}  - {{name: tool, kind: custom, run: [python3, -c, "{code}"], timeout: 60{more}}}\n'


def verified(pit: Sandpit) -> Any:
    done = pit.run("verify", "--json")
    assert done.exit_code == 0, done.stdout + done.stderr
    return done.json


def test_a_formatter_that_rewrites_the_patch_holds_the_grade_at_ran(tmp_path: Path) -> None:
    rewrite = "t = open('calc.py').read(); open('calc.py', 'w').write(t.replace('a + b', 'b + a'))"
    pit = Sandpit(tmp_path / "pit", policy=check(rewrite))
    pit.write("calc.py", FIXED)

    told = verified(pit)

    assert told["grade"] == "ran"
    assert [(it["rule"], it["path"], it["weight"]) for it in told["findings"]] == [
        ("changed-by-checks", "calc.py", "lowers")
    ]
    assert "changed while the checks ran" in told["reason"]
    assert (pit.root / "calc.py").read_text() == FIXED


def test_the_same_without_rewriting_is_discriminating(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=check("import os; os.utime('calc.py')"))
    pit.write("calc.py", FIXED)

    told = verified(pit)

    assert (told["grade"], told["findings"]) == ("discriminating", [])


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import os; os.unlink('help.py')", id="removed"),
        pytest.param("import os; os.chmod('help.py', 0o755)", id="made executable"),
        pytest.param("import os; os.unlink('help.py'); os.symlink('calc.py', 'help.py')", id="a link"),
        pytest.param(
            "import os; s = os.stat('help.py'); open('help.py', 'r+').write('Y'); os.utime('help.py', ns=(s.st_atime_ns, s.st_mtime_ns))",
            id="the same size and time",
        ),
    ],
)
def test_another_source_file_that_changes_only_with_the_patch_lowers_too(tmp_path: Path, code: str) -> None:
    once = f"import calc; calc.add(1, 1) == 2 and exec({code!r})".replace('"', '\\"')
    pit = Sandpit(tmp_path / "pit", {"help.py": "X = 1\n"}, check(once))
    pit.write("calc.py", FIXED)

    told = verified(pit)

    assert [(it["path"], it["weight"]) for it in told["findings"]] == [("help.py", "lowers")]
    assert told["grade"] == "ran"


def test_what_the_checks_change_at_start_as_well_is_only_shown(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", {"stamp.py": "N = 0\n"}, check("open('stamp.py', 'w').write('N = 1')"))
    pit.write("calc.py", FIXED)

    told = verified(pit)

    assert [(it["path"], it["weight"]) for it in told["findings"]] == [("stamp.py", "notes")]
    assert told["grade"] == "discriminating"
    assert "changed while the checks ran: stamp.py" in pit.run("verify").stdout


def test_new_files_and_those_that_a_check_is_to_write_are_no_news(tmp_path: Path) -> None:
    code = "open('new.py', 'w').write('1'); open('lcov.info', 'w').write('SF:calc.py')"
    pit = Sandpit(tmp_path / "pit", {"lcov.info": "old"}, check(code, ", coverage: lcov.info"))
    pit.write("calc.py", FIXED)

    assert verified(pit)["findings"] == []


def test_what_is_delivered_is_what_was_recorded_before(tmp_path: Path) -> None:
    rewrite = "open('calc.py', 'a').write('# by a check')"
    pit = Sandpit(tmp_path / "pit", policy=check(rewrite))

    done = pit.run(
        "--task", "fix add", "--replay", str(replies(tmp_path, ("fast", FIX))), "--apply", "--json"
    )

    assert done.exit_code == 0, done.stdout + done.stderr
    assert (pit.root / "calc.py").read_text() == FIXED
    assert "by a check" not in Path(done.json["patch_path"]).read_text()
    assert done.json["attempts"][0]["grade"] == "ran"
