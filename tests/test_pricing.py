"""What a call costs by which price, what a cache saved, and that what is set aside is never too little."""

from __future__ import annotations

from decimal import Decimal
from importlib.metadata import version

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from route_agent.config import Config, prices
from route_agent.pricing import (
    ASSUMED_INPUT_USD_PER_MTOK,
    ASSUMED_OUTPUT_USD_PER_MTOK,
    Priced,
    Prices,
    Rates,
    most_tokens,
)
from route_agent.records.lanes import Prompt, Shape, Turn, Usage

D = Decimal
NOTHING = Prices({}, frozenset())

# models of the table with everything that makes a price odd: tiers, hours of the day, a fee for each call,
# an hour's cache, thinking at a price of its own, a cache that is dearer to read than the input
TABLE = (
    ("anthropic", "claude-haiku-5-5"),
    ("anthropic", "claude-opus-5-5"),
    ("openai", "gpt-6.1-sol"),
    ("openai", "gpt-6-luna"),
    ("deepseek", "deepseek-chat"),
    ("google", "gemini-2.5-pro"),
    ("groq", "llama-3.3-70b-versatile"),
    ("perplexity", "sonar-deep-research"),
    ("perplexity", "sonar-pro"),
    ("openrouter", "~deepseek/deepseek-pro-latest"),
)


def test_the_users_rates_go_before_the_table_and_the_providers_own_figure_before_both() -> None:
    mine = Prices({"claude-opus-5-5": Rates(D(1), D(2))}, frozenset())
    usage = Usage(1000, 0, 0, 100)

    assert mine.price("anthropic", "claude-opus-5-5", usage) == Priced(1000 + 200, "rates", 0)
    by_table = NOTHING.price("anthropic", "claude-opus-5-5", usage)
    assert by_table == Priced(4000 + 2000, f"genai-prices {version('genai-prices')}", 0)
    told = Usage(1000, 0, 0, 100, provider_cost_usd=0.5)
    assert mine.price("anthropic", "claude-opus-5-5", told) == Priced(500_000, "provider", 0)


def test_what_costs_nothing_costs_nothing_whatever_it_counts() -> None:
    free = Prices({}, frozenset({"here"}))

    assert free.price("here", "m", None) == Priced(0, "free", 0)
    assert free.price("here", "m", Usage(10**9, 0, 0, 10**9)) == Priced(0, "free", 0)
    assert free.worst("here", "m", Prompt("", "x" * 10_000), 100_000) == 0


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("anthropic", "claude-of-another-year"),
        ("nobody", "claude-opus-5-5"),
        ("openai", "text-embedding-3-small"),  # a price for what is read alone: what is written is not free
    ],
)
def test_what_the_table_does_not_name_is_unknown_and_never_nothing(provider: str, model: str) -> None:
    assert NOTHING.price(provider, model, Usage(100, 0, 0, 10)).micro_usd is None
    assert not NOTHING.known(provider, model)

    worst = NOTHING.worst(provider, model, Prompt("", "x" * 2000), 1000)
    assert worst == 1017 * ASSUMED_INPUT_USD_PER_MTOK + 1000 * ASSUMED_OUTPUT_USD_PER_MTOK


def test_a_cache_that_was_written_and_never_read_has_cost_more_than_it_saved() -> None:
    usage = Usage(input_total=10_000, cache_write=8_000, output_total=10)

    assert NOTHING.price("anthropic", "claude-opus-5-5", usage).saved_micro_usd == 8_000 * (4 - 5)


@pytest.mark.parametrize(
    "usage",
    [
        Usage(100, 60, 60, 5),
        Usage(100, 0, 10, 5, cache_write_1h=11),
        Usage(100, 0, 0, 5, reasoning=6),
        Usage(100, -1, 0, 5),
    ],
)
def test_counts_that_cannot_be_true_have_no_price(usage: Usage) -> None:
    assert NOTHING.price("anthropic", "claude-opus-5-5", usage) == Priced()


def test_the_configurations_rates_are_taken_to_the_last_digit() -> None:
    config = Config.model_validate(
        {
            "rates": {
                "a": {"input_usd": 0.1, "output_usd": 0.3, "cache_read_usd": 0.01},
                "b": {"input_usd": 1, "output_usd": 2, "cache_write_usd": 1.25, "cache_write_1h_usd": 2},
            },
            "providers": {"mine": {"base_url": "http://localhost:1/v1", "free": True}},
        }
    )

    known = prices(config)

    assert known.rates["a"] == Rates(D("0.1"), D("0.3"), D("0.01"))
    assert known.rates["b"] == Rates(D(1), D(2), None, D("1.25"), D(2))
    assert {"mine", "ollama", "fixer", "recorded"} <= known.free
    # a micro-dollar in three million tokens
    assert known.price("x", "a", Usage(3, 0, 0, 1)).micro_usd == 1


