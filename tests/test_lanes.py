"""The lanes without a model, recorded and fixer, and what all lanes have in common."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from desks import Bench, bench, digest
from loopback import Loopback

from route_agent.config import load_config, provider_named
from route_agent.errors import LimitReached, ProviderError, UsageError
from route_agent.lanes.base import Lane
from route_agent.lanes.fixer import FixerLane
from route_agent.lanes.recorded import RecordedLane, load_replies
from route_agent.policy import LaneSpec
from route_agent.records.lanes import CallState, Prompt, Request

REQUEST = Request(start="0" * 40, prompt=Prompt("You write patches.", "Fix the retry leak."))
RECORDING = """\
version: 1
replies:
  - lane: fast
    reply: |
      SUMMARY: a first try
      --- a/sync.py
  - {lane: strong, model: large, reply: "from the strong lane"}
  - {lane: fast, reply: "a second try"}
"""


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


@pytest.fixture
def scratch(tmp_path: Path, means: Bench) -> Path:
    return tmp_path / "scratch"


def recording(folder: Path, text: str = RECORDING) -> Path:
    path = folder / "replies.yaml"
    path.write_text(text)
    return path


def python(*lines: str) -> tuple[str, ...]:
    return (sys.executable, "-c", "\n".join(lines))


def fixer(*commands: tuple[str, ...], timeout_s: float = 30.0) -> FixerLane:
    return FixerLane("fixer", LaneSpec(provider="fixer", run=commands, timeout_s=timeout_s))


@pytest.mark.parametrize("module", ["model", "recorded", "fixer", "anthropic", "openai", "answers", "desk"])
def test_no_sdk_is_imported_before_a_model_is_asked(module: str) -> None:
    code = (
        f"import sys, route_agent.lanes.{module};"
        "print(*{'anthropic', 'openai', 'httpx2', 'genai_prices', 'psutil', 'git', 'rich'} & {*sys.modules})"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout == "\n"


def test_the_loopback_server_can_be_named_in_a_configuration_file(tmp_path: Path) -> None:
    with Loopback() as server:
        path = tmp_path / "config.yaml"
        path.write_text(server.config_yaml("SOME_KEY"))

        config = load_config((path,))

    assert provider_named(config, "loop-anthropic").wire == "anthropic"
    assert provider_named(config, "loop-openai").key_env == "SOME_KEY"


def test_recorded_replies_are_played_in_order_each_lane_its_own(tmp_path: Path, means: Bench) -> None:
    replies = load_replies(recording(tmp_path))
    fast, strong = RecordedLane("fast", replies), RecordedLane("strong", replies)

    played = [lane.propose(REQUEST, means.desk) for lane in (fast, strong, fast)]

    assert [proposal.reply for proposal in played] == [
        "SUMMARY: a first try\n--- a/sync.py\n",
        "from the strong lane",
        "a second try",
    ]
    assert [proposal.summary for proposal in played] == ["a first try", "", ""]
    assert (fast.provider, fast.model) == ("recorded", "recorded")
    assert (strong.provider, strong.model) == ("recorded", "large")


def test_a_recorded_reply_is_written_down_and_costs_nothing(tmp_path: Path, means: Bench) -> None:
    (call,) = RecordedLane("strong", load_replies(recording(tmp_path))).propose(REQUEST, means.desk).calls

    assert means.purse.calls == [call]
    assert (call.state, call.provider, call.cost_micro_usd) == (CallState.DONE, "recorded", 0)
    assert call.reserved_micro_usd == 0


def test_a_recording_that_is_used_up_says_for_which_lane(tmp_path: Path, means: Bench) -> None:
    lane = RecordedLane("verifier", load_replies(recording(tmp_path)))

    with pytest.raises(ProviderError, match="no recorded reply is left for lane verifier") as refused:
        lane.propose(REQUEST, means.desk)

    assert refused.value.kind == "no_recorded_reply"
    assert not refused.value.retryable
    assert means.purse.calls == []


def test_a_recorded_reply_takes_the_time_that_it_is_given(tmp_path: Path, means: Bench) -> None:
    path = recording(tmp_path, "version: 1\nreplies: [{lane: fast, seconds: 0.2, reply: text}]\n")

    (call,) = RecordedLane("fast", load_replies(path)).propose(REQUEST, means.desk).calls

    assert 0.2 <= call.seconds < 2


def test_a_recorded_reply_does_not_outlast_the_run(tmp_path: Path) -> None:
    path = recording(tmp_path, "version: 1\nreplies: [{lane: fast, seconds: 500, reply: text}]\n")
    began = time.monotonic()

    with bench(tmp_path, seconds=0.2) as means, pytest.raises(ProviderError) as stopped:
        RecordedLane("fast", load_replies(path)).propose(REQUEST, means.desk)

    assert stopped.value.kind == "timeout"
    assert time.monotonic() - began < 2


def test_an_empty_recorded_reply_is_refused_like_a_models(tmp_path: Path, means: Bench) -> None:
    path = recording(tmp_path, 'version: 1\nreplies: [{lane: fast, reply: ""}]\n')

    with pytest.raises(ProviderError, match="empty reply"):
        RecordedLane("fast", load_replies(path)).propose(REQUEST, means.desk)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("version: 1\nreplies:\n  - {lane: fast, replay: x}\n", ':3: unknown key "replay"'),
        ("version: 1\nreplies:\n  - {lane: fast}\n", ":3: replies.0.reply: field required"),
        ("version: 1\nreplies:\n  - {lane: fast, reply: 3}\n", ":3: replies.0.reply: "),
        ("version: 1\nreplies:\n  - lane: fast\n    reply: x\n    seconds: -1\n", ":5: replies.0.seconds: "),
        ("version: 2\nreplies: []\n", ":1: version: "),
        ("replies: []\n", ":1: version: field required"),
        ("version: 1\nversion: 1\n", ':2: "version" stands twice'),
        ("- fast\n", ":1: expected keys and values"),
        ("replies: [\n", "not YAML"),
    ],
)
def test_a_fault_in_a_recording_is_named_with_file_and_line(tmp_path: Path, text: str, told: str) -> None:
    path = recording(tmp_path, text)

    with pytest.raises(UsageError) as refused:
        load_replies(path)

    assert str(path) in str(refused.value)
    assert told in str(refused.value)
    assert refused.value.exit_code == 2


def test_a_recording_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.yaml: No such file or directory"):
        load_replies(tmp_path / "none.yaml")


def test_a_fixer_proposes_the_tree_that_its_commands_leave(means: Bench, scratch: Path) -> None:
    append = python("open('notes.txt', 'a').write('fixed\\n')")

    proposal = fixer(append, append).propose(REQUEST, means.desk)

    assert (scratch / "notes.txt").read_text() == "fixed\nfixed\n"
    assert (scratch / "START").read_text() == REQUEST.start
    assert proposal.tree == digest(scratch)
    assert proposal.reply is None
    assert proposal.calls == ()
    assert means.purse.calls == []


def test_a_fixer_says_what_it_ran(means: Bench) -> None:
    proposal = fixer(("true", "--fix", "."), ("true", "two words")).propose(REQUEST, means.desk)

    assert proposal.summary == "ran: true --fix .; true 'two words'"


def test_a_fixer_that_leaves_findings_behind_has_still_fixed_the_others(means: Bench, scratch: Path) -> None:
    command = python("open('notes.txt', 'w').write('fixed')", "raise SystemExit(1)")

    proposal = fixer(command).propose(REQUEST, means.desk)

    assert (scratch / "notes.txt").read_text() == "fixed"
    assert proposal.tree == digest(scratch)


def test_a_fixer_that_is_not_installed_is_named(means: Bench) -> None:
    with pytest.raises(ProviderError, match=r"lane fixer cannot run `no-such-fixer --fix`: ") as refused:
        fixer(("no-such-fixer", "--fix")).propose(REQUEST, means.desk)

    assert refused.value.kind == "fixer_missing"
    assert "install no-such-fixer" in refused.value.hint


def test_a_fixer_that_hangs_is_stopped_and_what_it_left_is_not_used(means: Bench) -> None:
    began = time.monotonic()

    with pytest.raises(ProviderError, match=r"did not end within 0\.3 s") as stopped:
        fixer(python("import time", "time.sleep(60)"), timeout_s=0.3).propose(REQUEST, means.desk)

    assert stopped.value.kind == "fixer_timeout"
    assert time.monotonic() - began < 5


def test_a_fixer_that_is_killed_half_way_is_not_used(means: Bench) -> None:
    command = python("import os", "open('half.txt', 'w').write('ha')", "os.kill(os.getpid(), 9)")

    with pytest.raises(ProviderError, match="was killed: exit code 137") as killed:
        fixer(command).propose(REQUEST, means.desk)

    assert killed.value.kind == "fixer_killed"


def test_a_fixer_ends_with_the_run(tmp_path: Path) -> None:
    began = time.monotonic()

    with bench(tmp_path, seconds=0.4) as means, pytest.raises((ProviderError, LimitReached)):
        fixer(python("import time", "time.sleep(60)")).propose(REQUEST, means.desk)

    assert time.monotonic() - began < 5


def test_a_fixer_does_not_begin_after_the_deadline(tmp_path: Path) -> None:
    with bench(tmp_path, seconds=-1) as means, pytest.raises(LimitReached, match="deadline"):
        fixer(python("open('late.txt', 'w')")).propose(REQUEST, means.desk)

    assert not (tmp_path / "scratch" / "late.txt").exists()


def test_every_kind_of_lane_fits_the_protocol(tmp_path: Path) -> None:
    lanes: list[Lane] = [fixer(("true",)), RecordedLane("fast", load_replies(recording(tmp_path)))]

    assert [(lane.name, lane.provider) for lane in lanes] == [("fixer", "fixer"), ("fast", "recorded")]
