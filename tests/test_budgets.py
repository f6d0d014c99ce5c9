"""Every limit holds: for a run, a repository, an author, a lane and a day, across processes that die."""

from __future__ import annotations

import importlib.util
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from route_agent.config import Budgets, load_config
from route_agent.errors import LimitReached
from route_agent.ledger.allowances import Payer
from route_agent.ledger.budget import Purse
from route_agent.ledger.store import Ledger
from route_agent.policy import Policy, parse_policy
from route_agent.pricing import Prices, Rates
from route_agent.records.lanes import CallState, ModelReply, Prompt, Usage

ROOT = Path(__file__).parents[1]
# a request without words is 17 tokens at worst, and 1,000 tokens out are a cent
PRICES = Prices({"m": Rates(Decimal(0), Decimal(10))}, frozenset({"here", "recorded"}))
NOTHING = Prompt("", "")
CENT = 10_000
PAYS = Payer("/r", "one@example.org")


def policy(**limits: Any) -> Policy:
    told = "".join(f"  {key}: {value}\n" for key, value in limits.items())
    return parse_policy(f"version: 1\nchecks: [{{name: t, run: ['true']}}]\nlimits:\n{told}", "x")


def purse(
    ledger: Ledger,
    run: str = "r1",
    *,
    payer: Payer = PAYS,
    budgets: Budgets | None = None,
    prices: Prices = PRICES,
    **limits: Any,
) -> Purse:
    limits = {"max_usd": 50, "per_day_usd": 50, **limits}
    return Purse.of(ledger, run, prices, policy=policy(**limits), budgets=budgets or Budgets(), payer=payer)


def take(mine: Purse, cents: int, lane: str = "fast") -> None:
    for _ in range(cents):
        assert mine.reserve(lane, "p", "m", NOTHING, 1000).micro_usd == CENT


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(tmp_path / "ledger.sqlite3")
    yield opened
    opened.close()


# --- each limit by itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("limits", "told", "raised"),
    [
        ({"max_usd": 0.03}, "of the $0.03 limit is left", "raise it: --max-usd 0.06"),
        (
            {"per_day_usd": 0.03},
            "of the $0.03 limit of the day is left",
            "raise limits.per_day_usd in the policy",
        ),
        (
            {"repository_per_day_usd": 0.03},
            "of the $0.03 limit of the day for this repository is left",
            "raise limits.repository_per_day_usd in the policy",
        ),
        (
            {"author_per_day_usd": 0.03},
            "of the $0.03 limit of the day for one@example.org is left",
            "raise limits.author_per_day_usd in the policy",
        ),
        (
            {"lane_per_day_usd": "{fast: 0.03}"},
            "of the $0.03 limit of the day for lane fast is left",
            "raise limits.lane_per_day_usd.fast in the policy",
        ),
    ],
)
def test_a_refusal_names_the_limit_and_what_is_left_and_how_to_raise_it(
    ledger: Ledger, limits: dict[str, Any], told: str, raised: str
) -> None:
    mine = purse(ledger, **limits)
    take(mine, 3)  # to the last micro-dollar

    with pytest.raises(LimitReached) as refusal:
        mine.reserve("fast", "p", "m", NOTHING, 1000)

    assert str(refusal.value) == f"next call could cost $0.01, $0.00 {told}"
    assert refusal.value.hint == raised
    assert mine.spent_today() == pytest.approx(0.03)


def test_a_limit_holds_only_what_it_is_for(ledger: Ledger) -> None:
    limits: dict[str, Any] = {
        "repository_per_day_usd": 0.02,
        "author_per_day_usd": 0.03,
        "lane_per_day_usd": "{strong: 0.01}",
    }
    take(purse(ledger, **limits), 2)
    elsewhere = purse(ledger, "r2", payer=Payer("/other", "one@example.org"), **limits)
    take(elsewhere, 1, lane="strong")

    with pytest.raises(LimitReached, match=r"for one@example\.org"):
        take(elsewhere, 1)
    another = purse(ledger, "r3", payer=Payer("/other", "bob@example.org"), **limits)
    with pytest.raises(LimitReached, match="for lane strong"):
        take(another, 1, lane="strong")
    take(another, 1)
    with pytest.raises(LimitReached, match="for this repository"):
        take(purse(ledger, "r4", payer=Payer("/r", "eve@example.org"), **limits), 1)


@pytest.mark.parametrize("key", ["per_day_usd", "repository_per_day_usd", "author_per_day_usd"])
def test_no_policy_goes_beyond_what_the_users_configuration_allows(ledger: Ledger, key: str) -> None:
    wide: dict[str, Any] = {key: 40}
    mine = purse(ledger, budgets=Budgets.model_validate({key: 0.02}), **wide)
    take(mine, 2)

    with pytest.raises(LimitReached) as refusal:
        take(mine, 1)

    assert refusal.value.hint == f"raise budgets.{key} in the configuration: route-agent config edit"


def test_a_policy_may_be_stricter_than_the_configuration(ledger: Ledger) -> None:
    mine = purse(ledger, budgets=Budgets(author_per_day_usd=40), author_per_day_usd=0.01)
    take(mine, 1)

    with pytest.raises(LimitReached) as refusal:
        take(mine, 1)
    assert refusal.value.hint == "raise limits.author_per_day_usd in the policy"


def test_of_two_configurations_the_smaller_budget_holds(tmp_path: Path) -> None:
    organisation, mine = tmp_path / "organisation.yaml", tmp_path / "mine.yaml"
    organisation.write_text("budgets: {per_day_usd: 5, author_per_day_usd: 3, repository_per_day_usd: 2}\n")
    mine.write_text("budgets: {per_day_usd: 50, author_per_day_usd: 1, repository_per_day_usd: null}\n")

    for files in ((organisation, mine), (mine, organisation)):
        assert load_config(files).budgets == Budgets(
            per_day_usd=5, author_per_day_usd=1, repository_per_day_usd=2
        )


