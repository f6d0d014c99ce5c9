"""Replays: what ways of working come to on recorded outcomes, against the same worked out in another way."""

from __future__ import annotations

import json
import math
import os
import random
import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import by_hand
import pytest
from by_hand import Rates, Records
from hypothesis import given, settings
from hypothesis import strategies as st
from sandpit import PROGRAM

from route_agent.cli import replay as command
from route_agent.errors import UsageError
from route_agent.outcomes import Errors, Outcome, Outcomes, Rung, each, quantile
from route_agent.readoutcomes import MAX_LINE, MAX_ROWS, OPTIONAL, REQUIRED, read_outcomes
from route_agent.replaying import (
    LEAST_TASKS,
    MARGIN,
    WAYS,
    Finding,
    Replay,
    Wanted,
    break_even,
    finding,
    replay,
)
from route_agent.report import replay as report
from route_agent.resampling import DRAWS, MOST_UNITS, intervals

MODELS = ("tiny", "small", "other", "middle", "large")
PAIRS = (("tiny", "large"), ("small", "large"), ("other", "middle"), ("small", "middle"), ("middle", "tiny"))


def generated(path: Path, tasks: int = 61, seed: int = 7) -> Path:
    """A file of outcomes by models of unequal strength and price, which fail together on hard tasks."""
    draw = random.Random(seed)
    rows = ["model,instance_id,resolved,cost_usd,api_calls"]
    for number in range(tasks):
        hard = draw.random()
        for rank, model in enumerate(MODELS):
            right = draw.random() < 0.15 + 0.2 * rank + 0.4 * (0.5 - hard)
            cost = draw.lognormvariate(-5 + rank, 0.8) * (1 + hard + 2 * (not right))
            rows.append(f"{model},team__tool-{number},{int(right)},{cost:.6f},{draw.randrange(1, 90)}")
    rows.append("small,team__tool-only-small-tried-it-1,1,0.5,3")
    path.write_text("\n".join(rows) + "\n")
    return path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The file that these tests make, and any that the environment names."""
    own = generated(tmp_path_factory.mktemp("outcomes") / "own.csv")
    named = os.environ.get("ROUTE_AGENT_OUTCOMES")
    return [own, *([Path(named)] if named else [])]


def pairs_of(records: Records) -> list[tuple[str, str]]:
    """Five pairs of models: ours where the file has them, else neighbours in price."""
    if set(MODELS) <= set(records):
        return list(PAIRS)
    mean = {model: sum(it[0][1] for it in tried.values()) / len(tried) for model, tried in records.items()}
    ordered = sorted(mean, key=lambda model: mean[model])
    return [(ordered[at], ordered[-1 - at]) for at in range(5)]


def assert_equal(told: Any, name: str, wanted: tuple[Fraction, Fraction], strong: Fraction) -> None:
    way = told.ways[name]
    assert way is not None, name
    assert way.resolved == pytest.approx(float(wanted[0]), abs=1e-9), name
    assert way.cost_usd == pytest.approx(float(wanted[1]), abs=1e-9), name
    assert way.ratio == pytest.approx(float(wanted[1] / strong), abs=1e-9), name


@pytest.mark.parametrize(("accept", "reject"), [("0", "0"), ("0.2", "0"), ("0.35", "0.125"), ("1", "0")])
def test_five_pairs_come_to_what_playing_every_verdict_comes_to(
    sources: list[Path], accept: str, reject: str
) -> None:
    rates = Rates(Fraction(accept), Fraction(reject))
    for source in sources:
        records, table = by_hand.read(source), read_outcomes(source)
        for fast, strong in pairs_of(records):
            tasks = by_hand.shared(records, (fast, strong))
            wanted = Wanted(
                strong, fast, errors=Errors(float(accept), float(reject)), effort_cap=0.85, strong_cap=0.9
            )

            told = replay(table.outcomes, wanted)

            caps = {
                model: by_hand.usual(records, model, tasks, Fraction(share))
                for model, share in ((fast, "0.85"), (strong, "0.9"))
            }
            paid = by_hand.ladder(records, [strong], tasks, rates, {})[1]
            assert told.n == len(tasks)
            for name, models, limits in (
                ("always_fast", [fast], {}),
                ("always_strong", [strong], {}),
                ("cascade", [fast, strong], {}),
                ("effort_cap", [fast, strong], caps),
            ):
                assert_equal(told, name, by_hand.ladder(records, models, tasks, rates, limits), paid)
            assert_equal(told, "perfect", by_hand.perfect(records, (fast, strong), tasks), paid)
            assert told.ways["effort_cap"]
            assert told.ways["effort_cap"].caps_usd == pytest.approx({k: float(v) for k, v in caps.items()})
            for even, limits in ((told.break_even, {}), (told.ways["effort_cap"].break_even, caps)):
                rate = by_hand.even(records, (fast, strong), strong, tasks, rates.reject, limits)
                assert even
                assert even.rate == (None if rate is None else pytest.approx(float(rate), abs=1e-9))


def test_a_ladder_comes_to_what_playing_every_verdict_comes_to(sources: list[Path]) -> None:
    records, table = by_hand.read(sources[0]), read_outcomes(sources[0])
    names = ("tiny", "other", "small")
    tasks = by_hand.shared(records, (*names, "large"))
    for accept in ("0", "0.3"):
        told = replay(table.outcomes, Wanted("large", ladder=names, errors=Errors(float(accept), 0.1)))

        rates = Rates(Fraction(accept), Fraction("0.1"))
        paid = by_hand.ladder(records, ["large"], tasks, rates, {})[1]
        assert_equal(told, "ladder", by_hand.ladder(records, names, tasks, rates, {}), paid)
        assert_equal(told, "perfect", by_hand.perfect(records, (*names, "large"), tasks), paid)
        for absent in ("always_fast", "cascade", "effort_cap"):
            assert told.ways[absent] is None


def test_the_break_even_of_a_ladder_is_where_it_solves_as_much_as_always_strong(sources: list[Path]) -> None:
    records, table = by_hand.read(sources[0]), read_outcomes(sources[0])
    names = ("tiny", "small", "large")
    tasks = by_hand.shared(records, names)[:20]

    even = break_even([Rung(name) for name in names], "large", table.outcomes, tasks)

    wanted = by_hand.even(records, names, "large", tasks)
    assert wanted is not None
    assert even.rate == pytest.approx(float(wanted), abs=1e-9)


def test_an_effort_cap_stops_each_cheap_lane_of_a_ladder(sources: list[Path]) -> None:
    records, table = by_hand.read(sources[0]), read_outcomes(sources[0])
    names = ("tiny", "small")
    tasks = by_hand.shared(records, (*names, "large"))

    told = replay(table.outcomes, Wanted("large", ladder=names, effort_cap=0.5))

    caps = {name: by_hand.usual(records, name, tasks, Fraction(1, 2)) for name in names}
    paid = by_hand.ladder(records, ["large"], tasks, Rates(), {})[1]
    assert_equal(told, "effort_cap", by_hand.ladder(records, names, tasks, Rates(), caps), paid)


# --- several attempts at one task --------------------------------------------------------------------------


def repeated(path: Path, times: int = 3) -> Path:
    draw = random.Random(3)
    rows = ["instance_id,cost_usd,model,resolved"]
    rows += [
        f"t{task},{draw.random() * price:.5f},{model},{'true' if draw.random() < share else 'False'}"
        for task in range(12)
        for model, price, share in (("small", 0.1, 0.4), ("large", 1.0, 0.7))
        for _ in range(times)
    ]
    path.write_text("\n".join(rows) + "\n")
    return path


def as_records(path: Path) -> Records:
    plain = path.with_name("plain.csv")
    plain.write_text(path.read_text().replace("true", "1").replace("False", "0"))
    return by_hand.read(plain)


def test_strong_twice_is_computed_from_tasks_that_were_tried_several_times(tmp_path: Path) -> None:
    source = repeated(tmp_path / "several.csv")
    records = as_records(source)
    tasks = by_hand.shared(records, ("small", "large"))
    rates = Rates(Fraction("0.25"), Fraction("0.1"))

    told = replay(
        read_outcomes(source).outcomes, Wanted("large", "small", errors=Errors(0.25, 0.1), effort_cap=0.6)
    )

    paid = by_hand.ladder(records, ["large"], tasks, rates, {})[1]
    caps = {"small": by_hand.usual(records, "small", tasks, Fraction("0.6"))}
    assert_equal(told, "strong_twice", by_hand.twice(records, "large", tasks, rates), paid)
    assert_equal(told, "cascade", by_hand.ladder(records, ["small", "large"], tasks, rates, {}), paid)
    assert_equal(told, "effort_cap", by_hand.ladder(records, ["small", "large"], tasks, rates, caps), paid)


def test_of_single_attempts_a_second_one_is_unknown_and_only_bounded(tmp_path: Path) -> None:
    outcomes = {
        "s": {"a": Outcome(1, 1.0), "b": Outcome(0, 3.0)},
        "f": {"a": Outcome(0, 0.1), "b": Outcome(0, 0.1)},
    }

    twice = replay(outcomes, Wanted("s", "f", errors=Errors(0.5))).ways["strong_twice"]

    assert twice is not None
    assert twice.resolved is None
    assert twice.difference is None
    assert twice.bounds == (0.5, 0.75)  # the wrong patch passes half the time, and then there is no second
    assert twice.cost_usd == pytest.approx((1.0 + 3.0 * 1.5) / 2)


# --- what must hold of any outcomes ------------------------------------------------------------------------

TASKS = tuple("abcdefg")
SINGLE = st.builds(Outcome, st.sampled_from([0.0, 1.0]), st.floats(0.001, 10))
LANES: st.SearchStrategy[Outcomes] = st.fixed_dictionaries(
    {model: st.fixed_dictionaries(dict.fromkeys(TASKS, SINGLE)) for model in ("f", "g", "s")}
)
SHARE = st.floats(0, 1)


def shares(told: Replay) -> dict[str, float]:
    return {name: way.resolved for name, way in told.ways.items() if way and way.resolved is not None}


@settings(max_examples=25, deadline=None)
@given(LANES, SHARE, SHARE, SHARE, SHARE)
def test_figures_stay_within_their_bounds(
    outcomes: Outcomes, accept: float, reject: float, cap: float, strong_cap: float
) -> None:
    wanted = Wanted("s", "f", ("f", "g"), Errors(accept, reject), cap, strong_cap)

    told = replay(outcomes, wanted)

    solved = shares(told)
    assert all(0 <= share <= solved["perfect"] + 1e-9 for share in solved.values())
    dearest = sum(max(outcomes[model][task].cost_usd for task in TASKS) for model in ("f", "g", "s"))
    for way in told.ways.values():
        assert way is not None
        assert 0 <= way.cost_usd <= dearest
        for value, within in ((way.resolved, way.resolved_within), (way.ratio, way.ratio_within)):
            if value is not None and within is not None:
                assert within[0] - 1e-9 <= value <= within[1] + 1e-9 or len(TASKS) < 30
    twice = told.ways["strong_twice"]
    assert twice is not None
    assert twice.bounds is not None
    assert 0 <= twice.bounds[0] <= twice.bounds[1] <= 1


@settings(max_examples=60, deadline=None)
@given(LANES, SHARE, SHARE, SHARE)
def test_more_false_accepts_never_solve_more_and_never_cost_more(
    outcomes: Outcomes, one: float, another: float, reject: float
) -> None:
    few, many = sorted((one, another))
    rungs = [Rung("f"), Rung("g", 2.0), Rung("s")]

    strict = each(rungs, outcomes, TASKS, Errors(few, reject))
    lax = each(rungs, outcomes, TASKS, Errors(many, reject))

    for before, after in zip(strict, lax, strict=True):
        assert after.resolved <= before.resolved + 1e-12
        assert after.cost_usd <= before.cost_usd + 1e-12


@settings(max_examples=60, deadline=None)
@given(LANES, SHARE, st.integers(1, 2))
def test_below_the_break_even_rate_a_ladder_solves_no_less_and_above_it_less(
    outcomes: Outcomes, reject: float, lanes: int
) -> None:
    rungs = [*(Rung(name) for name in ("f", "g")[:lanes]), Rung("s")]
    strong = sum(it.resolved for it in outcomes["s"].values())

    even = break_even(rungs, "s", outcomes, TASKS, reject)

    def gain(accept: float) -> float:
        return sum(it.resolved for it in each(rungs, outcomes, TASKS, Errors(accept, reject))) - strong

    if even.rate is None:
        assert gain(0) < 0 if even.always else gain(1) >= -1e-9
    else:
        assert gain(max(0.0, even.rate - 1e-6)) >= -1e-9
        assert gain(min(1.0, even.rate + 1e-3)) <= 1e-9


@given(st.lists(st.floats(0, 100), min_size=1, max_size=30), SHARE)
def test_a_quantile_is_that_of_the_line_between_neighbours(values: list[float], share: float) -> None:
    records: Records = {"m": {str(at): [(0, Fraction(value))] for at, value in enumerate(values)}}

    wanted = by_hand.usual(records, "m", list(records["m"]), Fraction(share))

    assert quantile(values, share) == pytest.approx(float(wanted), abs=1e-9)


# --- intervals ---------------------------------------------------------------------------------------------


def test_an_interval_is_about_as_wide_as_theory_says_and_equal_for_equal_input() -> None:
    column = [float(at % 5 < 3) for at in range(400)]

    within = intervals([column], lambda means: means)[0]

    assert [within] == intervals([column], lambda means: means)
    assert within is not None
    assert within[0] < 0.6 < within[1]
    assert within[1] - within[0] == pytest.approx(2 * 1.96 * (0.6 * 0.4 / 400) ** 0.5, rel=0.05)


def test_of_many_tasks_bundles_are_drawn_and_the_interval_holds() -> None:
    draw = random.Random(1)
    column = [draw.random() ** 3 for _ in range(6123)]
    mean = sum(column) / len(column)
    deviation = (sum((value - mean) ** 2 for value in column) / len(column)) ** 0.5

    within = intervals([column], lambda means: means)[0]

    assert within is not None
    assert sum(within) / 2 == pytest.approx(mean, rel=0.01)
    assert within[1] - within[0] == pytest.approx(2 * 1.96 * deviation / len(column) ** 0.5, rel=0.12)


def test_about_nineteen_of_twenty_intervals_hold_what_is_true() -> None:
    held = 0
    for seed in range(200):
        draw = random.Random(seed)
        column = [float(draw.random() < 0.7) for _ in range(80)]
        within = intervals([column], lambda means: means, draws=200, seed=seed)[0]
        assert within is not None
        held += within[0] <= 0.7 <= within[1]

    assert 176 <= held <= 199


# --- verdicts ----------------------------------------------------------------------------------------------


def pair(
    n: int, fast: float, fast_usd: float, strong: float, strong_usd: float, *, apart: bool = False
) -> Outcomes:
    """Two lanes that solve shares of n tasks, in the same order of tasks, or from both ends."""
    return {
        "f": {f"t{at:04}": Outcome(float(at < fast * n), fast_usd) for at in range(n)},
        "s": {
            f"t{at:04}": Outcome(float(at >= n - strong * n if apart else at < strong * n), strong_usd)
            for at in range(n)
        },
    }


@pytest.mark.parametrize(
    ("outcomes", "accept", "found"),
    [
        (pair(200, 0.6, 0.01, 0.7, 1.0), 0.0, Finding.PAYS),
        (pair(200, 0.6, 0.01, 0.7, 1.0, apart=True), 0.0, Finding.PAYS),
        (pair(200, 0.6, 0.01, 0.7, 1.0), 0.6, Finding.SOLVES_LESS),
        (pair(200, 0.1, 0.9, 0.7, 1.0), 0.0, Finding.LOSES_MONEY),
        (pair(200, 0.3, 0.9, 0.7, 1.0, apart=True), 0.0, Finding.BUYS_QUALITY),
        (pair(200, 0.5, 0.5, 0.7, 1.0), 0.0, Finding.NO_SAVING),
        (pair(29, 0.6, 0.01, 0.7, 1.0), 0.0, Finding.TOO_FEW),
        (pair(200, 0.6, 0.0, 0.7, 0.0), 0.0, Finding.UNPRICED),
    ],
)
def test_a_verdict_says_only_what_the_intervals_show(
    outcomes: Outcomes, accept: float, found: Finding
) -> None:
    told = replay(outcomes, Wanted("s", "f", errors=Errors(accept)))

    cascade = told.ways["cascade"]
    assert cascade is not None
    assert finding(cascade, told.n) is found
    assert finding(cascade, told.n, selected=True) is Finding.SELECTED


def test_what_may_solve_more_than_four_points_less_is_left_open() -> None:
    outcomes = pair(60, 0.5, 0.01, 0.52, 1.0, apart=True)
    told = replay(outcomes, Wanted("s", "f", errors=Errors(1.0)))  # always-fast in all but name

    cascade = told.ways["cascade"]
    assert cascade is not None
    assert finding(cascade, told.n) is Finding.OPEN


# --- the command -------------------------------------------------------------------------------------------


def run(*arguments: str, cwd: Path | None = None, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [PROGRAM, "replay", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **env},
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_the_figures_as_json_byte_for_byte_alike(sources: list[Path]) -> None:
    asked = (
        str(sources[0]), "--fast", "small", "--strong", "large", "--ladder", "tiny,small,other",
        "--false-accept", "0.2", "--effort-cap", "0.9", "--json",
    )  # fmt: skip

    code, printed, _ = run(*asked)

    assert code == 0
    assert printed == run(*asked, PYTHONHASHSEED="5")[1]
    told = json.loads(printed)
    records = by_hand.read(sources[0])
    tasks = by_hand.shared(records, ("tiny", "small", "other", "large"))
    rates = Rates(Fraction("0.2"))
    assert (told["schema"], told["n"]) == (1, len(tasks))
    paid = by_hand.ladder(records, ["large"], tasks, rates, {})[1]
    caps = {"small": by_hand.usual(records, "small", tasks, Fraction("0.9"))}
    for name, models, limits in (
        ("always_fast", ["small"], {}),
        ("always_strong", ["large"], {}),
        ("cascade", ["small", "large"], {}),
        ("effort_cap", ["small", "large"], caps),
        ("ladder", ["tiny", "small", "other"], {}),
    ):
        solved, cost = by_hand.ladder(records, models, tasks, rates, limits)
        assert told[name]["resolved"] == pytest.approx(float(solved), abs=1e-9), name
        assert told[name]["cost_usd"] == pytest.approx(float(cost), abs=1e-9), name
        assert told[name]["ratio"] == pytest.approx(float(cost / paid), abs=1e-9), name
        assert told[name]["ratio_95"][0] <= told[name]["ratio"] <= told[name]["ratio_95"][1]
    even = by_hand.even(records, ("small", "large"), "large", tasks)
    assert told["break_even_false_accept"] == (None if even is None else pytest.approx(float(even), abs=1e-9))
    assert told["strong_twice"]["resolved"] is None
    assert told["tried"]["small"]["n"] == told["n"] + 1
    assert told["finding"] != "selected"  # in a file nobody chose who was asked
    assert f"n={told['n']}" in told["verdict"]


def test_the_command_prints_a_table_and_a_verdict_for_people(tmp_path: Path) -> None:
    file = tmp_path / "o.csv"
    rows = (
        f"{model},t{at},{int(at < share)},{usd}"
        for at in range(100)
        for model, share, usd in (("[red]fast", 10, 0.9), ("strong\x1b[2J", 70, 1))
    )
    file.write_text("model,instance_id,resolved,cost_usd\n" + "\n".join(rows))

    code, printed, _ = run("o.csv", "--fast", "[red]fast", "--strong", "strong\x1b[2J", cwd=tmp_path)

    assert code == 0
    assert "n = 100 tasks" in printed
    assert "fast    [red]fast" in printed
    assert "\x1b" not in printed
    first = [line.split()[0] for line in printed.splitlines() if line]
    assert [word for word in first if word.replace("-", "_") in WAYS] == [
        "always-fast",
        "always-strong",
        "strong-twice",
        "cascade",
        "perfect",
    ]
    assert "verdict cascade: this fast lane loses money: × 1.80" in printed
    assert max(map(len, printed.split("strong-twice:")[0].splitlines())) < 90
    assert "break-even 0.000" in printed


def typed(outcomes: str, **said: Any) -> command.Arguments:
    """Arguments as the command line gives them where nothing else is said."""
    none = {"fast": "", "strong": "", "ladder": "", "harness": "", "false_accept": 0.0, "false_reject": 0.0}
    caps = {"effort_cap": None, "strong_cap": None, "directory": Path()}
    return command.Arguments(outcomes=outcomes, **{**none, **caps, **said})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"fast": "small"}, "--strong is missing"),
        ({"strong": "large"}, "--fast or --ladder is missing"),
        ({}, "has outcomes of large, middle, other, small, tiny"),
        ({"fast": "larg", "strong": "small"}, 'no outcomes of "larg" (did you mean large?)'),
        ({"fast": "large", "strong": "large"}, "are both large"),
        ({"ladder": "tiny,,small", "strong": "large"}, "write each model once"),
        ({"ladder": "tiny,tiny", "strong": "large"}, "write each model once"),
        ({"fast": "tiny", "strong": "large", "effort_cap": 90.0}, "--effort-cap 90: write a share"),
        ({"fast": "tiny", "strong": "large", "strong_cap": math.nan}, "--strong-cap nan: write a share"),
        ({"fast": "tiny", "strong": "large", "harness": "h"}, "no column harness"),
    ],
)
def test_what_cannot_be_replayed_is_refused_by_name(
    sources: list[Path], said: dict[str, Any], told: str
) -> None:
    wanted = typed(str(sources[0]), **said)

    with pytest.raises(UsageError, match=re.escape(told)):
        command._read(wanted, command._wanted(wanted))


def test_a_refusal_ends_with_two_and_as_json_on_standard_output(sources: list[Path]) -> None:
    code, printed, complained = run(str(sources[0]), "--fast", "tiny", "--strong", "huge", "--json")

    assert code == 2
    assert json.loads(printed)["exit_code"] == 2
    assert 'no outcomes of "huge"' in complained


def test_a_narrow_terminal_gets_lines_instead_of_a_table(sources: list[Path]) -> None:
    told = replay(read_outcomes(sources[0]).outcomes, Wanted("large", "tiny"))

    lines = list(report.narrow_lines(told))

    assert lines[0].startswith("always-fast: solved ")
    assert len([line for line in lines if not line.startswith(" ")]) == 5
    assert max(map(len, lines)) <= 60


# --- the page ----------------------------------------------------------------------------------------------

PAGE = (Path(__file__).parents[1] / "docs" / "outcomes.md").read_text()


def first_cells(heading: str) -> set[str]:
    """The words in the first column of every table below a heading."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| ")]
    return {word for cell in cells for word in re.findall(r"`([^`]+)`", cell)}


def test_the_page_names_every_column_key_and_finding(tmp_path: Path) -> None:
    told = replay(
        read_outcomes(generated(tmp_path / "o.csv", 40)).outcomes,
        Wanted("large", "tiny", ("tiny", "small"), effort_cap=0.9),
    )

    made = report.replay_object(
        told, read_outcomes(tmp_path / "o.csv").outcomes, source="o", harness="", notes=(), selected=False
    )

    of_a_way = {key for name in WAYS for key in made[name]}
    assert first_cells("JSON") == set(made) | of_a_way
    assert first_cells("The verdict") - {"finding"} == {found.value for found in Finding}
    assert first_cells("The file") == {*REQUIRED, *OPTIONAL}
    assert first_cells("The ways") == set(WAYS)
    assert set(re.findall(r"`(\w+)`", PAGE.split("| `asked` |")[1].splitlines()[0])) == set(made["asked"])
    for limit in (
        f"{MAX_LINE:,}",
        f"{MAX_ROWS:,}",
        f"{DRAWS:,} draws",
        f"{MOST_UNITS} bundles",
        f"{LEAST_TASKS} tasks",
    ):
        assert limit in PAGE, limit
    assert f"at most {100 * MARGIN:.0f} points" in PAGE
