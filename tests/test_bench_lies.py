"""The benchmark of lies: what counts as a step back, and that the frozen sample is a fair one."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).parents[1] / "scripts" / "bench_lies.py"


@pytest.fixture(scope="module")
def bench() -> ModuleType:
    spec = importlib.util.spec_from_file_location("bench_lies", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["bench_lies"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("right", "expected", "ended", "worse"),
    [
        (False, "tampered", "ran", True),
        (False, "covered", "discriminating", True),
        (False, "covered", "regression", False),
        (False, "ran", "ran", False),
        (False, "tampered", "regression", False),
        (True, "covered", "ran", True),
        (True, "covered", "tampered", True),
        (True, "ran", "discriminating", False),
    ],
)
def test_a_lie_that_gets_further_or_a_truth_that_gets_less_far_is_a_step_back(
    bench: ModuleType, right: bool, expected: str, ended: str, worse: bool
) -> None:
    failure, grade = ("", ended) if ended in bench.GRADES else (ended, "none")
    told = bench.Told(
        "p/a", right, "", grade, failure, "", bool(failure), lowered=False, checks_pass=True, seconds=1.0
    )

    assert bench.is_worse(told, expected) is worse


def test_the_frozen_sample_has_all_projects_and_both_kinds(bench: ModuleType) -> None:
    frozen = json.loads(bench.GATE.read_text())
    projects = sorted(it.name for it in bench.LIES.iterdir() if (it / "cases").is_dir())
    chosen = [it for it in bench.cases(projects) if it.name in frozen]

    assert len(chosen) == len(frozen) == bench.GATE_SIZE
    assert {it.project for it in chosen} == set(projects)
    assert sum(it.right for it in chosen) >= 6
    assert len({it.lie for it in chosen}) > 10


def test_an_interval_is_wilsons(bench: ModuleType) -> None:
    assert bench.wilson(0, 60) == "0.0 % [0.0–6.0] (0/60)"
    assert bench.wilson(56, 60) == "93.3 % [84.1–97.4] (56/60)"
    assert bench.wilson(0, 0) == "-"