def test_what_is_free_fits_even_where_nothing_is_left(ledger: Ledger) -> None:
    mine = purse(ledger, max_usd=0.01)
    take(mine, 1)

    assert mine.reserve("fast", "here", "llama", NOTHING, 1000).micro_usd == 0


def test_a_call_that_cost_more_than_was_set_aside_is_charged_whole_and_said(ledger: Ledger) -> None:
    mine = purse(ledger, max_usd=0.05)
    held = mine.reserve("fast", "p", "m", NOTHING, 1000)

    call = mine.settle(held, ModelReply("hi", "m", Usage(input_total=5, output_total=4000)), 1)

    assert (call.cost_micro_usd, call.reserved_micro_usd) == (4 * CENT, CENT)
    assert call.overrun_micro_usd == 3 * CENT
    assert mine.spent_today() == pytest.approx(0.04)
    take(mine, 1)
    with pytest.raises(LimitReached):
        take(mine, 1)


def test_a_lane_whose_prompts_count_for_more_than_usual_has_more_set_aside(ledger: Ledger) -> None:
    prices = Prices({"m": Rates(Decimal(1), Decimal(0))}, frozenset())
    mine = purse(ledger, prices=prices)
    prompt = Prompt("", "x" * 70_000)  # 20,000 tokens by our estimate, at worst 35,000

    first = mine.reserve("fast", "p", "m", prompt, 0)
    assert first.micro_usd == 35_017
    mine.settle(first, ModelReply("hi", "m", Usage(input_total=50_000, output_total=1)), 1)

    assert ledger.calibration("fast", "m") == 2.5
    assert mine.reserve("fast", "p", "m", prompt, 0).micro_usd == 62_500  # 20,000 · 2.5 · 1.25
    assert mine.reserve("strong", "p", "m", prompt, 0).micro_usd == 35_017


# --- a price that nobody knows -----------------------------------------------------------------------------


def test_a_model_of_unknown_price_is_not_called_under_a_budget(ledger: Ledger) -> None:
    mine = purse(ledger)

    with pytest.raises(LimitReached, match="the price of unheard-of at nobody is not known") as refusal:
        mine.reserve("fast", "nobody", "unheard-of", NOTHING, 1000)

    for way in ("`rates`", "`free: true`", "limits.unpriced: reserve"):
        assert way in refusal.value.hint
    assert mine.spent_today() == 0
    assert mine.calls == []


def test_a_policy_may_have_it_called_against_what_a_dear_model_would_cost(ledger: Ledger) -> None:
    mine = purse(ledger, unpriced="reserve")

    held = mine.reserve("fast", "nobody", "unheard-of", NOTHING, 1000)
    call = mine.settle(held, ModelReply("hi", "unheard-of", Usage(10, 0, 0, 10)), 1)

    assert held.micro_usd == 17 * 10 + 1000 * 50
    assert (call.cost_micro_usd, call.price_basis) == (None, "")
    assert mine.spent_today() == pytest.approx(held.micro_usd / 1e6)


# --- processes that die ------------------------------------------------------------------------------------


def test_a_process_that_is_killed_between_a_call_and_its_answer_leaves_it_counted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    script = f"""
import os, signal, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_budgets import Ledger, purse, take
take(purse(Ledger(Path({str(path)!r}))), 2)
os.kill(os.getpid(), signal.SIGKILL)
"""
    died = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert died.returncode == -9, died.stderr

    ledger = Ledger(path)
    mine = purse(ledger, "r2", per_day_usd=0.03)
    assert mine.spent_today() == pytest.approx(0.02)
    take(mine, 1)
    with pytest.raises(LimitReached, match="limit of the day"):
        take(mine, 1)
    assert ledger.integrity() == "ok"
    ledger.close()


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_budget", ROOT / "scripts" / "bench_budget.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_budget"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("seed", [101, 102])
def test_eight_processes_of_which_half_are_killed_pass_no_limit(
    tmp_path: Path, bench: ModuleType, seed: int
) -> None:
    outcome = bench.race(tmp_path, processes=8, seed=seed)

    assert outcome.passed == 0
    assert outcome.killed >= 1
    assert outcome.calls > 80
    assert outcome.spent > 0.5 * bench.DAY_USD * 1e6  # the limits were really reached for


def test_the_race_notices_a_limit_that_is_passed(tmp_path: Path, bench: ModuleType) -> None:
    path = tmp_path / "ledger.sqlite3"
    bench.watch(path)
    ledger = Ledger(path)

    take(purse(ledger, max_usd=50, per_day_usd=50), int(bench.RUN_USD * 100) + 1)

    ledger.close()
    database = sqlite3.connect(path)
    assert database.execute("SELECT scope, spent FROM passed").fetchall() == [("run", 71 * CENT)]
    database.close()


def test_a_lost_call_stays_charged_and_a_refused_one_costs_nothing(ledger: Ledger) -> None:
    mine = purse(ledger, repository_per_day_usd=0.02)

    mine.fail(mine.reserve("fast", "p", "m", NOTHING, 1000), CallState.FAILED, "429", 0.1)
    mine.fail(mine.reserve("fast", "p", "m", NOTHING, 1000), CallState.LOST, "timeout", 9)

    assert mine.left("fast") == CENT
    take(mine, 1)
    with pytest.raises(LimitReached, match="this repository"):
        take(mine, 1)
