"""A pytest plugin that tells, from inside, how each test ended and which files were imported.

It is copied beside the tree under test under a random name and loaded with `-p`. It runs on the project's
own Python and pytest (3.8 and 6.0 or later) and imports nothing else. Its settings stand in a JSON file of
the same name: `results`, the beginning of the files to write; `roots`, folders whose modules are told;
`skip`, folders in them whose modules are not; `names`, packages that are told wherever they lie.

Where lines are measured, `line_probe.py` has begun to before; this plugin tells them test by test, so that
only those count that a green test executed. Where pytest-cov measures, what it found is told instead, if no
test of the session was red.

Each process writes one JSON object a line, as things happen, so that a process that ends early has told
what it knew. Only the outermost pytest counts: a project's tests may run pytest themselves.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

_OUTERMOST = "ROUTE_AGENT_PYTEST"
_claimed: list[str] = []


@pytest.hookimpl(hookwrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, None, None]:
    """Two cannot trace at once: give way before pytest-cov begins."""
    lines = _lines()
    if lines is not None and not _claimed:
        if _has_own_coverage(early_config.known_args_namespace):
            lines.give_way()
        lines.renew()
    yield


def pytest_configure(config: pytest.Config) -> None:
    role = _role(config)
    if role and not _claimed:
        _claimed.append(role)
        recorder = _Recorder(config, role)
        config.pluginmanager.register(recorder, "route-agent-recorder")
        lines = _lines()
        if lines is not None:
            config.pluginmanager.register(_Teller(config, recorder, lines), "route-agent-teller")


def _lines() -> Any:
    """What this process has executed, from `line_probe.py`; None where nothing is measured."""
    return getattr(sys.modules.get(__name__ + "_lines"), "lines", None)


def _has_own_coverage(options: object) -> bool:
    return bool(getattr(options, "cov_source", None)) and not getattr(options, "no_cov", False)


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

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, Any, None]:
        done = yield
        if call.excinfo is not None:
            # what stands in a report travels with it from a worker
            done.get_result().route_agent_raised = _raised(call.when, call.excinfo)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        outcome = report.outcome
        ended = report.when == "call" or outcome in ("failed", "skipped")
        if self.role == "main" and ended and outcome in ("passed", "failed", "skipped"):
            raised = getattr(report, "route_agent_raised", None) if outcome == "failed" else None
            self.tell(test=report.nodeid, outcome=outcome, raised=raised)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self.role == "main" and report.failed:
            raised = ["collect", "", False, ""]
            self.tell(test=report.nodeid or "collection", outcome="failed", raised=raised)

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


class _Teller:
    """Tells which lines each green test executed, and which ran before, between and after the tests."""

    def __init__(self, config: pytest.Config, recorder: _Recorder, lines: Any) -> None:
        self.config = config
        self.recorder = recorder
        self.lines = lines
        self.told: dict[str, set[int]] = {}
        self.outcomes: list[str] = []
        self.only_green = True
        lines.is_told = True
        self.own = _has_own_coverage(config.option)
        if self.own:
            lines.give_way()

    @pytest.hookimpl(hookwrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, None, None]:
        if self.lines.is_foreign:
            yield
            return
        self.lines.renew()
        self.tell(None)
        del self.outcomes[:]
        yield
        taken = self.lines.take()
        if self.outcomes and set(self.outcomes) == {"passed"}:
            self.tell(item.nodeid, taken)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.outcomes.append(report.outcome)
        skipped_before = report.outcome == "skipped" and report.when == "setup"
        self.only_green = self.only_green and (report.outcome == "passed" or skipped_before)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        if self.own:
            self.tell_own()
            return
        self.lines.renew()
        if not self.lines.is_foreign:
            self.tell(None)
            self.recorder.tell(measured=sorted(self.lines.files.values()))
        self.lines.stop()

    def tell(self, test: str | None, taken: dict[str, set[int]] | None = None) -> None:
        """Tell what is new: lines that were told for another green test prove no more."""
        new: dict[str, list[int]] = {}
        for name, lines in (self.lines.take() if taken is None else taken).items():
            told = self.told.setdefault(name, set())
            if lines - told:
                new[name] = sorted(lines - told)
                told |= lines
        if new:
            self.recorder.tell(during=test, lines=new)

    def tell_own(self) -> None:
        """What pytest-cov measured, as it stands after its own end; it does not part the tests."""
        controller = getattr(self.config.pluginmanager.getplugin("_cov"), "cov_controller", None)
        coverage = getattr(controller, "combining_cov", None) or getattr(controller, "cov", None)
        if coverage is None or self.recorder.role != "main" or not self.only_green:
            return
        found: dict[str, list[int]] = {}
        data = coverage.get_data()
        for path in data.measured_files():
            name = self.lines.files.get(os.path.realpath(path))
            if name is not None:
                found[name] = sorted(data.lines(path) or ())
        self.recorder.tell(during=None, lines=found)
        self.recorder.tell(measured=sorted(found))


def _raised(when: str, error: pytest.ExceptionInfo[BaseException]) -> list[object]:
    """When it was raised, its class, whether it is an assertion, and the file of its last line."""
    last = error.tb
    while last.tb_next is not None:
        last = last.tb_next
    asserted = issubclass(error.type, (AssertionError, pytest.fail.Exception))
    return [when, error.type.__name__, asserted, last.tb_frame.f_code.co_filename]


def _beneath(forms: tuple[str, ...], folders: list[str]) -> bool:
    return any(form.startswith(folder + os.sep) for form in forms for folder in folders)


def _sha256(path: str) -> str | None:
    try:
        with open(path, "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except OSError:
        return None
