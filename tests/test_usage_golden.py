"""What real usage objects cost, in both wire formats, against a calculation by hand.

Each case is a usage object as the provider or server sends it, noise included. It goes through the real wire
over loopback, becomes our counts, and is priced. `hand` is written out from the price per million tokens:
tokens times dollars per million are micro-dollars.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from importlib.metadata import version
from typing import Any

import pytest
from loopback import Fault, Loopback

from route_agent.config import Endpoint, Provider
from route_agent.lanes import anthropic, openai
from route_agent.pricing import Prices, Rates
from route_agent.records.lanes import ModelReply, Prompt, Usage

D = Decimal
TABLE = "genai-prices 0.2.3"  # the release whose prices the cases of the table are calculated from

# what a user may state: a dear model, one whose cache has no prices of its own, one that writes for nothing
RATES = {
    "stated": Rates(D("3"), D("15"), D("0.3"), D("3.75"), D("6")),
    "plain": Rates(D("0.27"), D("1.1")),
    "halved": Rates(D("2.5"), D("10"), cache_read=D("1.25")),
    "short-writes": Rates(D("4"), D("20"), D("0.4"), D("5")),
    "cents": Rates(D("0.035"), D("0.14"), cache_read=D("0.0035")),
}


@dataclass(frozen=True)
class Case:
    """A usage object and what comes of it; `hand` is None where the cost must stay unknown."""

    name: str
    provider: str
    model: str
    usage: Any
    counts: Usage | None
    hand: Decimal | None
    basis: str = "rates"
    saved: Decimal | None = None


@dataclass(frozen=True)
class Stream(Case):
    """The same in Anthropic's stream: what begins it, and what ends it."""

    end: Any = None


# --- Anthropic's messages: what was cached stands apart from `input_tokens` -------------------------------

