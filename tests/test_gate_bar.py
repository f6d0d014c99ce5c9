"""What `gate` and the hook ask of a change: nothing, unless the policy says so."""

from __future__ import annotations

from pathlib import Path

import pytest
from sandpit import ADD, CHECK, Sandpit

from route_agent.errors import PolicyError
from route_agent.policy import parse_policy

POLICY = """\
version: 1
%s
checks:
  - {name: words, kind: lint, run: [python3, -c, "%s"], timeout: 60}
"""
LINT = CHECK.replace(" and calc.add(2, 2) == 4", "").replace('"', '\\"')


def pushed(folder: Path, bar: str) -> Sandpit:
    """A repository whose second commit changes what only a static check looks at."""
    pit = Sandpit(folder / "pit", policy=POLICY % (bar, LINT))
    pit.write("calc.py", ADD.replace("a - b", "a + b"))
    pit.commit("add adds")
    return pit


def test_a_change_about_which_little_is_proved_passes_by_default(tmp_path: Path) -> None:
    told = pushed(tmp_path, "").run("gate", "--base", "HEAD~1", "--json").json

    assert (told["exit_code"], told["grade"]) == (0, "static")


def test_it_does_not_where_the_policy_at_the_base_asks_for_more(tmp_path: Path) -> None:
    pit = pushed(tmp_path, "gate: {least: ran}")

    done = pit.run("gate", "--base", "HEAD~1")

    assert done.exit_code == 1
    assert "graded static, ran is asked for" in done.stdout
    pit.write("calc.py", ADD.replace("a - b", "b + a"))
    assert pit.run("verify").exit_code == 0  # which reports, and asks only where it is told to


def test_a_word_that_is_no_grade_is_refused() -> None:
    with pytest.raises(PolicyError, match=r"gate\.least"):
        parse_policy("version: 1\ngate: {least: good}", "p.yaml")
