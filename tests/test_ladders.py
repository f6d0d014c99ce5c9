"""A ladder of any length: each lane is tried in its turn, told what failed below, and none that is no use."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, WRONG, Result, Sandpit, provider_env

THREE = (
    POLICY.replace("  strong:", "  fast2: {provider: openai, model: mid-1}\n  strong:", 1).replace(
        "fast: ran,", "fast: ran, fast2: ran,"
    )
    + "routing: {ladder: [fast, fast2, strong]}\n"
)


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def run(tmp_path: Path, server: Loopback, policy: str = THREE) -> Result:
    pit = Sandpit(tmp_path / "pit", policy=policy)
    return pit.run("--task", "sums must be right", "--json", env=provider_env(pit, server))


def test_three_lanes_of_different_models_are_climbed_one_by_one(tmp_path: Path, server: Loopback) -> None:
    server.script("small-1", Reply(WRONG))
    server.script("mid-1", Reply("I would change the sign."), Reply("I would."))
    server.script("large-1", Reply(FIX))

    done = run(tmp_path, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    told = done.json["attempts"]
    assert [(it["lane"], it["failure"], it["same_model_as"]) for it in told] == [
        ("fast", "still_failing", None),
        ("fast2", "unappliable", None),
        ("strong", None, None),
    ]
    assert [it["second"]["accepts"] for it in told] == [False, False, True]
    assert [it["second"]["score"] for it in told] == [1, None, 1]
    last = str(server.requests[-1].body)
    assert "earlier attempt 1 failed" in last
    assert "earlier attempt 2 failed" in last


def test_the_middle_lane_may_be_enough_and_a_model_that_answered_below_is_no_escalation(
    tmp_path: Path, server: Loopback
) -> None:
    server.script("small-1", Reply(WRONG))
    server.script("mid-1", Reply(FIX, served_model="small-1"))

    done = run(tmp_path, server)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert [(it["lane"], it["same_model_as"]) for it in done.json["attempts"]] == [
        ("fast", None),
        ("fast2", "fast"),
    ]


def test_a_patch_that_belongs_to_the_top_passes_the_middle_by(tmp_path: Path, server: Loopback) -> None:
    sneaky = FIX + "\n--- /dev/null\n+++ b/auth/session.py\n@@ -0,0 +1 @@\n+OPEN = True\n"
    server.script("small-1", Reply(sneaky))
    server.script("large-1", Reply(FIX))

    done = run(tmp_path, server)

    fast, strong = done.json["attempts"]
    assert (fast["failure"], fast["second"]["belongs_to"]) == ("raised", "strong"), done.stdout
    assert "auth_code" in fast["second"]["reasons"][1]
    assert (strong["lane"], strong["failure"]) == ("strong", None)


def test_a_forced_lanes_patch_still_goes_up_where_a_floor_asks_for_it(
    tmp_path: Path, server: Loopback
) -> None:
    sneaky = FIX + "\n--- /dev/null\n+++ b/auth/session.py\n@@ -0,0 +1 @@\n+OPEN = True\n"
    server.script("small-1", Reply(sneaky))
    server.script("large-1", Reply(FIX))
    pit = Sandpit(tmp_path / "pit", policy=POLICY)
    env = provider_env(pit, server)
    config = Path(env["XDG_CONFIG_HOME"], "route-agent", "config.yaml")
    floor = {"by": "the team", "routing": {"always_strong_if": ["auth_code"]}}
    config.write_text(json.dumps({**json.loads(config.read_text()), "floor": floor}))

    done = pit.run("--task", "sums must be right", "--lane", "fast", "--force-lane", "--json", env=env)

    assert [it["failure"] for it in done.json["attempts"]] == ["raised", None], done.stdout + done.stderr


def test_a_patch_that_is_too_large_climbs_to_the_top_and_is_told_there(
    tmp_path: Path, server: Loopback
) -> None:
    for model in ("small-1", "mid-1", "large-1"):
        server.script(model, Reply(FIX))
    policy = THREE.replace(
        "strong]}",
        "strong], escalate_on: [low_confidence_summary], after: {max_lines: 1, unless: never}}",
    )

    done = run(tmp_path, server, policy)

    assert done.exit_code == 0, done.stdout + done.stderr
    assert [it["failure"] for it in done.json["attempts"]] == ["doubtful", "doubtful", None]
    top = done.json["attempts"][-1]
    assert "2 lines added and removed, 1 are the most, and no higher lane is left" in top["reason"]
    assert top["second"]["accepts"] is True
