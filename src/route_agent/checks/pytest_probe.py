"""A pytest plugin that tells, from inside, how each test ended and which files were imported.

It is copied beside the tree under test under a random name and loaded with `-p`. It runs on the project's
own Python and pytest (3.8 and 6.0 or later) and imports nothing else. Its settings stand in a JSON file of
the same name: `results`, the beginning of the files to write; `roots`, folders whose modules are told;
`skip`, folders in them whose modules are not; `names`, packages that are told wherever they lie.

Each process writes one JSON object a line, as things happen, so that a process that ends early has told
what it knew. Only the outermost pytest counts: a project's tests may run pytest themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

import pytest

_OUTERMOST = "ROUTE_AGENT_PYTEST"
_claimed: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    role = _role(config)
    if role and not _claimed:
        _claimed.append(role)
        recorder = _Recorder(config, role)
        config.pluginmanager.register(recorder, "route-agent-recorder")


def _role(config: pytest.Config) -> str | None:
    """`main` for the outermost pytest, `worker` for the processes that it starts, else nothing."""
    main = os.environ.get(_OUTERMOST)
    if main is None:
        os.environ[_OUTERMOST] = str(os.getpid())
        return "main"
    is_worker = hasattr(config, "workerinput") and main == str(os.getppid())
    return "worker" if is_worker else None


class _Recorder:
    def __init__(self, config: pytest.Config, role: str) -> None:
        with open(os.path.splitext(__file__)[0] + ".json", encoding="utf-8") as file:
            self.settings = json.load(file)
        self.role = role
        self.pid = os.getpid()
        path = "{}{}-{}.jsonl".format(self.settings["results"], role, self.pid)
        self.file = open(path, "x", encoding="ascii")  # noqa: SIM115  (as long as the process)
        distributed = role == "main" and getattr(config.option, "dist", "no") != "no"
        self.tell(session=role, distributed=distributed)

    def tell(self, **fact: object) -> None:
        if os.getpid() == self.pid:  # a test that forks is not a second session
            self.file.write(json.dumps(fact) + "\n")
            self.file.flush()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = report.outcome
        ended = report.when == "call" or outcome in ("failed", "skipped")
        if self.role == "main" and ended and outcome in ("passed", "failed", "skipped"):
            self.tell(test=report.nodeid, outcome=outcome)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self.role == "main" and report.failed:
            self.tell(test=report.nodeid or "collection", outcome="failed")

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        self.tell(modules=self.modules())
        status = getattr(session, "exitstatus", exitstatus)
        self.tell(ended=int(status))

    def modules(self) -> dict[str, list[str | None]]:
        found: dict[str, list[str | None]] = {}
        for name, module in list(sys.modules.items()):
            path = getattr(module, "__file__", None)
            if isinstance(path, str) and self.is_told(name, path):
                found[name] = [os.path.realpath(path), _sha256(path)]
        return found

    def is_told(self, name: str, path: str) -> bool:
        if name.partition(".")[0] in self.settings["names"]:
            return True
        forms = (os.path.abspath(path), os.path.realpath(path))
        return _beneath(forms, self.settings["roots"]) and not _beneath(forms, self.settings["skip"])


def _beneath(forms: tuple[str, ...], folders: list[str]) -> bool:
    return any(form.startswith(folder + os.sep) for form in forms for folder in folders)


def _sha256(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None
