"""Every test runs apart from the user: no configuration, ledger, cache, key or git identity of theirs."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import Generator
from pathlib import Path

import pytest

KEYS = ("ANTHROPIC_API_KEY", "OPENAI_API_KEY", "OPENROUTER_API_KEY")


def pytest_configure() -> None:
    """A shell's background and nohup start us with signals ignored, and what we start inherits that.

    Of several programs called python3 checks get the one of our environment: another may be a script that looks
    for one first, or read a lot whenever it starts, which takes longer than many a check.
    """
    first = str(Path(sys.prefix, "bin"))
    if not os.environ["PATH"].startswith(first):  # a worker has it from who began it
        os.environ["PATH"] = f"{first}{os.pathsep}{os.environ['PATH']}"
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folders of our own for everything that lies outside a repository."""
    folder = tmp_path_factory.getbasetemp() / "apart"  # whose thousands no other folder has to be told from
    folder.mkdir(exist_ok=True)
    home = Path(tempfile.mkdtemp(dir=folder))
    for name in ("CONFIG", "STATE", "CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(home / name.lower()))
    theirs = ("GIT_", "OTEL_", "ROUTE_AGENT_LANE", "ROUTE_AGENT_MODEL_", "ROUTE_AGENT_MAX_USD")
    for name in [*KEYS, *(name for name in os.environ if name.startswith(theirs))]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "t")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "t@example.com")
    return home


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In the gate nothing may be skipped: a skip there is a failure that says why."""
    report = yield
    if report.skipped and os.environ.get("ROUTE_AGENT_CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped, which the gate does not allow: {report.longrepr}"
    return report
