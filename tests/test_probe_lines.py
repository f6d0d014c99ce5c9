# ruff: noqa: F811  (a fixture's name is its argument's)
"""Which lines green tests executed, told by real pytest, Python and Node processes."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError
from test_checks import Project, libraries, project, unwalled, walls  # noqa: F401

from route_agent.checks import coverage_files, probe
from route_agent.checks.runner import run_checks
from route_agent.policy import CheckSpec
from route_agent.records.checks import CheckResult, CheckRun, Outcome
from route_agent.redaction import redact_all
from route_agent.sandbox.place import Place

if TYPE_CHECKING:
    from route_agent.sandbox.walls import Walls

MODULE = """
    LIMIT = 3

    def used(a):
        if a > LIMIT:
            return "big"
        return "small"

    def unused():  # pragma: no cover
        return 0
"""
TEST = """
    from pack.core import used

    def test_small():
        assert used(1) == "small"
"""
IMPORTED = {2, 4, 9}


def measured(
    project: Project, walls: Walls, *argv: str, files: tuple[str, ...] = ("pack/core.py",), coverage: str = ""
) -> CheckResult:
    spec = CheckSpec(name="check", run=argv or ("pytest", "-q"), timeout=60, coverage=coverage)
    return run_checks([spec], project.place, walls, tree_id="t", measure=frozenset(files)).results[0]


@pytest.fixture
def pack(project: Project) -> Project:
    project.write({"pack/__init__.py": "", "pack/core.py": MODULE, "tests/test_core.py": TEST})
    project.write({"tests/conftest.py": "import sys\nsys.path.insert(0, '.')\n"})
    return project


def lines(result: CheckResult, path: str = "pack/core.py") -> set[int]:
    assert result.lines is not None, (result.outcome, result.reason, result.output)
    return set(result.lines[path])


def test_lines_of_imports_and_of_green_tests_are_told(pack: Project, walls: Walls) -> None:
    result = measured(pack, walls)

    assert result.outcome is Outcome.PASSED, result.reason
    assert lines(result) == IMPORTED | {5, 7}


def test_nothing_is_measured_and_nothing_is_left_unless_asked(pack: Project) -> None:
    result = measured(pack, unwalled(), files=())

    assert result.passed
    assert result.lines is None
    asked = measured(pack, unwalled())
    assert asked.lines is not None
    assert not [*pack.place.tools.iterdir(), *pack.place.results.iterdir()]


def test_lines_of_red_skipped_and_expected_to_fail_tests_do_not_count(pack: Project) -> None:
    pack.write({"tests/test_core.py": """
        import pytest
        from pack.core import unused, used

        def test_small():
            assert used(1) == "small"

        def test_red():
            assert used(9) == "small"

        def test_skipped():
            unused()
            pytest.skip("not now")

        @pytest.mark.xfail
        def test_expected():
            assert unused()
    """})  # fmt: skip

    result = measured(pack, unwalled())

    assert result.outcome is Outcome.FAILED
    assert lines(result) == IMPORTED | {5, 7}


def test_a_test_that_ends_red_in_its_tear_down_does_not_count(pack: Project) -> None:
    pack.write({"tests/test_core.py": """
        import pytest
        from pack.core import unused, used

        @pytest.fixture
        def careless():
            yield
            raise ValueError

        def test_it(careless):
            unused()

        @pytest.fixture
        def careful():
            assert used(9) == "big"

        def test_other(careful):
            pass
    """})  # fmt: skip

    assert lines(measured(pack, unwalled())) == IMPORTED | {5, 6}


def test_without_a_green_test_imports_prove_nothing(pack: Project) -> None:
    pack.write({"tests/test_core.py": "import pack.core\ndef test_it(): assert 0\n"})

    assert lines(measured(pack, unwalled())) == set()


def test_threads_processes_and_forks_of_a_test_are_seen(pack: Project, walls: Walls) -> None:
    pack.write({
        "tests/test_core.py": """
            import multiprocessing, subprocess, sys, threading
            from pack import core, other

            def test_thread():
                thread = threading.Thread(target=core.used, args=[9])
                thread.start()
                thread.join()

            def test_program():
                subprocess.run([sys.executable, "-m", "pack.program"], check=True)

            def test_fork():
                process = multiprocessing.get_context("fork").Process(target=other.forked)
                process.start()
                process.join()
                assert process.exitcode == 0

            def test_spawn():
                process = multiprocessing.get_context("spawn").Process(target=other.spawned)
                process.start()
                process.join()
                assert process.exitcode == 0

            def test_red():
                subprocess.run([sys.executable, "-m", "pack.program", "red"], check=True)
                assert 0
        """,
        "pack/program.py": "import sys\nif sys.argv[1:]:\n    print('red')\nelse:\n    print('green')\n",
        "pack/other.py": "def forked():\n    x = 1\ndef spawned():\n    y = 1\n",
    })  # fmt: skip
    files = ("pack/core.py", "pack/program.py", "pack/other.py")

    result = measured(pack, walls, "python", "-m", "pytest", "-q", files=files)

    assert lines(result) == IMPORTED | {5, 6}
    assert lines(result, "pack/program.py") == {1, 2, 5}
    assert lines(result, "pack/other.py") == {1, 2, 3, 4}


def test_workers_of_xdist_are_seen(pack: Project) -> None:
    pack.write({"tests/test_core.py": """
        from pack.core import unused, used

        def test_small():
            assert used(1) == "small"

        def test_big():
            assert used(9) == "big"

        def test_red():
            assert unused()
    """})  # fmt: skip

    result = measured(pack, unwalled(), "pytest", "-q", "-p", "xdist.plugin", "-n2")

    assert result.red == {"tests/test_core.py::test_red"}
    assert lines(result) == IMPORTED | {5, 6, 7}


def test_the_tracer_in_python_tells_the_same(pack: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("route_agent.checks.probe.find_spec", lambda name: None)
    pack.write({"tests/test_core.py": TEST + """
    def test_tracer():
        import sys
        assert "call" in getattr(sys.gettrace(), "__name__", "")

    def test_thread():
        import threading
        thread = threading.Thread(target=used, args=[9])
        thread.start()
        thread.join()
    """})  # fmt: skip

    assert lines(measured(pack, unwalled())) == IMPORTED | {5, 6, 7}


def test_the_compiled_tracer_is_used_and_no_coverage_is_to_be_found(pack: Project) -> None:
    pack.write({"tests/test_core.py": TEST + """
    def test_tracer():
        import importlib.util, sys
        assert type(sys.gettrace()).__name__ == "CTracer"
        assert importlib.util.find_spec("coverage") is None
        assert not [name for name in sys.modules if "coverage" in name]
    """})  # fmt: skip

    assert measured(pack, unwalled()).reason == ""


def test_what_a_plugin_of_the_project_imports_early_is_seen(pack: Project) -> None:
    pack.write({"pack/plug.py": "from pack import core\n"})

    result = measured(pack, unwalled(), "python", "-m", "pytest", "-q", "-p", "pack.plug")

    assert lines(result) == IMPORTED | {5, 7}


def test_a_sitecustomize_of_the_project_runs_as_ever(pack: Project, walls: Walls) -> None:
    pack.write({
        "tests/test_core.py": TEST + """
    def test_site():
        import os, subprocess, sys
        assert sys.modules["sitecustomize"].MARK == 1
        assert not [entry for entry in sys.path if "probe_" in os.path.basename(entry)]
        ask = "import sitecustomize; print(sitecustomize.__file__)"
        told = subprocess.run([sys.executable, "-c", ask], capture_output=True, text=True)
        assert told.stdout.strip() == sys.modules["sitecustomize"].__file__
    """,
    })  # fmt: skip
    (pack.site / "sitecustomize.py").write_text("MARK = 1\n")

    result = measured(pack, walls)

    assert result.reason == "", result.output
    assert lines(result) == IMPORTED | {5, 7}


def test_without_a_sitecustomize_there_is_none_and_no_word_about_it(pack: Project) -> None:
    pack.write({"tests/test_core.py": TEST + """
    def test_site():
        import subprocess, sys
        assert not hasattr(sys.modules.get("sitecustomize"), "begin")
        told = subprocess.run([sys.executable, "-c", "pass"], capture_output=True)
        assert told.stdout + told.stderr == b""
    """})  # fmt: skip

    assert measured(pack, unwalled()).reason == ""


def test_a_test_that_switches_tracing_off_costs_only_its_own_lines(pack: Project) -> None:
    pack.write({"tests/test_core.py": """
        import sys
        from pack.core import unused, used

        def test_off():
            sys.settrace(None)
            unused()

        def test_small():
            assert used(1) == "small"
    """})  # fmt: skip

    assert lines(measured(pack, unwalled())) == IMPORTED | {5, 7}


def test_where_somebody_else_traces_nothing_is_measured(pack: Project) -> None:
    pack.write({"tests/conftest.py": """
        import sys, threading
        sys.path.insert(0, '.')
        trace = lambda *_: None
        sys.settrace(trace)
        threading.settrace(trace)

        def pytest_unconfigure():
            assert sys.gettrace() is trace
            assert threading._trace_hook is trace
    """})  # fmt: skip

    result = measured(pack, unwalled())

    assert result.passed, result.output
    assert result.lines is None


def own_coverage(pack: Project, *names: str) -> None:
    """Put this environment's coverage.py, and what else is named, into the project's."""
    for name in ("coverage", *names):
        found = importlib.util.find_spec(name)
        if found is None or found.origin is None:
            pytest.skip(f"{name} is not installed")
        shutil.copytree(Path(found.origin).parent, pack.site / name)
        for metadata in Path(found.origin).parents[1].glob(f"{name}-[0-9]*.dist-info"):
            shutil.copytree(metadata, pack.site / metadata.name)


def test_coverage_run_is_left_alone(pack: Project) -> None:
    own_coverage(pack)
    script = """
        import subprocess, sys
        subprocess.run([sys.executable, "-m", "coverage", "run", "-m", "pytest", "-q"], check=True)
        subprocess.run([sys.executable, "-m", "coverage", "report", "--include=pack/core.py"], check=True)
    """
    pack.write({"both.py": script})

    result = measured(pack, unwalled(), "python", "both.py")

    assert result.passed, result.output
    assert re.search(r"pack/core.py +5 +1 +80%", result.output), result.output
    assert result.lines is None


@pytest.mark.parametrize("has_ours", [True, False])
def test_the_projects_own_coverage_can_be_imported_and_serves_where_ours_does_not_fit(
    pack: Project, monkeypatch: pytest.MonkeyPatch, *, has_ours: bool
) -> None:
    own_coverage(pack)
    if not has_ours:
        monkeypatch.setattr("route_agent.checks.probe.find_spec", lambda name: None)
    pack.write({"tests/test_core.py": TEST + """
    def test_tracer():
        import sys
        assert type(sys.gettrace()).__name__ == "CTracer"
        assert "coverage" not in sys.modules
        import coverage.tracer
        assert coverage.tracer.CTracer
    """})  # fmt: skip

    result = measured(pack, unwalled())

    assert result.reason == "", result.output
    assert lines(result) == IMPORTED | {5, 7}


@pytest.mark.parametrize("workers", [[], ["-p", "xdist.plugin", "-n2"]])
def test_the_lines_of_pytest_cov_are_taken_and_its_report_stays_right(
    pack: Project, workers: list[str]
) -> None:
    own_coverage(pack, "pytest_cov")
    argv = ("pytest", "-q", "-p", "pytest_cov", "--cov=pack", "--cov-branch", "--cov-fail-under=60", *workers)
    with_unused = TEST + "\n    def test_unused():\n        from pack.core import unused\n        unused()\n"
    pack.write({"tests/test_core.py": with_unused})
    plain = measured(pack, unwalled(), *argv, files=())

    result = measured(pack, unwalled(), *argv)

    assert result.passed, result.output
    assert lines(result) == IMPORTED | {5, 7, 10}
    total = re.compile(r"^TOTAL .*$", re.MULTILINE)
    assert total.findall(plain.output) == total.findall(result.output) != []


def test_the_lines_of_pytest_cov_do_not_count_where_a_test_is_red(pack: Project) -> None:
    own_coverage(pack, "pytest_cov")
    pack.write({"tests/test_core.py": TEST + "\n    def test_red():\n        assert used(9) == 'small'\n"})

    result = measured(pack, unwalled(), "pytest", "-q", "-p", "pytest_cov", "--cov=pack")

    assert result.outcome is Outcome.FAILED
    assert result.lines is None


def test_a_green_command_without_pytest_is_measured_and_a_red_one_is_not(pack: Project, walls: Walls) -> None:
    pack.write({"test_it.py": """
        import unittest
        from pack.core import used

        class Test(unittest.TestCase):
            def test_small(self):
                self.assertEqual(used(1), "small")
    """, "red.py": "import pack.core\nraise SystemExit(1)\n"})  # fmt: skip

    green = measured(pack, walls, "python", "-m", "unittest", "test_it")
    red = measured(pack, walls, "python", "red.py")

    assert lines(green) == IMPORTED | {5, 7}
    assert red.lines is None


def test_lines_survive_being_stored() -> None:
    from pydantic import TypeAdapter

    adapter = TypeAdapter(CheckResult)
    told = CheckResult(
        "t", CheckSpec(name="t", run=("x",)).kind, Outcome.PASSED, lines={"a.py": frozenset({1, 2})}
    )

    stored = json.dumps(adapter.dump_python(told, mode="json"))

    assert adapter.validate_json(stored) == told
    old = json.loads(stored)
    del old["lines"]
    assert adapter.validate_json(json.dumps(old)).lines is None
    run = CheckRun("t", (told,), unwalled().isolation)
    whole = TypeAdapter(CheckRun)
    assert whole.validate_json(json.dumps(redact_all(whole.dump_python(run, mode="json")))) == run


# --- Node ---

SCRIPT = """\
// €😀
export function used(a) {
  if (a) {
    return "yes"; // and no more
  } else {
    return "no";
  }
}
export function unused(
  a,
) {
  return a ? 1 : 2;
}
export const pick = (a) => (a ? 1 : 2);
"""
NODE_TEST = """\
import test from "node:test";
import assert from "node:assert";
import { used, pick } from "../src/core.mjs";
test("used", () => { assert.equal(used(1), "yes"); pick(1); });
"""


@pytest.fixture
def web(project: Project) -> Project:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    project.write({"src/core.mjs": SCRIPT, "test/core.test.mjs": NODE_TEST})
    return project


def test_lines_that_node_executed_wholly_are_told(web: Project, walls: Walls) -> None:
    result = measured(web, walls, "node", "--test", "test/", files=("src/core.mjs",))

    assert result.passed, result.output
    told = lines(result, "src/core.mjs")
    assert {2, 3, 4} <= told
    assert not told & {6, 9, 10, 12, 14}
    assert not list(web.place.results.iterdir())


def test_lines_of_several_node_processes_add_up(web: Project) -> None:
    other = NODE_TEST.replace('used(1), "yes"', 'used(0), "no"').replace("pick(1)", "pick(0)")
    web.write({"test/other.test.mjs": other})

    result = measured(web, unwalled(), "node", "--test", "test/", files=("src/core.mjs",))

    told = lines(result, "src/core.mjs")
    assert {2, 3, 4, 6, 14} <= told
    assert not told & {9, 10, 12}


def test_a_red_node_run_tells_no_lines(web: Project) -> None:
    web.write({"test/red.test.mjs": NODE_TEST.replace('"yes"', '"no"')})

    result = measured(web, unwalled(), "node", "--test", "test/", files=("src/core.mjs",))

    assert result.outcome is Outcome.FAILED
    assert result.lines is None


# --- files that a check writes ---


def writes(project: Project, path: str, text: str) -> tuple[str, ...]:
    file = repr(text)
    code = f"import os; os.makedirs(os.path.dirname({path!r}) or '.', exist_ok=True); open({path!r}, 'w').write({file})"
    return ("python", "-c", code)


def test_an_lcov_file_that_the_check_writes_is_read(web: Project, walls: Walls) -> None:
    argv = writes(
        web, "out/lcov.info", "TN:\nSF:src/core.mjs\nDA:2,1\nDA:3,1\nDA:6,0\nDA:9,4\nend_of_record\n"
    )

    result = measured(web, walls, *argv, files=("src/core.mjs",), coverage="out/lcov.info")

    assert lines(result, "src/core.mjs") == {2, 3, 9, 10, 11}  # within brackets, as the line above


def test_a_committed_coverage_file_is_never_read(web: Project, tmp_path: Path) -> None:
    web.write({"lcov.info": "SF:src/core.mjs\nDA:2,1\nend_of_record\n"})

    result = measured(web, unwalled(), "true", files=("src/core.mjs",), coverage="lcov.info")

    assert result.passed
    assert result.lines is None


def test_a_file_outside_is_neither_removed_nor_read_through_a_link(web: Project, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "lcov.info").write_text("SF:src/core.mjs\nDA:2,1\nend_of_record\n")
    (web.place.tree / "out").symlink_to(outside)
    (web.place.tree / "lcov.info").symlink_to(outside / "lcov.info")

    for path in ("out/lcov.info", "lcov.info"):
        result = measured(web, unwalled(), "true", files=("src/core.mjs",), coverage=path)
        assert result.lines is None
    link = ("ln", "-s", str(outside / "lcov.info"), "new.info")
    assert measured(web, unwalled(), *link, files=("src/core.mjs",), coverage="new.info").lines is None
    assert (outside / "lcov.info").exists()


ROOT = Path("/where/it/stands")
SOURCES = {"web/src/a.js": b"one();\ntwo();\n", "src/a.js": b"one();\n", "m.py": b"x = 1\ny = 2\n"}


def told(content: str, where: str = "coverage/lcov.info") -> coverage_files.Lines:
    return coverage_files.executed_lines(content.encode(), where, [ROOT], SOURCES)


def cobertura(filename: str, source: str = "", head: str = "") -> str:
    return (
        f"<?xml version='1.0'?>{head}<coverage><sources><source>{source}</source></sources><packages><package>"
        f"<classes><class filename='{filename}'><methods/><lines><line number='1' hits='2'/>"
        "<line number='2' hits='0'/></lines></class></classes></package></packages></coverage>"
    )


def test_paths_of_a_coverage_file_are_found_in_the_tree_or_not_at_all() -> None:
    one = frozenset({1})
    lcov = "SF:{}\nDA:1,1\nDA:2,0\nend_of_record\n"

    assert told(lcov.format(f"{ROOT}/m.py")) == {"m.py": one}
    assert told(lcov.format("src/a.js"), "web/coverage/lcov.info") == {"web/src/a.js": one}
    assert told(lcov.format("src/a.js")) == {"src/a.js": one}
    assert told(lcov.format("./src/../src/a.js")) == {"src/a.js": one}
    assert told(cobertura("a.js", f"{ROOT}/web/src")) == {"web/src/a.js": one}
    assert told(cobertura("m.py")) == {"m.py": one}
    for path in ("a.js", "/elsewhere/m.py", "../m.py/../../x", f"{ROOT}/../m.py", "\0"):
        assert not told(lcov.format(path)), path


def test_a_line_that_any_record_hit_is_executed() -> None:
    assert told("SF:m.py\nDA:1,0\nDA:2,0,x\nend_of_record\nSF:m.py\nDA:1,3,abc\nend_of_record\n") == {
        "m.py": frozenset({1})
    }


@pytest.mark.parametrize(
    "content",
    [
        "",
        "\0\1",
        "DA:1,1\nSF:\nDA:x,1\nDA:1\nDA:,\n",
        "<coverage><class filename='m.py'>",
        "<html/>",
        cobertura("&e;", head='<!DOCTYPE x [<!ENTITY e "m.py">]>'),
        cobertura("m.py", head='<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>'),
        cobertura("m.py", head="<!DOCTYPE x [<!ENTITY % p SYSTEM 'file:///etc/passwd'> %p;]>"),
    ],
)
def test_a_coverage_file_that_is_none_or_declares_entities_measures_nothing(content: str) -> None:
    assert not told(content)


def test_a_plain_document_type_is_no_obstacle() -> None:
    head = '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd">'

    assert told(cobertura("m.py", head=head)) == {"m.py": frozenset({1})}


@pytest.mark.parametrize("path", ["/etc/x", "../x", "a/../x", "a//x", "./x", ".git/x", "a\nb", "a/"])
def test_a_coverage_file_stands_below_the_tree(path: str) -> None:
    with pytest.raises(ValidationError, match="write a path below"):
        CheckSpec(name="t", run=("x",), coverage=path)


def v8(tmp_path: Path, *scripts: object, **more: object) -> coverage_files.Lines:
    folder = tmp_path / "v8"
    folder.mkdir(exist_ok=True)
    (folder / "coverage-1.json").write_text(json.dumps({"result": scripts, **more}))
    return coverage_files.v8_lines(folder, ROOT, SOURCES)


def script(*ranges: tuple[int, int, int], blocks: bool = True) -> dict[str, object]:
    told = [dict(zip(("startOffset", "endOffset", "count"), it, strict=True)) for it in ranges]
    return {"url": f"file://{ROOT}/src/a.js", "functions": [{"ranges": told, "isBlockCoverage": blocks}]}


def test_what_v8_tells_of_other_text_than_the_source_is_not_believed(tmp_path: Path) -> None:
    whole, length = {"src/a.js": frozenset({1})}, len(SOURCES["src/a.js"])

    assert v8(tmp_path, script((0, length, 1))) == whole
    assert v8(tmp_path, script((0, length + 1, 1))) == {}
    assert v8(tmp_path, script((0, length, 1)), script((0, length + 1, 1))) == {}
    url = f"file://{ROOT}/src/a.js"
    assert v8(tmp_path, script((0, length, 1)), **{"source-map-cache": {url: {}}}) == {}
    assert v8(tmp_path, script((0, length, 1), blocks=False)) == {"src/a.js": frozenset()}
    assert v8(tmp_path, script((0, length, 1), (1, 3, 0))) == {"src/a.js": frozenset()}
    assert v8(tmp_path, script((0, length, 1), (1, 4, 0), (1, 4, 1))) == whole


def test_malformed_results_of_v8_measure_nothing(tmp_path: Path) -> None:
    url = f"file://{ROOT}/src/a.js"
    for wrong in (1, None, {}, {"url": 1}, {"url": url}, {"url": url, "functions": [1, {"ranges": [1, {}]}]}):
        assert v8(tmp_path, wrong) == {}
    for odd in ((0, 7, True), (-1, 7, 1), (5, 2, 1), (0, 10**30, 1)):
        v8(tmp_path, script((0, len(SOURCES["src/a.js"]), 1), odd))
    (tmp_path / "v8" / "coverage-2.json").write_text("[" * 100_000 + "a.js")
    (tmp_path / "v8" / "coverage-3.json").write_bytes(b"a.js \xff")
    (tmp_path / "v8" / "link.json").symlink_to("/etc/passwd")
    assert coverage_files.v8_lines(tmp_path / "v8", ROOT, SOURCES)


def test_what_the_probe_did_not_ask_for_or_cannot_be_is_not_taken(tmp_path: Path) -> None:
    place = Place(*(tmp_path / name for name in ("tree", "project", "home", "results", "tools")))
    plugin = probe.install(place, (), ["m.py", "two\nlines.py"], place.tree)
    facts = [
        {"measured": ["m.py", "other.py", 1, None]},
        {"measured": 3, "lines": {"m.py": 1}},
        {"lines": {"m.py": [1, True, -2, 0, 10**12, "4", 5.0, None], "other.py": [1]}, "during": None},
        {"lines": {"m.py": [9]}, "during": 3},
        {"lines": {"m.py": [8]}, "during": "t::red"},
        {"test": "t::green", "outcome": "passed"},
        {"test": "t::red", "outcome": "failed"},
        {"session": "main"},
    ]
    file = place.results / f"{plugin.token}-main-1.jsonl"
    file.write_text("\n".join(map(json.dumps, facts)))

    assert plugin.measured == {"m.py"}
    assert probe.read(plugin).executed(passed=True) == {"m.py": frozenset({1})}
    plugin.remove()
    assert not [*place.tools.iterdir(), *place.results.iterdir()]
