"""Who is asked when a provider fails, and how it is asked once it has refused a part of a request by name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from desks import Bench, bench
from loopback import KEY_ENV, Fault, Loopback, Reply

from route_agent.config import Config, Endpoint, Provider, Wire
from route_agent.errors import ProviderError
from route_agent.lanes.answers import refused_parameter
from route_agent.lanes.build import build_lanes
from route_agent.lanes.model import ModelLane
from route_agent.policy import LaneSpec, parse_policy
from route_agent.records.lanes import CallState, Prompt, Request, Shape

KEY = "sk-loop-0123456789abcdef"
REQUEST = Request(start="0" * 40, prompt=Prompt("You write patches.", "Fix the retry leak."))
SHAPED = Request(start="0" * 40, prompt=Prompt("Rules.", "Fix it.", shape=Shape("patch", {"type": "object"})))
DIFF = "--- a/sync.py\n+++ b/sync.py\n@@ -1 +1 @@\n-a\n+b\n"
SLACK_S = 20.0  # against a wait of a minute


@pytest.fixture(scope="module", autouse=True)
def sdks() -> None:
    """Import both SDKs before a test looks at the clock."""
    import_module("anthropic")
    import_module("openai")


@pytest.fixture
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


@pytest.fixture
def means(tmp_path: Path) -> Iterator[Bench]:
    with bench(tmp_path) as made:
        yield made


def at(server: Loopback, wire: Wire = "openai", key: str = KEY, **fields: Any) -> Endpoint:
    url = server.anthropic_url if wire == "anthropic" else server.openai_url
    return Endpoint(f"loop-{wire}", Provider(wire=wire, base_url=url, key_env=KEY_ENV, **fields), key)


def lane(
    server: Loopback, *fallbacks: tuple[Endpoint, str], endpoint: Endpoint | None = None, **spec: Any
) -> ModelLane:
    own = LaneSpec(provider="loop-openai", model="small", max_output_tokens=1000, **spec)
    return ModelLane("fast", own, endpoint or at(server), fallbacks=fallbacks, first_wait_s=0.01)


def told(means: Bench) -> list[tuple[str, str, str]]:
    """Each call: the model, for which other it was asked, and how it ended."""
    return [(it.model_requested, it.fallback_for, it.state.value) for it in means.purse.calls]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(401),
        Fault.status(402),
        Fault.status(404, "model retired"),
        Fault.status(429, kind="insufficient_quota"),
        Fault.html(),
        Fault.redirect("https://example.org"),
        Fault.error_in_200(code="invalid_api_key"),
    ],
    ids=["401", "402", "404", "quota", "portal", "redirect", "error in 200"],
)
def test_who_comes_next_is_asked_when_the_provider_cannot_help(
    server: Loopback, means: Bench, fault: Fault
) -> None:
    server.script("small", fault)
    server.script("large", Reply(DIFF))

    proposal = lane(server, (at(server, "anthropic"), "large")).propose(REQUEST, means.desk)

    assert proposal.reply == DIFF
    assert server.calls == [("openai", "small"), ("anthropic", "large")]
    assert told(means) == [("small", "", "failed"), ("large", "small", "done")]


def test_a_stumble_is_waited_out_before_anybody_else_is_asked(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(529), Fault.cut_off(), Fault.status(503))
    server.script("large", Reply(DIFF))

    lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert [model for _, model in server.calls] == ["small"] * 3 + ["large"]
    assert [state for _, _, state in told(means)] == ["failed", "lost", "failed", "done"]


@pytest.mark.parametrize("retry_after", [3600, 61])
def test_a_wait_that_is_too_long_goes_to_the_next_at_once(
    server: Loopback, means: Bench, retry_after: float
) -> None:
    server.script("small", Fault.status(429, retry_after=retry_after))
    server.script("large", Reply(DIFF))
    began = time.monotonic()

    lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert time.monotonic() - began < SLACK_S
    assert [model for _, model in server.calls] == ["small", "large"]


@pytest.mark.parametrize("stop", ["length", "content_filter", "refusal"])
def test_the_models_own_answer_is_never_asked_of_another(server: Loopback, means: Bench, stop: str) -> None:
    server.script("small", Reply(DIFF, stop=stop))
    server.script("large", Reply(DIFF))

    with pytest.raises(ProviderError):
        lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert [model for _, model in server.calls] == ["small"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault.status(400, "no such parameter: colour"),
        Fault.status(413),
        Fault.status(400, kind="context_length_exceeded"),
    ],
    ids=["bad request", "too large", "too long"],
)
def test_what_is_wrong_with_the_request_is_said_and_not_sent_to_another(
    server: Loopback, means: Bench, fault: Fault
) -> None:
    server.script("small", fault)
    server.script("large", Reply(DIFF))

    with pytest.raises(ProviderError):
        lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert [model for _, model in server.calls] == ["small"]


def test_one_without_its_key_is_passed_over(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(401))
    server.script("tiny", Reply(DIFF))
    server.script("large", Reply(DIFF))

    lane(server, (at(server, key=" "), "tiny"), (at(server), "large")).propose(REQUEST, means.desk)

    assert [model for _, model in server.calls] == ["small", "large"]


def test_where_all_fail_the_first_failure_is_told_with_the_others(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(401, "no such key"))
    server.script("large", Fault.status(404, "no such model"))

    with pytest.raises(ProviderError, match=r"no such key.*asked instead: .*no such model") as failed:
        lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert failed.value.kind == "authentication"
    assert KEY_ENV in failed.value.hint


def test_who_answered_keeps_the_conversation(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(401))
    server.script("large", Reply("one"), Reply("two"))
    asked = lane(server, (at(server), "large"))

    for _ in range(2):
        asked.answer(REQUEST.prompt, means.desk)

    assert [model for _, model in server.calls] == ["small", "large", "large"]


def test_the_first_is_asked_again_once_the_other_fails_too(server: Loopback, means: Bench) -> None:
    server.script("small", Fault.status(401), Reply("back"))
    server.script("large", Reply("one"), Fault.status(401))
    asked = lane(server, (at(server), "large"))
    asked.answer(REQUEST.prompt, means.desk)

    reply, call = asked.answer(REQUEST.prompt, means.desk)

    assert reply.text == "back"
    assert call.fallback_for == ""


def test_the_run_ends_with_its_deadline_whoever_is_left_to_ask(tmp_path: Path, server: Loopback) -> None:
    server.script("small", Fault.hang())
    server.script("large", Reply(DIFF))

    with bench(tmp_path, seconds=0.4) as means, pytest.raises(ProviderError) as failed:
        lane(server, (at(server), "large")).propose(REQUEST, means.desk)

    assert failed.value.kind == "timeout"
    assert [model for _, model in server.calls] == ["small"]


def test_the_policys_fallbacks_are_who_is_asked(
    server: Loopback, means: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_ENV, KEY)
    providers = {wire: at(server, wire).provider for wire in ("openai", "anthropic")}
    policy = parse_policy(
        """\