NO_CACHE = {"cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
NOISE = {"service_tier": "standard", "inference_geo": "global", "server_tool_use": None}

MESSAGES = (
    Case(
        "the oldest form: two counts",
        "anthropic", "stated",
        {"input_tokens": 2095, "output_tokens": 503},
        Usage(2095, 0, 0, 503),
        2095 * D("3") + 503 * D("15"),
        saved=D(0),
    ),
    Case(
        "nothing cached, and the usual noise",
        "anthropic", "claude-opus-5-5",
        {"input_tokens": 1021, "output_tokens": 288, **NO_CACHE, **NOISE,
         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}},
        Usage(1021, 0, 0, 288),
        1021 * D("4") + 288 * D("20"),
        TABLE, D(0),
    ),
    Case(
        "a first call writes the cache for five minutes",
        "anthropic", "claude-sonnet-5-5",
        {"input_tokens": 31, "cache_creation_input_tokens": 8123, "cache_read_input_tokens": 0,
         "cache_creation": {"ephemeral_5m_input_tokens": 8123, "ephemeral_1h_input_tokens": 0},
         "output_tokens": 412, "service_tier": "standard"},
        Usage(31 + 8123, 0, 8123, 412),
        31 * D("2") + 8123 * D("2.5") + 412 * D("10"),
        TABLE, 8123 * (D("2") - D("2.5")),
    ),
    Case(
        "a second call reads it",
        "anthropic", "claude-sonnet-5-5",
        {"input_tokens": 57, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 8123,
         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
         "output_tokens": 390},
        Usage(57 + 8123, 8123, 0, 390),
        57 * D("2") + 8123 * D("0.1") + 390 * D("10"),
        TABLE, 8123 * (D("2") - D("0.1")),
    ),
    Case(
        "read, written for five minutes and for an hour in one call",
        "anthropic", "claude-sonnet-5-5",
        {"input_tokens": 12, "cache_creation_input_tokens": 2000, "cache_read_input_tokens": 5000,
         "cache_creation": {"ephemeral_5m_input_tokens": 1500, "ephemeral_1h_input_tokens": 500},
         "output_tokens": 345},
        Usage(12 + 2000 + 5000, 5000, 2000, 345, cache_write_1h=500),
        12 * D("2") + 5000 * D("0.1") + 1500 * D("2.5") + 500 * D("4") + 345 * D("10"),
        TABLE, 5000 * (D("2") - D("0.1")) + 1500 * (D("2") - D("2.5")) + 500 * (D("2") - D("4")),
    ),
    Case(
        "all of it written for an hour",
        "anthropic", "claude-opus-5-5",
        {"input_tokens": 4, "cache_creation_input_tokens": 20480, "cache_read_input_tokens": 0,
         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 20480},
         "output_tokens": 61},
        Usage(4 + 20480, 0, 20480, 61, cache_write_1h=20480),
        4 * D("4") + 20480 * D("8") + 61 * D("20"),
        TABLE, 20480 * (D("4") - D("8")),
    ),
    Case(
        "only the parts of what was written are told",
        "anthropic", "stated",
        {"input_tokens": 10, "output_tokens": 20,
         "cache_creation": {"ephemeral_5m_input_tokens": 700, "ephemeral_1h_input_tokens": 300}},
        Usage(10 + 1000, 0, 1000, 20, cache_write_1h=300),
        10 * D("3") + 700 * D("3.75") + 300 * D("6") + 20 * D("15"),
        saved=700 * (D("3") - D("3.75")) + 300 * (D("3") - D("6")),
    ),
    Case(
        "only their sum is told, so that it was for five minutes",
        "anthropic", "stated",
        {"input_tokens": 10, "cache_creation_input_tokens": 1000, "output_tokens": 20},
        Usage(10 + 1000, 0, 1000, 20),
        10 * D("3") + 1000 * D("3.75") + 20 * D("15"),
        saved=1000 * (D("3") - D("3.75")),
    ),
    Case(
        "what was thought is part of what was written",
        "anthropic", "claude-opus-5-5",
        {"input_tokens": 640, "output_tokens": 2900, "output_tokens_details": {"thinking_tokens": 2604},
         **NO_CACHE},
        Usage(640, 0, 0, 2900, 2604),
        640 * D("4") + 2900 * D("20"),
        TABLE, D(0),
    ),
    Case(
        "a long context costs more from its first token",
        "anthropic", "claude-haiku-5-5",
        {"input_tokens": 20001, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 80000,
         "output_tokens": 100},
        Usage(100001, 80000, 0, 100),
        20001 * D("0.5") + 80000 * D("0.05") + 100 * D("2.5"),
        TABLE, 80000 * (D("0.5") - D("0.05")),
    ),
    Case(
        "one token less, and it does not",
        "anthropic", "claude-haiku-5-5",
        {"input_tokens": 20000, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 80000,
         "output_tokens": 100},
        Usage(100000, 80000, 0, 100),
        20000 * D("0.1") + 80000 * D("0.01") + 100 * D("0.5"),
        TABLE, 80000 * (D("0.1") - D("0.01")),
    ),
    Case(
        "a server's own tools are none of ours",
        "anthropic", "stated",
        {"input_tokens": 105, "output_tokens": 60, **NO_CACHE,
         "server_tool_use": {"web_search_requests": 0, "web_fetch_requests": 0}},
        Usage(105, 0, 0, 60),
        105 * D("3") + 60 * D("15"),
        saved=D(0),
    ),
    Case(
        "null where there is nothing",
        "anthropic", "stated",
        {"input_tokens": 88, "output_tokens": 7, "cache_creation_input_tokens": None,
         "cache_read_input_tokens": None, "cache_creation": None, "output_tokens_details": None},
        Usage(88, 0, 0, 7),
        88 * D("3") + 7 * D("15"),
        saved=D(0),
    ),
    Case(
        "the rate for an hour is not stated, so that it is that of other writing",
        "anthropic", "short-writes",
        {"input_tokens": 1, "cache_creation_input_tokens": 300,
         "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 200},
         "output_tokens": 9},
        Usage(301, 0, 300, 9, cache_write_1h=200),
        1 * D("4") + 100 * D("5") + 200 * D("5") + 9 * D("20"),
        saved=300 * (D("4") - D("5")),
    ),
    Case(
        "no count of what was written by the model",
        "anthropic", "stated",
        {"input_tokens": 88, "cache_read_input_tokens": 12},
        None, None,
    ),
    Case(
        "a negative count",
        "anthropic", "stated",
        {"input_tokens": -1, "output_tokens": 5, **NO_CACHE},
        None, None,
    ),
    Case(
        "more written for an hour than at all",
        "anthropic", "stated",
        {"input_tokens": 10, "output_tokens": 5, "cache_creation_input_tokens": 3,
         "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 400}},
        None, None,
    ),
    Case(
        "nobody knows the model's price",
        "anthropic", "claude-of-another-year",
        {"input_tokens": 10, "cache_read_input_tokens": 90, "output_tokens": 5},
        Usage(100, 90, 0, 5), None, "",
    ),
)  # fmt: skip

