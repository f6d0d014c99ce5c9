"""The demo runs from a checkout, and cannot pass without the patches in its recorded replies."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from documented import blocks

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
SHOWN = "the demo prints it"
SCENES = ROOT / "examples" / "sync-worker" / "scenes"


def run_demo(*options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, str(ROOT / "scripts" / "demo.py"), *options),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )


def scenes_without_the_patch_of(lane: str, scene: str, folder: Path) -> Path:
    """A copy of one scene in which a reply keeps its words and loses its fenced patch."""
    copy = folder / "scenes"
    shutil.copytree(SCENES / scene, copy / scene)
    for shared in SCENES.glob("*.patch"):
        shutil.copy(shared, copy)
    replies = copy / scene / "replies.yaml"
    recorded = yaml.safe_load(replies.read_text("utf-8"))
    (reply,) = [reply for reply in recorded["replies"] if reply["lane"] == lane]
    reply["reply"], removed = re.subn(
        r"^```\w+\n.*?^```\n", "", reply["reply"], flags=re.DOTALL | re.MULTILINE
    )
    assert removed == 1
    replies.write_text(yaml.safe_dump(recorded), "utf-8")
    return copy


@pytest.mark.timeout(420)
def test_the_demo_shows_a_fixer_at_no_cost_an_escalation_and_an_auth_change() -> None:
    if given := os.environ.get("DEMO_OUTPUT"):  # in CI it runs beside the tests
        ended = Path(f"{given}.exit")
        while not ended.exists():
            time.sleep(0.5)
        printed = Path(given).read_text("utf-8")
        assert ended.read_text().strip() == "0", printed
    else:
        demo = run_demo()
        printed = demo.stdout
        assert demo.returncode == 0, demo.stdout + demo.stderr
    assert printed.rstrip().endswith("demo: 4 scenes ended as they should; no repository was touched")
    lint, leak, auth, untested = re.split(r"^── ", printed, flags=re.MULTILINE)[1:]
    assert re.search(r"selected_lane: fixer", lint)
    assert re.search(r"selected_lane: fast", leak)
    assert "test_the_success_of_one_job_leaves_the_backoff_of_another_alone" in leak
    assert re.search(r"selected_lane: strong", auth)
    assert "verifier recorded-verifier approves" in auth
    assert "still_failing: reproduction pytest::tests/test_backoff_long_streak.py" in untested
    assert "accepted at discriminating by strong" in untested
    shown = next(it.body for it in blocks("README.md", README.read_text("utf-8")) if it.not_run == SHOWN)
    assert steady(shown) in steady(untested), "README shows another run than the demo's"


def steady(text: str) -> str:
    """A report without what differs from run to run: durations, ids, folders, progress."""
    lines = [line.rstrip() for line in text.splitlines() if not re.match(r"\s+\d+\.\d s  \w", line)]
    steady = re.sub(r"(?<![\w.])~?/\S*/", "", "\n".join(lines))
    for changing in (
        r"\d+\.\d s$",
        r"(?<=latency_seconds: )\S+",
        r"(?<=run-)\w+",
        r"(?<=show )\w+",
        r"(?<=@)\w+",
        r"\d+\.\d s(?= )",
    ):
        steady = re.sub(changing, "…", steady, flags=re.MULTILINE)
    return steady.strip()


@pytest.mark.parametrize(
    ("lane", "scene", "complaint"),
    [
        ("fast", "2-retry-leak", "attempts should be"),
        ("strong", "2-retry-leak", "exit_code should be 0, is 1"),
    ],
)
def test_the_demo_fails_when_a_recorded_reply_loses_its_patch(
    lane: str, scene: str, complaint: str, tmp_path: Path
) -> None:
    demo = run_demo("--scenes", str(scenes_without_the_patch_of(lane, scene, tmp_path)))
    assert demo.returncode == 1
    assert f"demo: FAILED {scene}: " in demo.stderr
    assert complaint in demo.stderr
