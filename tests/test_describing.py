"""The ROUTING.md that a team gets: everything that routes stands in it, and nothing that does not."""

from __future__ import annotations

import pytest

from route_agent.describing import routing_text
from route_agent.policy import Policy, parse_policy, presets


def default_policy() -> Policy:
    return parse_policy(presets()["default"].read_bytes(), "default")


def test_the_routing_page_tells_everything_that_routes() -> None:
    page = routing_text(default_policy(), "default")

    assert "min(files, 8) + 5·schema_change" in page
    assert "min(2·test_failures, 6) + 3·new_code`" in page
    assert "A score up to 6 starts at `fast`" in page
    assert "A score from 7 starts at `strong`" in page
    assert "Always `strong`, whatever the score: `schema_change`, `auth_code`" in page
    assert "| `failed_tests` | `regression`, `still_failing`, `tampered`, `stalled` |" in page
    assert "after these failures, after `provider`, `raised` and `capped`, and after any of a fixer" in page
    assert "| `fast` | covered | docs: static, comments: static, lint: static" in page
    assert "$1.00 for a run, $10.00 for a day" in page
    assert (
        "For `bug`, `feature` the lane `verifier` writes a test for the brief before any patch is seen"
        in page
    )
    assert "The lane `verifier` reads a patch that met its bar below `discriminating`" in page
    assert "Below 0.65 a higher lane is asked" in page
    assert page.endswith("| Date | Change | Why | Measured |\n| --- | --- | --- | --- |\n")


def test_the_routing_page_follows_the_policy_and_not_the_default() -> None:
    text = """
version: 1
models:
  fixer: {provider: fixer, run: [[ruff, check, --fix, .]]}
  fast: {provider: openai, model: a, cap: {usd: p90}}
  middle: {provider: openai, model: b}
  strong: {provider: openai, model: c}
routing:
  mode: hybrid
  ladder: [fixer, fast, middle, strong]
  fast_max_score: 2
  strong_min_score: 9
  start: {migration: middle}
  phases: {review: middle}
  after: {effort: p80, max_lines: 300}
checks: [{name: ruff, kind: lint, run: [ruff, check, .]}]
"""

    page = routing_text(parse_policy(text, "p"), "p")

    assert "A score up to 2 starts at `fast`" in page
    assert "A score between the two thresholds starts at `middle`" in page
    assert "Ladder: `fixer` → `fast` → `middle` → `strong`" in page
    assert "no model: `ruff check --fix .` for lint, format" in page
    assert "Mode `hybrid`: the score and the conditions decide, and a complex task goes higher." in page
    assert "A task of class `migration` starts at `middle` at least." in page
    assert "`--phase review` works at `middle`." in page
    assert "An attempt beyond `p80` of the lane's own earlier effort goes on." in page
    assert "A patch of more than 300 lines goes on." in page
    assert "Neither counts from `discriminating` on." in page
    assert "`fast` stops at p90 usd and hands over." in page
    assert "| `ruff` | lint | `ruff check .` | 300 s |" in page


def test_a_bar_in_a_path_does_not_break_the_table() -> None:
    policy = parse_policy("version: 1\nsignals:\n  auth_code: {points: 5, paths: ['a|b']}\n", "p")

    rows = [line for line in routing_text(policy, "p").splitlines() if line.startswith("| `auth_code`")]

    assert rows[0].replace("\\|", "").count("|") == 5


@pytest.mark.parametrize("name", sorted(presets()))
def test_every_policy_that_ships_can_be_told(name: str) -> None:
    policy = parse_policy(presets()[name].read_bytes(), name)

    page = routing_text(policy, name)

    assert f"Mode `{policy.routing.mode}`" in page
    assert all(f"`{lane}`" in page for lane in policy.models)
    assert "## Two decisions" in page
    assert f"route-agent policy diff HEAD:{name} {name}" in page
