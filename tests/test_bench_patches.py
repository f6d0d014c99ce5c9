"""The bench counts what an applier did, not what it says: a small corpus with one case of each ending."""

from __future__ import annotations

import json
import lzma
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from route_agent.patch.stages import STAGES

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "scripts" / "bench_patches.py"
DOCUMENT = ROOT / "docs" / "patches.md"

CODE = "import os\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 1\n"
DONE = CODE.replace("import os", "import sys")
LONGER = f"{DONE[:-2]}2\n# end\n"
CHANGE = "--- a/m.py\n+++ b/m.py\n@@ -1,2 +1,2 @@\n-import os\n+import sys\n \n"
COUNTED = CHANGE + "@@ -9,1 +9,1 @@\n-    return 1\n+    return 2\n+# end\n"
TWO_FILES = CHANGE + "--- a/n.py\n+++ b/n.py\n@@ -1 +1 @@\n-gone\n+x\n"


def case(name: str, kind: str, expect: str, patch: str, **more: Any) -> dict[str, Any]:
    label = more.pop("label", f"{kind}:test")
    return {
        "id": name,
        "class": label,
        "kind": kind,
        "expect": expect,
        "patch": patch,
        "files": {"m.py": CODE, "n.py": "y\n"},
        "expected": {"m.py": DONE} if expect == "apply" else {},
        **more,
    }


CASES = (
    case("clean", "real", "apply", CHANGE),
    case("fenced", "real", "apply", f"Here:\n```diff\n{CHANGE}```\n", label="real:small-models"),
    case("indented by hand", "mutated", "apply", CHANGE.replace("@@\n-", "@@\n-  "), label="m"),
    case("may be refused", "real", "apply", "I cannot.", label="real:small-models", reject_ok=True),
    case("nowhere", "real", "reject", CHANGE.replace("import os", "import re")),
    case("nobody knows", "real", "unknown", CHANGE),
    case("counted too short", "mutated", "apply", COUNTED, label="m", expected={"m.py": LONGER}),
    case("another result", "mutated", "apply", CHANGE, expected={"m.py": DONE.replace("sys", "re")}),
    case("half", "negative", "reject", TWO_FILES),
    case("outside", "negative", "reject", "--- /dev/null\n+++ {{OUTSIDE}}/x\n@@ -0,0 +1 @@\n+x\n"),
    case(
        *("through a link", "negative", "reject"),
        "--- a/l/victim.txt\n+++ b/l/victim.txt\n@@ -1 +1 @@\n-line one\n+x\n",
        symlinks={"l": "{{OUTSIDE}}"},
    ),
)


def bench(corpus: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, str(SCRIPT), "--corpus", str(corpus), "--jobs", "1", *options)
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("corpus") / "cases.jsonl"
    file.write_text("".join(json.dumps(it) + "\n" for it in CASES))
    return file


@pytest.fixture(scope="module")
def told(corpus: Path) -> dict[str, Any]:
    done = bench(corpus, "--json", "--sample", "3", "--stages")
    assert done.returncode == 0, done.stderr
    loaded: dict[str, Any] = json.loads(done.stdout)
    return loaded


def test_each_case_ends_as_its_files_say(told: dict[str, Any]) -> None:
    assert told["cases"]["route-agent"] == {
        "clean": "right",
        "fenced": "right",
        "indented by hand": "right",
        "may be refused": "rejected",
        "nowhere": "rejected",
        "nobody knows": "applied",
        "counted too short": "right",
        "another result": "wrong",
        "half": "rejected",
        "outside": "rejected",
        "through a link": "rejected",
    }
    assert told["cases"]["in memory"] == told["cases"]["route-agent"]
    assert len(told["cases"]["cli"]) == 3


def test_groups_count_permitted_refusals_apart(told: dict[str, Any]) -> None:
    groups = told["groups"]["route-agent"]

    def figures(name: str) -> tuple[int, ...]:
        return tuple(groups[name][key] for key in ("cases", "right", "landed", "bad", "unsafe"))

    assert figures("real, frontier models, must apply") == (1, 1, 1, 0, 0)
    assert figures("real, all models, must apply") == (3, 3, 2, 0, 0)
    assert figures("real, must reject") == (1, 1, 0, 0, 0)
    assert figures("mutated, must apply") == (3, 2, 2, 1, 0)
    assert figures("negatives, must reject") == (3, 3, 0, 0, 0)
    assert figures("real, unknown") == (1, 0, 1, 0, 0)
    assert told["missed"] == ["mutated, must apply"]


def test_other_appliers_are_judged_by_the_same_rule(told: dict[str, Any]) -> None:
    git, patch = told["cases"]["git apply"], told["cases"]["patch -p1"]

    assert (git["clean"], git["half"], git["may be refused"]) == ("right", "rejected", "rejected")
    assert git["counted too short"] == "wrong"
    assert patch["half"] == "dirty"
    assert told["groups"]["patch -p1"]["negatives, must reject"]["bad"] >= 1


def test_stages_are_switched_off_one_by_one_and_added_one_by_one(told: dict[str, Any]) -> None:
    alone, last = told["cases"]["in memory up to exact"], STAGES[-1][0]

    assert (alone["clean"], alone["indented by hand"]) == ("right", "rejected")
    assert told["cases"]["in memory without look-alikes"]["clean"] == "right"
    assert told["cases"][f"in memory up to {last}"] == told["cases"]["in memory"]


def test_the_document_tells_every_stage_in_its_order() -> None:
    text = DOCUMENT.read_text()

    assert re.findall(r"^\| `([^`]+)` \|", text.split("## Stages")[1], re.MULTILINE) == [
        it for it, _ in STAGES
    ]


def test_the_table_shows_the_bars_and_a_missed_one_ends_with_one(corpus: Path, tmp_path: Path) -> None:
    packed = tmp_path / "cases.jsonl.xz"
    packed.write_bytes(lzma.compress(corpus.read_bytes()))

    done = bench(tmp_path, "--only-ours", "--bar")

    assert done.returncode == 1
    assert "| real, all models, must apply      | 3 | ≥ 95 / 0 / 0  | 100.0 / 0 / 0" in done.stdout
    assert "| mutated, must apply               | 3 | ≥ 97 / 3 / 0  | 66.7 / 1 / 0" in done.stdout
    assert done.stdout.rstrip().endswith("missed: mutated, must apply")
    assert "git apply" not in done.stdout.split("\n")[0]


def test_an_applier_that_is_not_installed_is_named(tmp_path: Path) -> None:
    (tmp_path / "one.jsonl").write_text(json.dumps(CASES[0]))

    done = bench(tmp_path / "one.jsonl", "--aider-python", shutil.which("true") or "true")

    assert done.returncode == 0, done.stderr
    assert "aider: not installed" in done.stdout


def test_a_corpus_or_limits_must_be_named() -> None:
    done = subprocess.run((sys.executable, str(SCRIPT)), capture_output=True, text=True)

    assert done.returncode == 2
    assert "--corpus or --limits is needed" in done.stderr