STREAMS = (
    Stream(
        "counts come at the beginning, the sum of the output at the end",
        "anthropic", "claude-sonnet-5-5",
        {"input_tokens": 25, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 4096,
         "output_tokens": 1},
        Usage(25 + 4096, 4096, 0, 512),
        25 * D("2") + 4096 * D("0.1") + 512 * D("10"),
        TABLE, 4096 * (D("2") - D("0.1")),
        end={"output_tokens": 512},
    ),
    Stream(
        "the end repeats every count",
        "anthropic", "stated",
        {"input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0,
         "cache_creation": {"ephemeral_5m_input_tokens": 60, "ephemeral_1h_input_tokens": 40},
         "output_tokens": 2},
        Usage(125, 0, 100, 40, cache_write_1h=40),
        25 * D("3") + 60 * D("3.75") + 40 * D("6") + 40 * D("15"),
        saved=60 * (D("3") - D("3.75")) + 40 * (D("3") - D("6")),
        end={"input_tokens": 25, "cache_creation_input_tokens": 100, "cache_read_input_tokens": 0,
             "output_tokens": 40},
    ),
    Stream(
        "the end corrects the beginning",
        "anthropic", "stated",
        {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
         "output_tokens": 5},
        Usage(30, 18, 0, 77, 50),
        12 * D("3") + 18 * D("0.3") + 77 * D("15"),
        saved=18 * (D("3") - D("0.3")),
        end={"input_tokens": 12, "cache_read_input_tokens": 18, "output_tokens": 77,
             "output_tokens_details": {"thinking_tokens": 50}},
    ),
    Stream(
        "a gateway that knows the counts only at the end",
        "anthropic", "stated",
        {"input_tokens": 0, "output_tokens": 0},
        Usage(2048, 0, 0, 16),
        2048 * D("3") + 16 * D("15"),
        saved=D(0),
        end={"input_tokens": 2048, "output_tokens": 16},
    ),
    Stream(
        "the sum of the output never comes, so what was counted at the beginning is not it",
        "anthropic", "stated",
        {"input_tokens": 25, "output_tokens": 3},
        None, None, "",
        end={},
    ),
)  # fmt: skip


# --- chat completions: what was cached is part of `prompt_tokens` -----------------------------------------