def test_the_shape_of_an_answer_and_every_turn_are_part_of_what_is_set_aside() -> None:
    bare = Prompt("s", "u")
    turns = (Turn("assistant", "a" * 400), Turn("user", "b" * 400))

    assert most_tokens(bare.followed_by(*turns)) - most_tokens(bare) >= 400
    assert most_tokens(Prompt("s", "u", project="p" * 2000)) - most_tokens(bare) == 1000
    shaped = Prompt("s", "u", shape=Shape("patch", {"type": "object", "properties": {"x": {}}}))
    assert most_tokens(shaped) > most_tokens(bare)


def test_an_hours_cache_is_set_aside_only_where_it_may_be_written() -> None:
    prompt = Prompt("", "x" * 20_000)
    tokens = most_tokens(prompt)

    assert NOTHING.worst("anthropic", "claude-opus-5-5", prompt, 0) == tokens * 8
    assert NOTHING.worst("anthropic", "claude-opus-5-5", prompt, 0, hour=False) == tokens * 5


def test_a_long_context_is_set_aside_at_its_own_price() -> None:
    short, long = Prompt("", "x" * 199_000), Prompt("", "x" * 201_000)

    assert NOTHING.worst("anthropic", "claude-haiku-5-5", short, 0, hour=False) == pytest.approx(
        most_tokens(short) * 0.125, abs=1
    )
    assert NOTHING.worst("anthropic", "claude-haiku-5-5", long, 0, hour=False) == pytest.approx(
        most_tokens(long) * 0.625, abs=1
    )


# --- the property ------------------------------------------------------------------------------------------

text = st.text(max_size=200)
conversations = st.builds(
    Prompt,
    system=text,
    user=st.one_of(text, st.integers(0, 700_000).map(lambda n: "x" * n)),
    later=st.lists(st.builds(Turn, st.sampled_from(["user", "assistant"]), text), max_size=4).map(tuple),
    project=text,
)
rate = st.decimals(0, 1000, places=3)
some = st.one_of(st.none(), rate)
rates = st.builds(Rates, rate, rate, some, some, some)


@st.composite
def usages(draw: st.DrawFn, prompt: Prompt, max_output: int) -> Usage:
    """Any counts that a provider may return for a prompt of which every second byte is a token at most."""
    texts = (prompt.system, prompt.project, *(turn.text for turn in prompt.turns))
    most = sum(len(it.encode("utf-8", "surrogateescape")) for it in texts) // 2 + 1
    total = draw(st.integers(0, most))
    read = draw(st.integers(0, total))
    write = draw(st.integers(0, total - read))
    hour = draw(st.integers(0, write))
    out = draw(st.integers(0, max_output))
    return Usage(total, read, write, out, draw(st.integers(0, out)), cache_write_1h=hour)


@settings(max_examples=300, deadline=None)
@given(st.data(), conversations, st.integers(0, 128_000), rates)
def test_no_usage_costs_more_than_what_was_set_aside_by_the_users_rates(
    data: st.DataObject, prompt: Prompt, max_output: int, mine: Rates
) -> None:
    known = Prices({"m": mine}, frozenset())
    usage = data.draw(usages(prompt, max_output))

    cost = known.price("p", "m", usage).micro_usd

    assert cost is not None
    assert 0 <= cost <= known.worst("p", "m", prompt, max_output)


@settings(max_examples=300, deadline=None)
@given(st.data(), conversations, st.integers(0, 128_000), st.sampled_from(TABLE))
def test_no_usage_costs_more_than_what_was_set_aside_by_the_table(
    data: st.DataObject, prompt: Prompt, max_output: int, which: tuple[str, str]
) -> None:
    usage = data.draw(usages(prompt, max_output))

    cost = NOTHING.price(*which, usage).micro_usd

    assert cost is not None
    assert 0 <= cost <= NOTHING.worst(*which, prompt, max_output)


def test_no_model_of_the_whole_table_costs_more_than_what_was_set_aside() -> None:
    from genai_prices import data_snapshot

    prompt = Prompt("", "x" * 600_000)
    most = 300_000
    checked = 0
    for provider in data_snapshot.get_snapshot().providers:
        for model in provider.models:
            if not NOTHING.known(provider.id, model.id):
                continue
            worst = NOTHING.worst(provider.id, model.id, prompt, 64_000)
            for usage in (
                Usage(most, 0, 0, 64_000),
                Usage(most, most, 0, 64_000, 64_000),
                Usage(most, 0, most, 64_000),
                Usage(most, 0, most, 64_000, cache_write_1h=most),
                Usage(1, 0, 0, 64_000, 64_000),
            ):
                cost = NOTHING.price(provider.id, model.id, usage).micro_usd
                assert cost is not None, model.id
                assert cost <= worst, model.id
            checked += 1

    assert checked > 1500
