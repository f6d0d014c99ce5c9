"""What checks say about a tree, and that it is that tree they speak about."""

from __future__ import annotations

import compileall
import importlib.util
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import textwrap
import threading
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from route_agent.checks.canary import Looks, own_packages
from route_agent.checks.runner import run_checks
from route_agent.errors import EnvironmentBroken
from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckKind, CheckResult, Isolation, IsolationLevel, Outcome
from route_agent.sandbox.process import MARK
from route_agent.sandbox.walls import Place, Unwalled, Walls, best_walls

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from route_agent.sandbox.process import Finished

PYTHON = Path(getattr(sys, "_base_executable", sys.executable))  # what `python -m venv` links to
GOOD = "def cap():\n    return 64\n"
BROKEN = "def cap():\n    return 60\n"
TEST = "from retry import cap\n\n\ndef test_cap():\n    assert cap() == 64\n"


def namespaces() -> Walls:
    """Real walls; where there are none a developer's run skips, and one that must prove them fails."""
    walls = best_walls(Path("/nonexistent"))
    if walls.isolation.level is not IsolationLevel.NAMESPACES:
        must = os.environ.get("ROUTE_AGENT_CI") or os.environ.get("CI")
        if must and MARK not in os.environ:  # walls are not built within walls
            pytest.fail(f"no namespaces here: {walls.isolation.detail}")
        pytest.skip(f"no namespaces here: {walls.isolation.detail}")
    return walls


def unwalled() -> Walls:
    return Unwalled(Isolation(IsolationLevel.NONE, "asked"))


@pytest.fixture(params=["namespaces", "none"])
def walls(request: pytest.FixtureRequest) -> Walls:
    return namespaces() if request.param == "namespaces" else unwalled()


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """pytest and xdist alone: none of the plugins of this environment, which cost half a second a run."""
    folder = tmp_path_factory.mktemp("libraries") / "site-packages"
    folder.mkdir()
    for name in (
        "pytest",
        "_pytest",
        "py",
        "pluggy",
        "iniconfig",
        "packaging",
        "pygments",
        "xdist",
        "execnet",
    ):
        found = importlib.util.find_spec(name)
        assert found is not None
        assert found.origin is not None
        origin = Path(found.origin)
        if origin.name == "__init__.py":
            shutil.copytree(origin.parent, folder / name)
        else:
            shutil.copyfile(origin, folder / origin.name)
    for metadata in Path(pytest.__file__).parents[1].glob("pluggy-*.dist-info"):  # pytest prints its version
        shutil.copytree(metadata, folder / metadata.name)
    # checks write no bytecode, and would compile it all each time
    compileall.compile_dir(folder, quiet=2, rx=re.compile("lexers"))
    return folder


@dataclass(frozen=True)
class Project:
    """A checkout with its own virtual environment, and a tree that stands for it."""

    place: Place

    @property
    def site(self) -> Path:
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        return self.place.project / ".venv" / "lib" / version / "site-packages"

    def write(self, files: dict[str, str], *, only: str = "") -> None:
        """Write files into the tree and the checkout, or into one of them."""
        for side, root in (("scratch", self.place.tree), ("original", self.place.project)):
            for name, text in files.items():
                if only in ("", side):
                    (root / name).parent.mkdir(parents=True, exist_ok=True)
                    (root / name).write_text(textwrap.dedent(text))

    def check(
        self, walls: Walls, *argv: str, kind: CheckKind = CheckKind.TEST, timeout: float = 60
    ) -> CheckResult:
        spec = CheckSpec(name="check", run=argv or ("pytest", "-q"), kind=kind, timeout=timeout)
        return run_checks([spec], self.place, walls, tree_id="t").results[0]