CHATS = (
    Case(
        "a model on a server of one's own: three counts",
        "vllm", "plain",
        {"prompt_tokens": 1117, "total_tokens": 1437, "completion_tokens": 320, "prompt_tokens_details": None},
        Usage(1117, 0, 0, 320),
        1117 * D("0.27") + 320 * D("1.1"),
        saved=D(0),
    ),
    Case(
        "the same on this machine, for nothing",
        "ollama", "llama3.2",
        {"prompt_tokens": 1117, "completion_tokens": 320, "total_tokens": 1437},
        Usage(1117, 0, 0, 320),
        D(0), "free", D(0),
    ),
    Case(
        "read from the cache, with thinking and audio noise",
        "openai", "gpt-6.1-sol",
        {"prompt_tokens": 2006, "completion_tokens": 1300, "total_tokens": 3306,
         "prompt_tokens_details": {"cached_tokens": 1920, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 1024, "audio_tokens": 0,
                                       "accepted_prediction_tokens": 0, "rejected_prediction_tokens": 0}},
        Usage(2006, 1920, 0, 1300, 1024),
        86 * D("2") + 1920 * D("0.1") + 1300 * D("10"),
        TABLE, 1920 * (D("2") - D("0.1")),
    ),
    Case(
        "written to the cache, which is billed",
        "openai", "gpt-6.1-sol",
        {"prompt_tokens": 4000, "completion_tokens": 10, "total_tokens": 4010,
         "prompt_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 3840}},
        Usage(4000, 0, 3840, 10),
        160 * D("2") + 3840 * D("2.5") + 10 * D("10"),
        TABLE, 3840 * (D("2") - D("2.5")),
    ),
    Case(
        "read and written in one call",
        "openai", "gpt-6-luna",
        {"prompt_tokens": 9000, "completion_tokens": 450, "total_tokens": 9450,
         "prompt_tokens_details": {"cached_tokens": 5120, "cache_write_tokens": 2048}},
        Usage(9000, 5120, 2048, 450),
        1832 * D("0.1") + 5120 * D("0.01") + 2048 * D("0.125") + 450 * D("0.5"),
        TABLE, 5120 * (D("0.1") - D("0.01")) + 2048 * (D("0.1") - D("0.125")),
    ),
    Case(
        "a context above the model's border",
        "openai", "gpt-6-luna",
        {"prompt_tokens": 300000, "completion_tokens": 1000, "total_tokens": 301000,
         "prompt_tokens_details": {"cached_tokens": 200000}},
        Usage(300000, 200000, 0, 1000),
        100000 * D("0.2") + 200000 * D("0.02") + 1000 * D("0.75"),
        TABLE, 200000 * (D("0.2") - D("0.02")),
    ),
    Case(
        "what was thought is told in its details only, and null elsewhere",
        "openai", "halved",
        {"prompt_tokens": 75, "completion_tokens": 1186, "total_tokens": 1261,
         "prompt_tokens_details": {"cached_tokens": None, "audio_tokens": None},
         "completion_tokens_details": {"reasoning_tokens": 1024}},
        Usage(75, 0, 0, 1186, 1024),
        75 * D("2.5") + 1186 * D("10"),
        saved=D(0),
    ),
    Case(
        "a router's own figure wins, whatever a table says",
        "openrouter", "anthropic/claude-haiku-5.5",
        {"prompt_tokens": 1944, "completion_tokens": 62, "total_tokens": 2006, "cost": 0.00095465,
         "is_byok": False,
         "cost_details": {"upstream_inference_cost": None, "upstream_inference_prompt_cost": 0.0009,
                          "upstream_inference_completions_cost": 0.00005465},
         "prompt_tokens_details": {"cached_tokens": 1024, "audio_tokens": 0},
         "completion_tokens_details": {"reasoning_tokens": 0, "image_tokens": 0}},
        Usage(1944, 1024, 0, 62, provider_cost_usd=0.00095465),
        D("954.65"), "provider", 1024 * (D("0.1") - D("0.01")),
    ),
    Case(
        "a router that was free this time",
        "openrouter", "stated",
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, "cost": 0},
        Usage(10, 0, 0, 5, provider_cost_usd=0.0),
        D(0), "provider", D(0),
    ),
    Case(
        "half a micro-dollar is rounded up",
        "openrouter", "unheard-of/model",
        {"prompt_tokens": 3, "completion_tokens": 1, "total_tokens": 4, "cost": 1.5e-06},
        Usage(3, 0, 0, 1, provider_cost_usd=1.5e-06),
        D("1.5"), "provider", D(0),
    ),
    Case(
        "its figure for a model of no list price, with a cache: what was saved stays unknown",
        "openrouter", "unheard-of/model",
        {"prompt_tokens": 3000, "completion_tokens": 1, "total_tokens": 3001, "cost": 0.0123,
         "prompt_tokens_details": {"cached_tokens": 2048}},
        Usage(3000, 2048, 0, 1, provider_cost_usd=0.0123),
        D("12300"), "provider", None,
    ),
    Case(
        "a proxy that passes on another wire's fields as well",
        "gateway", "stated",
        {"prompt_tokens": 7012, "completion_tokens": 345, "total_tokens": 7357,
         "prompt_tokens_details": {"cached_tokens": 5000, "audio_tokens": None, "text_tokens": None},
         "completion_tokens_details": None,
         "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5000},
        Usage(7012, 5000, 0, 345),
        2012 * D("3") + 5000 * D("0.3") + 345 * D("15"),
        saved=5000 * (D("3") - D("0.3")),
    ),
    Case(
        "a proxy that passes on how long the cache is kept",
        "gateway",
        "stated",
        {
            "prompt_tokens": 130,
            "completion_tokens": 25,
            "total_tokens": 155,
            "prompt_tokens_details": {
                "text_tokens": 100,
                "cached_tokens": 20,
                "cache_creation_tokens": 10,
                "cache_creation_token_details": {
                    "ephemeral_5m_input_tokens": 7,
                    "ephemeral_1h_input_tokens": 3,
                },
            },
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 20,
        },
        Usage(130, 20, 10, 25, cache_write_1h=3),
        100 * D("3") + 20 * D("0.3") + 7 * D("3.75") + 3 * D("6") + 25 * D("15"),
        saved=20 * (D("3") - D("0.3")) + 7 * (D("3") - D("3.75")) + 3 * (D("3") - D("6")),
    ),
    Case(
        "a provider that counts hits and misses of its cache",
        "deepseek", "cents",
        {"prompt_tokens": 1500, "completion_tokens": 200, "total_tokens": 1700,
         "prompt_cache_hit_tokens": 1408, "prompt_cache_miss_tokens": 92},
        Usage(1500, 1408, 0, 200),
        92 * D("0.035") + 1408 * D("0.0035") + 200 * D("0.14"),
        saved=1408 * (D("0.035") - D("0.0035")),
    ),
    Case(
        "the same with both spellings",
        "deepseek", "cents",
        {"prompt_tokens": 1500, "completion_tokens": 200, "total_tokens": 1700,
         "prompt_tokens_details": {"cached_tokens": 1408},
         "completion_tokens_details": {"reasoning_tokens": 150},
         "prompt_cache_hit_tokens": 1408, "prompt_cache_miss_tokens": 92},
        Usage(1500, 1408, 0, 200, 150),
        92 * D("0.035") + 1408 * D("0.0035") + 200 * D("0.14"),
        saved=1408 * (D("0.035") - D("0.0035")),
    ),
    Case(
        "a provider that adds what was thought to the total only",
        "other", "plain",
        {"prompt_tokens": 100, "completion_tokens": 40, "total_tokens": 190,
         "completion_tokens_details": {"reasoning_tokens": 50}},
        Usage(100, 0, 0, 90, 50),
        100 * D("0.27") + 90 * D("1.1"),
        saved=D(0),
    ),
    Case(
        "counters of time beside the counts",
        "groq", "llama-3.3-70b-versatile",
        {"queue_time": 0.037, "prompt_tokens": 18, "prompt_time": 0.00068, "completion_tokens": 556,
         "completion_time": 0.46, "total_tokens": 574, "total_time": 0.4607},
        Usage(18, 0, 0, 556),
        18 * D("0.59") + 556 * D("0.79"),
        TABLE, D(0),
    ),
    Case("no usage at all", "vllm", "plain", None, None, None),
    Case(
        "counts of nothing although there is a reply",
        "vllm", "plain",
        {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0},
        None, None,
    ),
    Case(
        "more was read from the cache than was sent",
        "openai", "stated",
        {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 101}},
        None, None,
    ),
    Case(
        "a count in letters",
        "vllm", "plain",
        {"prompt_tokens": "100", "completion_tokens": 5},
        None, None,
    ),
    Case(
        "a cost below nothing is none",
        "openrouter", "stated",
        {"prompt_tokens": 100, "completion_tokens": 5, "cost": -1},
        Usage(100, 0, 0, 5),
        100 * D("3") + 5 * D("15"),
        saved=D(0),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback() as running:
        yield running


def ask(server: Loopback, case: Case, wire: str, body: bytes, kind: str) -> ModelReply:
    """The answer as the real wire reads it."""
    server.script(case.model, Fault.raw(body, content_type=kind))
    url = server.anthropic_url if wire == "anthropic" else server.openai_url
    endpoint = Endpoint(case.provider, Provider.model_validate({"wire": wire, "base_url": url}), "k" * 20)
    complete = anthropic.complete if wire == "anthropic" else openai.complete
    return complete(endpoint, case.model, Prompt("s", "u"), max_output_tokens=9000, timeout_s=20)


def judge(case: Case, reply: ModelReply) -> None:
    prices = Prices(RATES, frozenset({"ollama"}))

    priced = prices.price(case.provider, case.model, reply.usage)

    assert reply.text == "done"
    assert reply.usage == case.counts
    if case.hand is None:
        assert priced.micro_usd is None
        return
    if case.basis == TABLE and version("genai-prices") != TABLE.split()[1]:
        pytest.skip("the table has other prices by now")
    assert priced.micro_usd == int(case.hand.to_integral_value(ROUND_HALF_UP))
    assert priced.basis == case.basis
    expected = None if case.saved is None else int(case.saved.to_integral_value(ROUND_HALF_UP))
    assert priced.saved_micro_usd == expected


def events(case: Case, begin: Any, end: Any) -> bytes:
    """Anthropic's stream around two usage objects, with a block of thought before the text."""
    message = {"id": "msg_01", "type": "message", "role": "assistant", "content": [], "model": case.model,
               "stop_reason": None, "stop_sequence": None, "usage": begin}  # fmt: skip
    stop = {"stop_reason": "end_turn", "stop_sequence": None}
    told: list[dict[str, Any]] = [
        {"type": "message_start", "message": message},
        {"type": "ping"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "done"}},
        {"type": "content_block_stop", "index": 1},
        {"type": "message_delta", "delta": stop, "usage": end},
        {"type": "message_stop"},
    ]
    return "".join(f"event: {it['type']}\ndata: {json.dumps(it)}\n\n" for it in told).encode()


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_a_whole_message_costs_what_it_costs_by_hand(server: Loopback, case: Case) -> None:
    message = {"id": "msg_01", "type": "message", "role": "assistant", "model": case.model,
               "content": [{"type": "text", "text": "done"}], "stop_reason": "end_turn",
               "stop_sequence": None, "usage": case.usage}  # fmt: skip

    judge(case, ask(server, case, "anthropic", json.dumps(message).encode(), "application/json"))


@pytest.mark.parametrize("case", MESSAGES, ids=lambda case: case.name)
def test_the_same_message_streamed_costs_the_same(server: Loopback, case: Case) -> None:
    begin = {**case.usage, "output_tokens": 1}
    end = {key: case.usage[key] for key in ("output_tokens", "output_tokens_details") if key in case.usage}

    judge(case, ask(server, case, "anthropic", events(case, begin, end), "text/event-stream"))


@pytest.mark.parametrize("case", STREAMS, ids=lambda case: case.name)
def test_a_streamed_message_costs_what_it_costs_by_hand(server: Loopback, case: Stream) -> None:
    body = events(case, case.usage, case.end)

    judge(case, ask(server, case, "anthropic", body, "text/event-stream"))


@pytest.mark.parametrize("case", CHATS, ids=lambda case: case.name)
def test_a_whole_chat_completion_costs_what_it_costs_by_hand(server: Loopback, case: Case) -> None:
    body = {"id": "c1", "object": "chat.completion", "created": 1, "model": case.model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "done"},
                         "logprobs": None, "finish_reason": "stop"}]}  # fmt: skip
    if case.usage is not None:
        body["usage"] = case.usage

    judge(case, ask(server, case, "openai", json.dumps(body).encode(), "application/json"))


@pytest.mark.parametrize("case", CHATS, ids=lambda case: case.name)
def test_the_same_chat_completion_streamed_costs_the_same(server: Loopback, case: Case) -> None:
    chunk = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": case.model}
    choice = {"index": 0, "delta": {"role": "assistant", "content": "done"}, "finish_reason": None}
    stop = {"index": 0, "delta": {}, "finish_reason": "stop"}
    told: list[dict[str, Any]] = [
        {**chunk, "choices": [choice], "usage": None},
        {**chunk, "choices": [stop], "usage": None},
        {**chunk, "choices": [], "usage": case.usage},
    ]
    frames = "".join(f"data: {json.dumps(it)}\n\n" for it in told) + "data: [DONE]\n\n"

    judge(case, ask(server, case, "openai", frames.encode(), "text/event-stream"))


def test_the_cases_are_many_and_no_two_are_called_alike() -> None:
    names = [case.name for case in (*MESSAGES, *STREAMS, *CHATS)]

    assert len(names) >= 40
    assert len(set(names)) == len(names)


def test_counts_of_our_own_have_no_price() -> None:
    prices = Prices(RATES, frozenset())

    assert prices.price("any", "stated", Usage(100, 0, 0, 5, is_estimate=True)).micro_usd is None