version: 1
models:
  fast: {provider: openai, model: small, fallbacks: [{provider: anthropic, model: large}]}
  strong: {provider: anthropic, model: huge}
accept: {fast: ran, strong: ran}
""",
        "policy.yaml",
    )
    server.script("small", Fault.status(401))
    server.script("large", Reply(DIFF))

    lanes = build_lanes(policy, Config(providers=providers), None)[0]
    lanes["fast"].propose(REQUEST, means.desk)

    assert told(means) == [("small", "", "failed"), ("large", "small", "done")]


# --- what is refused by name is left out -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("part", "sentence"),
    [
        ("stream_options", "Unrecognized request argument supplied: stream_options"),
        ("stream", "streaming is not supported by this model"),
        ("max_tokens", "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead."),
        ("prompt_cache_key", "Validation: Unsupported parameter(s): `prompt_cache_key`"),
        ("response_format", "This model does not support response_format of type json_schema"),
    ],
)
def test_a_part_that_a_server_does_not_know_is_left_out_from_then_on(
    server: Loopback, means: Bench, part: str, sentence: str
) -> None:
    server.unknown[part] = sentence
    server.script("small", Reply(DIFF), Reply(DIFF))
    asked = lane(server, endpoint=at(server, cache="key", output="json"))

    first, second = (asked.propose(SHAPED, means.desk) for _ in range(2))

    assert first.reply == second.reply == DIFF
    assert [part in request.body for request in server.requests] == [True, False, False]
    assert next((it.state, it.cost_micro_usd) for it in means.purse.calls) == (CallState.FAILED, 0)
    assert len({str(request.body["messages"]) for request in server.requests}) == 1


@pytest.mark.parametrize("wire", ["anthropic", "openai"])
def test_an_answer_is_held_to_less_step_by_step(server: Loopback, means: Bench, wire: Wire) -> None:
    part = "output_config" if wire == "anthropic" else "response_format"
    server.unknown[part] = f"{part}: Extra inputs are not permitted"
    server.script("small", Reply(DIFF))

    lane(server, endpoint=at(server, wire, output="schema")).propose(SHAPED, means.desk)

    forms = [request.body.get(part) for request in server.requests]
    if wire == "openai":
        assert [form and form["type"] for form in forms] == ["json_schema", "json_object", None]
    else:
        assert [form and form["format"]["type"] for form in forms] == ["json_schema", None]


def test_a_name_for_the_limit_that_is_refused_both_ways_ends_it(server: Loopback, means: Bench) -> None:
    server.unknown = dict.fromkeys(("max_tokens", "max_completion_tokens"), "Unknown parameter: max_tokens")

    with pytest.raises(ProviderError):
        lane(server).propose(REQUEST, means.desk)

    assert len(server.calls) == 2


@pytest.mark.parametrize(
    ("field", "value", "part"),
    [("effort", "xhigh", "reasoning_effort"), ("temperature", 0.0, "temperature")],
)
def test_what_the_policy_asks_for_is_not_silently_left_out(
    server: Loopback, means: Bench, field: str, value: Any, part: str
) -> None:
    server.unknown[part] = f"Unsupported value: '{part}' is not supported with this model"

    with pytest.raises(ProviderError) as refused:
        lane(server, **{field: value}).propose(REQUEST, means.desk)

    assert f"leave out {field}" in refused.value.hint
    assert len(server.calls) == 1


def test_a_fallback_is_asked_without_what_only_the_lanes_own_model_knows(
    server: Loopback, means: Bench
) -> None:
    server.script("small", Fault.status(401))
    refused = Fault.status(400, "Unsupported value: reasoning_effort is not supported with this model")
    server.script("large", refused, Reply(DIFF))

    lane(server, (at(server), "large"), effort="xhigh").propose(REQUEST, means.desk)

    assert ["reasoning_effort" in request.body for request in server.requests] == [True, True, False]


@pytest.mark.parametrize(
    ("status", "sentence", "expected"),
    [
        (400, "max_tokens: 64000 is more than 8192, the maximum", ""),
        (400, "upstream request failed", ""),
        (400, "Unknown parameter: 'upstream'", ""),
        (500, "stream_options is not supported", ""),
        (400, "output_config.effort: this model does not support effort", "effort"),
        (422, "stream_options: Extra inputs are not permitted", "stream_options"),
        (400, "Invalid schema for response_format 'patch'", "output"),
    ],
)
def test_only_a_refusal_that_names_a_part_is_one(status: int, sentence: str, expected: str) -> None:
    assert refused_parameter(status, sentence) == expected