@pytest.fixture
def project(tmp_path: Path, libraries: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    made = Project(Place(*(tmp_path / name for name in ("tree", "project", "home", "results", "tools"))))
    for folder in (made.place.tree, made.place.project, made.place.home):
        folder.mkdir()
    binaries = made.place.project / ".venv" / "bin"
    binaries.mkdir(parents=True)
    for name in ("python", "python3"):
        (binaries / name).symlink_to(PYTHON)
    settings = f"home = {PYTHON.parent}\ninclude-system-site-packages = false\n"
    (binaries.parent / "pyvenv.cfg").write_text(settings)
    made.site.mkdir(parents=True)
    (made.site / "libraries.pth").write_text(f"{libraries}\n")
    script = binaries / "pytest"
    script.write_text(f"#!{binaries}/python\nimport sys, pytest\nsys.exit(pytest.main())\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    return made


@pytest.fixture
def editable(project: Project) -> Project:
    """A `src` layout, installed as `pip install -e .` does it."""
    (project.site / "__editable__.retry.pth").write_text(f"{project.place.project}/src\n")
    project.write({"src/retry/__init__.py": GOOD, "tests/test_cap.py": TEST})
    return project


def some_long_time() -> str:
    """Seconds to sleep by which the sleeper is known among all processes."""
    return f"9{secrets.randbelow(10**8)}"


def is_asleep(seconds: str) -> bool:
    return any(it.info["cmdline"] == ["sleep", seconds] for it in psutil.process_iter(["cmdline"]))


# --- the right code ---


def test_a_good_patch_over_a_broken_checkout_is_green(editable: Project, walls: Walls) -> None:
    editable.write({"src/retry/__init__.py": BROKEN}, only="original")

    result = editable.check(walls)

    assert (result.outcome, result.reason) == (Outcome.PASSED, "")
    assert result.green == {"tests/test_cap.py::test_cap"}


def test_a_broken_patch_over_a_good_checkout_is_red(editable: Project, walls: Walls) -> None:
    editable.write({"src/retry/__init__.py": BROKEN}, only="scratch")

    result = editable.check(walls)

    assert (result.outcome, result.reason) == (Outcome.FAILED, "1 failed: tests/test_cap.py::test_cap")
    assert "assert 60 == 64" in result.output


def test_the_same_without_our_care_tests_the_wrong_code(editable: Project) -> None:
    editable.write({"src/retry/__init__.py": BROKEN}, only="scratch")
    tool = editable.place.project / ".venv" / "bin" / "pytest"

    assert subprocess.run([tool, "-q"], cwd=editable.place.tree, capture_output=True).returncode == 0


def test_a_flat_layout_and_any_other_folder_are_found_too(project: Project, walls: Walls) -> None:
    lines = f"{project.place.project}\n{project.place.project}/lib/python\n"
    (project.site / "__editable__.pth").write_text(lines)
    test = "from retry import cap\nfrom deep import depth\ndef test_it():\n    assert cap() + depth() == 67\n"
    project.write({"retry/__init__.py": GOOD, "lib/python/deep.py": "def depth():\n    return 3\n"})
    project.write({"tests/test_it.py": test})
    project.write(
        {"retry/__init__.py": BROKEN, "lib/python/deep.py": "def depth(): return 0\n"}, only="original"
    )

    result = project.check(walls)

    assert (result.outcome, result.reason) == (Outcome.PASSED, "")


def test_an_installed_copy_does_not_stand_in_for_the_tree(project: Project, walls: Walls) -> None:
    project.write({"src/retry/__init__.py": BROKEN, "tests/test_cap.py": TEST})
    (project.site / "retry").mkdir()
    (project.site / "retry" / "__init__.py").write_text(GOOD)

    assert project.check(walls).outcome is Outcome.FAILED


HOOK = """
import importlib.util, sys
class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "retry":
            return importlib.util.spec_from_file_location(name, {file!r})
sys.meta_path.insert(0, Finder)
"""


def test_an_import_hook_that_insists_on_the_checkout_is_caught(project: Project) -> None:
    project.write({"src/retry/__init__.py": GOOD, "tests/test_cap.py": TEST})
    file = project.place.project / "src" / "retry" / "__init__.py"
    (project.site / "hook.py").write_text(HOOK.format(file=str(file)))
    (project.site / "hook.pth").write_text("import hook\n")

    result = project.check(unwalled())

    assert result.outcome is Outcome.NOT_RUN
    assert result.reason.startswith("wrong code under test: ")
    assert f"imports retry from {file}" in result.reason
    assert project.check(namespaces()).outcome is Outcome.PASSED


@dataclass
class WrongBind(Walls):
    """Walls with the fault that the canary is for: they show the checkout where the tree should be."""

    walls: Walls
    wrong_for: Callable[[Sequence[str]], bool]

    def __post_init__(self) -> None:
        self.isolation = self.walls.isolation

    def root(self, place: Place) -> Path:
        return self.walls.root(place)

    def run(self, argv: Sequence[str], place: Place, **options: object) -> Finished:
        if self.wrong_for(argv):
            place = replace(place, tree=place.project)
        return self.walls.run(argv, place, **options)  # type: ignore[arg-type]

    def _run(self, job: object) -> Finished:
        raise NotImplementedError


def test_the_checkout_in_place_of_the_tree_is_caught_before_any_check_runs(
    editable: Project, walls: Walls
) -> None:
    wrong = WrongBind(walls, lambda argv: True)

    for kind in (CheckKind.TEST, CheckKind.LINT):
        result = editable.check(wrong, "true", kind=kind)
        assert result.outcome is Outcome.NOT_RUN
        assert result.reason.startswith("wrong code under test: a file just written into the scratch")


def test_the_checkout_in_place_of_the_tree_is_caught_by_what_the_tests_imported(
    editable: Project, walls: Walls
) -> None:
    editable.write({"src/retry/__init__.py": BROKEN}, only="scratch")

    result = editable.check(WrongBind(walls, lambda argv: argv[0] == "pytest"))

    assert result.outcome is Outcome.NOT_RUN
    assert result.reason.startswith("wrong code under test: imported ")


def test_an_interpreter_that_cannot_be_asked_proves_nothing(editable: Project, walls: Walls) -> None:
    (editable.site / "breaks.pth").write_text("import os; os._exit(0)\n")

    result = editable.check(walls)

    assert result.outcome is Outcome.NOT_RUN
    assert result.reason.startswith("no proof of which code")


@dataclass
class Counted(Walls):
    """Walls that tell what was started behind them, by a word of the command."""

    walls: Walls
    started: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.isolation = self.walls.isolation

    def root(self, place: Place) -> Path:
        return self.walls.root(place)

    def run(self, argv: Sequence[str], place: Place, **options: object) -> Finished:
        self.started.append("look" if "-c" in argv else argv[0])
        return self.walls.run(argv, place, **options)  # type: ignore[arg-type]

    def _run(self, job: object) -> Finished:
        raise NotImplementedError

    def starts(self, project: Project, looks: Looks) -> list[str]:
        """What was started for one more look at the tree as it is now."""
        self.started.clear()
        spec = CheckSpec(name="check", run=("true",), kind=CheckKind.LINT, timeout=60)
        (result,) = run_checks([spec], project.place, self, tree_id="t", looks=looks).results
        assert result.outcome is Outcome.PASSED, result.reason
        return self.started


def test_an_interpreter_that_has_nothing_of_any_tree_is_asked_once_and_the_tree_is_proved_each_time(
    project: Project,
) -> None:
    project.write({"retry/__init__.py": GOOD})
    counted, looks = Counted(unwalled()), Looks()

    assert counted.starts(project, looks) == ["look", "true"]
    assert counted.starts(project, looks) == ["cat", "true"]
    project.write({"retry/__init__.py": BROKEN})
    assert counted.starts(project, looks) == ["cat", "true"]
    # what could be found otherwise is looked for again: another package, another folder, something installed
    project.write({"more/__init__.py": ""})
    assert counted.starts(project, looks) == ["look", "true"]
    project.write({"lib/data.txt": ""})
    assert counted.starts(project, looks) == ["look", "true"]
    (project.site / "retry").mkdir()
    (project.site / "retry" / "__init__.py").write_text(GOOD)
    assert counted.starts(project, looks)[:1] == ["look"]
    shutil.rmtree(project.site / "retry")
    assert counted.starts(project, looks) == ["look", "true"]
    # what is known of the interpreter says nothing about the tree
    counted.walls = WrongBind(unwalled(), lambda argv: True)
    spec = CheckSpec(name="check", run=("true",), kind=CheckKind.LINT, timeout=60)
    (result,) = run_checks([spec], project.place, counted, tree_id="t", looks=looks).results
    assert result.reason.startswith("wrong code under test: a file just written into the scratch")
    assert counted.started[2:] == ["cat"]


def test_an_interpreter_that_the_tree_can_lead_elsewhere_is_asked_about_every_tree(
    editable: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counted, looks = Counted(unwalled()), Looks()
    counted.starts(editable, looks)
    assert "look" in counted.starts(editable, looks)

    # a version manager's script, which may ask a file of the tree for the version
    (editable.site / "__editable__.retry.pth").unlink()
    real = editable.place.project / ".venv" / "bin" / "python"
    shim = tmp_path / "shims" / "python"
    shim.parent.mkdir()
    shim.touch(mode=0o755)
    for name in ("python", "python3"):
        (real.parent / name).rename(real.parent / f"real-{name}")
    shim.write_text(f'#!/bin/sh\nexec {real.parent}/real-python "$@"\n')
    monkeypatch.setenv("PATH", f"{shim.parent}:/usr/bin:/bin")
    assert counted.starts(editable, looks) == ["look", "true"]
    assert counted.starts(editable, looks) == ["look", "true"]


def test_nothing_of_ours_stays_in_the_tree(editable: Project, walls: Walls) -> None:
    before = sorted(path.relative_to(editable.place.tree) for path in editable.place.tree.rglob("*.py"))

    editable.check(walls, "pytest", "-q", "-p", "no:cacheprovider")

    files = [path for path in editable.place.tree.rglob("*") if path.is_file()]
    assert sorted(path.relative_to(editable.place.tree) for path in files) == before
    assert list(editable.place.tools.iterdir()) == list(editable.place.results.iterdir()) == []


def test_the_packages_of_a_tree_are_those_it_would_install(tmp_path: Path) -> None:
    for name in ("src/app/__init__.py", "tests/__init__.py", "docs/conf.py", "flat/__init__.py", "setup.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    single = tmp_path / "single"
    single.mkdir()
    (single / "six.py").touch()
    (single / "conftest.py").touch()
    (single / "queue.py").touch()  # the standard library's name

    assert own_packages(tmp_path) == {"app": tmp_path / "src", "flat": tmp_path}
    assert own_packages(single) == {"six": single}


# --- how tests ended ---


def test_every_way_a_test_can_end_is_told(editable: Project) -> None:
    editable.write(
        {
            "tests/test_cap.py": """
                import pytest, unittest
                def test_pass(): pass
                def test_fail(): assert 0
                @pytest.mark.skip
                def test_skip(): pass
                @pytest.mark.xfail
                def test_xfail(): assert 0
                @pytest.mark.xfail(strict=True)
                def test_xpass_strict(): pass
                @pytest.fixture
                def bad(): raise ValueError
                def test_setup(bad): pass
                @pytest.fixture
                def worse():
                    yield
                    raise ValueError
                def test_teardown(worse): pass
                @pytest.mark.parametrize("n", [1, 2])
                def test_each(n): assert n == 1
                class TestOld(unittest.TestCase):
                    def test_method(self): self.assertTrue(True)
            """,
            "tests/test_broken.py": "import no_such_module\n",
        }
    )

    result = editable.check(namespaces(), "pytest", "-q", "--continue-on-collection-errors")

    assert result.outcome is Outcome.FAILED
    assert result.reason.startswith("6 failed: tests/test_broken.py, tests/test_cap.py::test_each[2], ")
    assert result.reason.endswith(" and 1 more")
    assert result.tests == {
        "tests/test_broken.py": "failed",
        "tests/test_cap.py::test_pass": "passed",
        "tests/test_cap.py::test_fail": "failed",
        "tests/test_cap.py::test_skip": "skipped",
        "tests/test_cap.py::test_xfail": "skipped",
        "tests/test_cap.py::test_xpass_strict": "failed",
        "tests/test_cap.py::test_setup": "failed",
        "tests/test_cap.py::test_teardown": "failed",
        "tests/test_cap.py::test_each[1]": "passed",
        "tests/test_cap.py::test_each[2]": "failed",
        "tests/test_cap.py::TestOld::test_method": "passed",
    }


def test_tests_spread_over_processes_are_told_once_and_their_imports_too(editable: Project) -> None:
    editable.write({"tests/test_more.py": "def test_a(): pass\ndef test_b(): assert 0\n"})

    result = editable.check(namespaces(), "pytest", "-q", "-p", "xdist.plugin", "-n2")
    wrong = editable.check(
        WrongBind(unwalled(), lambda argv: argv[0] == "pytest"), "pytest", "-q", "-p", "xdist.plugin", "-n2"
    )

    assert result.tests == {
        "tests/test_cap.py::test_cap": "passed",
        "tests/test_more.py::test_a": "passed",
        "tests/test_more.py::test_b": "failed",
    }
    assert wrong.reason.startswith("wrong code under test: imported ")


def test_a_pytest_inside_a_test_is_not_counted(editable: Project) -> None:
    inner = """
        import subprocess, sys, pytest
        def test_outer(tmp_path):
            (tmp_path / "test_inner.py").write_text("def test_inner(): assert 0")
            assert subprocess.call([sys.executable, "-m", "pytest", str(tmp_path)]) == 1
            assert pytest.main([str(tmp_path)]) == 1
    """
    editable.write({"tests/test_cap.py": inner})

    result = editable.check(namespaces())

    assert (result.outcome, result.tests) == (Outcome.PASSED, {"tests/test_cap.py::test_outer": "passed"})


def test_tests_behind_a_script_are_told_and_all_of_its_sessions_count(
    editable: Project, walls: Walls
) -> None:
    editable.write({"tests/test_more.py": "def test_more(): pass\n", "run": "#!/bin/sh\n"})
    script = editable.place.tree / "run"
    script.write_text("#!/bin/sh\npytest -q tests/test_cap.py && python -m pytest -q tests/test_more.py\n")
    script.chmod(0o755)

    result = editable.check(walls, "./run")

    assert result.outcome is Outcome.PASSED
    assert result.green == {"tests/test_cap.py::test_cap", "tests/test_more.py::test_more"}


@pytest.mark.parametrize(
    ("conftest", "reason"),
    [
        ("import os\nos._exit(0)\n", "exit code 0 but pytest left no results: is it the real one?"),
        (
            "import os\ndef pytest_runtest_teardown():\n    os._exit(0)\n",
            "exit code 0 but the test session did not end",
        ),
        (
            "import os\ndef pytest_unconfigure():\n    os._exit(0)\n",
            "exit code 0 but 1 failed: tests/test_cap.py::test_cap",
        ),
        (
            "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
            "exit code 0 but 1 failed: tests/test_cap.py::test_cap",
        ),
    ],
)
def test_an_exit_code_of_0_that_hides_something_is_a_failure(
    editable: Project, walls: Walls, conftest: str, reason: str
) -> None:
    editable.write({"conftest.py": conftest, "src/retry/__init__.py": BROKEN})
    if "teardown" in conftest:
        editable.write({"src/retry/__init__.py": GOOD})

    result = editable.check(walls)

    assert (result.outcome, result.exit_code, result.reason) == (Outcome.FAILED, 0, reason)


def test_a_fake_pytest_in_the_tree_is_no_pass(editable: Project) -> None:
    editable.write({"pytest.py": "raise SystemExit(0)\n", "pytest": "#!/bin/sh\nexit 0\n"}, only="scratch")
    (editable.place.tree / "pytest").chmod(0o755)

    by_module = editable.check(namespaces(), "python", "-m", "pytest")

    assert by_module.reason == "exit code 0 but pytest left no results: is it the real one?"
    assert editable.check(namespaces(), "pytest").green == {"tests/test_cap.py::test_cap"}


# --- checks that could not run ---


def test_no_tests_is_no_pass(editable: Project, walls: Walls) -> None:
    editable.write({"tests/test_cap.py": ""})

    for options in ((), ("--collect-only",)):
        result = editable.check(walls, "pytest", "-q", *options)
        assert (result.outcome, result.reason) == (Outcome.NOT_RUN, "no tests were collected")


def test_a_pytest_that_cannot_begin_did_not_run(editable: Project) -> None:
    unknown = editable.check(namespaces(), "pytest", "--no-such-option")
    missing = editable.check(namespaces(), "pytest", "no/such/folder")
    editable.write({"conftest.py": "import no_such_module\n"})
    conftest = editable.check(namespaces())

    assert [it.outcome for it in (unknown, missing, conftest)] == [Outcome.NOT_RUN] * 3
    assert unknown.reason.startswith("pytest could not begin: ")
    assert "no/such/folder" in missing.reason
    assert "no_such_module" in conftest.reason


def test_an_internal_error_of_pytest_is_no_verdict(editable: Project) -> None:
    editable.write({"conftest.py": "def pytest_collection_modifyitems():\n    raise RuntimeError('oops')\n"})

    result = editable.check(namespaces())

    assert result.outcome is Outcome.NOT_RUN
    assert result.reason.startswith("pytest broke down: ")


def test_a_pytest_that_hides_from_the_probe_proves_nothing(editable: Project) -> None:
    result = editable.check(unwalled(), "python", "-I", "-m", "pytest")

    assert result.outcome is Outcome.NOT_RUN
    assert "PYTHONPATH" in result.reason or "no proof" in result.reason


def test_a_missing_command_or_module_did_not_run(editable: Project, walls: Walls) -> None:
    command = editable.check(walls, "mypy", "src", kind=CheckKind.TYPECHECK)
    module = editable.check(walls, "python", "-m", "no_such_tool", kind=CheckKind.LINT)
    in_shell = editable.check(walls, "sh", "-c", "no-such-tool --check", kind=CheckKind.LINT)

    assert [it.outcome for it in (command, module, in_shell)] == [Outcome.NOT_RUN] * 3
    assert command.reason.startswith(f"not found: mypy (looked in: {editable.place.project}/.venv/bin, ")
    assert module.reason == "not found: no_such_tool is not installed for python"
    assert "no-such-tool" in in_shell.reason


def test_a_link_in_the_place_of_dependencies_ends_the_run(editable: Project, walls: Walls) -> None:
    (editable.place.tree / ".venv").symlink_to(editable.place.project / ".venv")
    (editable.place.tree / "node_modules").symlink_to("/etc")

    with pytest.raises(EnvironmentBroken, match="symbolic link in the tree under test"):
        editable.check(walls)


# --- checks that misbehave ---


def test_a_hanging_check_fails_at_its_time_limit(editable: Project, walls: Walls) -> None:
    editable.write({"tests/test_cap.py": "import time\ndef test_hang(): time.sleep(60)\n"})
    began = time.monotonic()

    result = editable.check(walls, timeout=1)

    assert (result.outcome, result.reason) == (Outcome.FAILED, "timeout after 1 s")
    assert time.monotonic() - began < 10


def test_a_flooding_check_fails_and_keeps_little(editable: Project, walls: Walls) -> None:
    result = editable.check(walls, "yes", kind=CheckKind.CUSTOM)

    assert (result.outcome, result.reason) == (Outcome.FAILED, "printed more than 64 MiB")
    assert len(result.output) < 200_000


def test_a_check_that_leaves_a_daemon_behind_leaves_none(editable: Project, walls: Walls) -> None:
    seconds = some_long_time()
    test = f"def test_daemon():\n    subprocess.Popen(['sleep', '{seconds}'], start_new_session=True)\n"
    editable.write({"tests/test_cap.py": f"import subprocess\n{test}"})

    assert editable.check(walls).passed
    assert not is_asleep(seconds)


def test_a_failing_check_names_its_last_line_or_its_signal(editable: Project, walls: Walls) -> None:
    said = editable.check(walls, "sh", "-c", "echo 'Found 3 errors.'; exit 1", kind=CheckKind.LINT)
    killed = editable.check(walls, "sh", "-c", "kill -SEGV $$", kind=CheckKind.BUILD)

    assert (said.outcome, said.reason, said.tests) == (Outcome.FAILED, "exit code 1: Found 3 errors.", None)
    assert killed.reason == "killed by SIGSEGV"


def test_results_that_lie_in_the_way_are_not_followed(editable: Project) -> None:
    editable.write(
        {
            "conftest.py": f"""
                import glob, os
                def pytest_unconfigure():
                    for path in glob.glob("{editable.place.results}/*"):
                        os.unlink(path)
                        os.mkfifo(path)
                        os.symlink("/dev/zero", path.replace("main", "worker"))
            """
        }
    )

    result = editable.check(namespaces())

    assert result.reason == "exit code 0 but pytest left no results: is it the real one?"


# --- several checks ---


def spec(name: str, *argv: str, **more: object) -> CheckSpec:
    return CheckSpec.model_validate({"name": name, "run": argv, **more})


def test_results_come_in_the_policys_order_and_as_they_end(editable: Project, walls: Walls) -> None:
    specs = [spec("slow", "sleep", "0.5"), spec("quick", "true"), spec("red", "false")]
    told: list[tuple[str, bool]] = []

    run = run_checks(
        specs,
        editable.place,
        walls,
        tree_id="4b825dc",
        on_finished=lambda result: told.append(
            (result.name, threading.current_thread() is threading.main_thread())
        ),
    )

    assert [result.name for result in run.results] == ["slow", "quick", "red"]
    assert {name for name, _ in told} == {"slow", "quick", "red"}
    assert told[-1][0] == "slow"
    assert all(in_main for _, in_main in told)
    assert (run.tree, run.isolation, run.failures) == ("4b825dc", walls.isolation, 1)
    assert run.seconds < 5


def test_a_check_that_does_not_concern_the_change_is_left_out(editable: Project) -> None:
    specs = [
        spec("python", "true", when=("**/*.py",)),
        spec("web", "true", when=("web/**",)),
        spec("all", "true"),
    ]

    def names(changed: list[str] | None) -> list[str]:
        run = run_checks(specs, editable.place, unwalled(), tree_id="t", changed_paths=changed)
        return [result.name for result in run.results]

    assert names(["src/retry/__init__.py"]) == ["python", "all"]
    assert names(["web/index.html", "README.md"]) == ["web", "all"]
    assert names(None) == ["python", "web", "all"]


def test_what_a_check_asks_for_is_given_only_when_it_is_trusted(
    editable: Project, walls: Walls, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    specs = [spec("db", "sh", "-c", 'test "$DATABASE_URL"', env=("DATABASE_URL",))]

    untrusted = run_checks(specs, editable.place, walls, tree_id="t").results[0]
    trusted = run_checks(
        specs, editable.place, walls, tree_id="t", trusted_exposures=frozenset({"db"})
    ).results[0]

    assert untrusted.reason == "exit code 1 (not in force: env: DATABASE_URL; see route-agent trust)"
    assert trusted.passed


@pytest.mark.skipif(os.cpu_count() == 1, reason="one processor, one check at a time")
def test_checks_run_side_by_side(editable: Project, walls: Walls) -> None:
    meet = "touch {0}; until [ -e {1} ]; do sleep 0.02; done"
    specs = [
        spec(name, "sh", "-c", meet.format(name, other), timeout=20)
        for name, other in (("a", "b"), ("b", "a"))
    ]

    run = run_checks(specs, editable.place, walls, tree_id="t")

    assert [result.reason for result in run.results] == ["", ""]


@pytest.mark.parametrize("level", ["namespaces", "none"])
def test_ctrl_c_ends_all_checks_at_once_and_leaves_nothing(editable: Project, level: str) -> None:
    if level == "namespaces":
        namespaces()
    up = editable.place.home / "up"
    seconds = some_long_time()
    script = f"touch {up}; (setsid sleep {seconds} &); sleep {seconds}"
    place = editable.place
    folders = [str(path) for path in (place.tree, place.project, place.home, place.results, place.tools)]
    caller = f"""
from pathlib import Path
from route_agent.checks.runner import run_checks
from route_agent.policy import CheckSpec
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.sandbox.walls import Place, Unwalled, best_walls
place = Place(*map(Path, {folders!r}))
none = Unwalled(Isolation(IsolationLevel.NONE, "asked"))
walls = best_walls(place.project) if {level!r} == "namespaces" else none
specs = [CheckSpec(name=name, run=("sh", "-c", {script!r})) for name in ("a", "b", "c", "d", "e", "f")]
try:
    run_checks(specs, place, walls, tree_id="t")
except KeyboardInterrupt:
    print("interrupted")
"""
    process = subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 20
        while not up.exists():
            assert time.monotonic() < deadline
            time.sleep(0.02)
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()

    assert output == "interrupted\n"
    assert time.monotonic() - began < 10
    assert not is_asleep(seconds)
