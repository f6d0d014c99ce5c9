"""Outcomes of single tests from the JUnit XML of runners other than pytest, and what is never believed."""

from __future__ import annotations

import shutil
import sys
import textwrap
from pathlib import Path

import pytest
from sandpit import Sandpit

from route_agent.checks import junit
from route_agent.checks.runner import run_checks
from route_agent.errors import PolicyError
from route_agent.policy import CheckSpec, parse_policy
from route_agent.records.checks import CheckResult, Isolation, IsolationLevel, Outcome
from route_agent.sandbox.walls import Place, Unwalled

TREE = Path("/home/somebody/calc")


def told(text: str, *more: str) -> junit.Report:
    contents = {f"{number}.xml": it.encode() for number, it in enumerate((text, *more))}
    return junit.parse(contents, [TREE])


def test_what_red_tests_say_in_the_file_is_told_and_bounded() -> None:
    report = told(
        '<testsuite><testcase name="a"><failure type="AssertionError" message="1 is not 2">\n'
        "  at calc.js:3\n\n</failure></testcase>"
        '<testcase name="b"><system-out>not this</system-out></testcase></testsuite>',
        '<testsuite><testcase name="c"><error>' + "long " * 4000 + "</error></testcase></testsuite>",
    )

    assert report.words.splitlines()[:2] == ["AssertionError: 1 is not 2", "at calc.js:3"]
    assert "not this" not in report.words
    assert len(report.words) <= junit.MAX_WORDS


def test_a_file_of_one_test_over_and_over_is_refused_before_it_takes_long() -> None:
    cases = '<testcase name="t"/>' * (junit.MAX_TESTS + 1)

    report = told(
        "<testsuites>" + '<testsuite name="a">' * 90 + cases + "</testsuite>" * 90 + "</testsuites>"
    )

    assert report.problem.endswith(f"more than {junit.MAX_TESTS} tests")


# --- what runners write, each as it comes from the tool, cut to what matters ---

JEST = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="jest tests" tests="4" failures="1" errors="0" time="1.163">
  <testsuite name="calc" errors="0" failures="1" skipped="1" timestamp="2026-11-21T14:53:02" time="0.75" tests="4">
    <testcase classname="calc adds" name="calc adds" time="0.003">
    </testcase>
    <testcase classname="calc bad" name="calc bad" time="0.003">
      <failure>Error: expect(received).toBe(expected) // Object.is equality</failure>
    </testcase>
    <testcase classname="calc later" name="calc later" time="0">
      <skipped/>
    </testcase>
    <testcase classname=" top" name=" top" time="0.001">
    </testcase>
  </testsuite>
</testsuites>
"""
VITEST = """\
<?xml version="1.0" encoding="UTF-8" ?>
<testsuites name="vitest tests" tests="3" failures="2" errors="0" time="0.01">
    <testsuite name="vt/broken.test.js" hostname="vm" tests="1" failures="1" errors="0" skipped="0" time="0">
        <testcase classname="vt/broken.test.js" name="vt/broken.test.js" time="0">
            <failure message="Cannot find module &apos;./nothing&apos;" type="Error">Error</failure>
        </testcase>
    </testsuite>
    <testsuite name="vt/calc.test.js" hostname="vm" tests="2" failures="1" errors="0" skipped="0" time="0.01">
        <testcase classname="vt/calc.test.js" name="calc &gt; adds" time="0.002903132">
        </testcase>
        <testcase classname="vt/calc.test.js" name="calc &gt; bad" time="0.006165097">
            <failure message="expected 1 to be 2" type="AssertionError">AssertionError</failure>
        </testcase>
    </testsuite>
</testsuites>
"""
NODE = """\
<?xml version="1.0" encoding="utf-8"?>
<testsuites>
	<testcase name="/home/somebody/calc/test/broken.test.js" time="0.1" classname="test" failure="test failed">
		<failure type="testCodeFailure" message="test failed">[Error: test failed]</failure>
	</testcase>
	<testcase name="adds" time="0.001016" classname="test"/>
	<testcase name="todo" time="0.012101" classname="test" failure="not yet">
		<skipped type="todo" message="true"/>
		<failure type="testCodeFailure" message="not yet">[Error]</failure>
	</testcase>
	<testsuite name="outer" time="0.000765" disabled="0" errors="0" tests="1" failures="1" skipped="0" hostname="vm">
		<testsuite name="inner" time="0.000471" disabled="0" errors="0" tests="2" failures="1" skipped="0" hostname="vm">
			<testcase name="adds" time="0.000162" classname="test" file="/home/somebody/calc/test/calc.test.js"/>
			<testcase name="bad" time="0.000106" classname="test" failure="x">
				<failure type="testCodeFailure" message="x">Error: x</failure>
			</testcase>
		</testsuite>
	</testsuite>
	<!-- tests 9 -->
</testsuites>
"""
SUREFIRE = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" version="3.0.2" name="calc.SumTest" time="0.05"
    tests="4" errors="1" skipped="1" failures="0" flakes="1">
  <properties><property name="java.version" value="17"/></properties>
  <testcase name="adds" classname="calc.SumTest" time="0.02"/>
  <testcase name="breaks" classname="calc.SumTest" time="0.003">
    <error message="/ by zero" type="java.lang.ArithmeticException"><![CDATA[java.lang.ArithmeticException]]></error>
    <system-out><![CDATA[<testcase name="printed" classname="calc.SumTest"/>]]></system-out>
  </testcase>
  <testcase name="later" classname="calc.SumTest" time="0"><skipped message="not yet"/></testcase>
  <testcase name="now_and_then" classname="calc.SumTest" time="0.001">
    <flakyFailure message="no" type="AssertionError"><stackTrace><![CDATA[x]]></stackTrace></flakyFailure>
  </testcase>
</testsuite>
"""
GO = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="3" failures="1">
	<testsuite name="example.com/calc" tests="2" failures="1" errors="0" id="0" hostname="vm" time="0.002">
		<properties><property name="go.version" value="go1.22.1 linux/amd64"></property></properties>
		<testcase name="TestAdd" classname="example.com/calc" time="0.000"></testcase>
		<testcase name="TestAdd/negative" classname="example.com/calc" time="0.000">
			<failure message="Failed"><![CDATA[    calc_test.go:12: got 1]]></failure>
		</testcase>
	</testsuite>
	<testsuite name="example.com/calc/deep" tests="1" failures="0" errors="1" id="1" hostname="vm" time="0.000">
		<testcase name="[build failed]" classname="example.com/calc/deep" time="0.000">
			<error message="Build error"><![CDATA[undefined: depth]]></error>
		</testcase>
	</testsuite>
</testsuites>
"""
PHPUNIT = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites>
  <testsuite name="/home/somebody/calc/phpunit.xml" tests="3" assertions="3" errors="0" failures="1" skipped="0" time="0.01">
    <testsuite name="Unit" tests="3" assertions="3" errors="0" failures="1" skipped="0" time="0.01">
      <testsuite name="CalcTest" file="/home/somebody/calc/tests/CalcTest.php" tests="3" time="0.01">
        <testcase name="testAdd" file="/home/somebody/calc/tests/CalcTest.php" line="9" class="CalcTest" classname="CalcTest" assertions="1" time="0.002"/>
        <testsuite name="CalcTest::testSign" tests="2" assertions="2" errors="0" failures="1" skipped="0" time="0.003">
          <testcase name="testSign with data set #0" file="/home/somebody/calc/tests/CalcTest.php" line="15" class="CalcTest" classname="CalcTest" assertions="1" time="0.001"/>
          <testcase name="testSign with data set #1" file="/home/somebody/calc/tests/CalcTest.php" line="15" class="CalcTest" classname="CalcTest" assertions="1" time="0.001">
            <failure type="PHPUnit\\Framework\\ExpectationFailedException">CalcTest::testSign with data set #1</failure>
          </testcase>
        </testsuite>
      </testsuite>
    </testsuite>
  </testsuite>
</testsuites>
"""
XUNIT1 = """\
<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"><testsuite name="pytest" errors="0" failures="0" skipped="0" tests="2">
<testcase classname="tests.test_calc.TestAdd" name="test_small" file="tests/test_calc.py" line="3" time="0.001" />
<testcase classname="tests.test_calc" name="test_large[1]" file="tests/test_calc.py" line="9" time="0.001" /></testsuite></testsuites>
"""
GOOGLETEST = """\
<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="0" disabled="1" errors="0" time="0.001" name="AllTests">
  <testsuite name="Sum" tests="2" failures="0" disabled="1" skipped="0" errors="0" time="0.">
    <testcase name="Adds" file="sum_test.cc" line="4" status="run" result="completed" time="0." classname="Sum" />
    <testcase name="DISABLED_Later" file="sum_test.cc" line="9" status="notrun" result="suppressed" time="0." classname="Sum" />
  </testsuite>
</testsuites>
"""


@pytest.mark.parametrize(
    ("text", "tests"),
    [
        pytest.param(
            JEST,
            {
                "calc adds::calc adds": "passed",
                "calc bad::calc bad": "failed",
                "calc later::calc later": "skipped",
                "top::top": "passed",
            },
            id="jest-junit",
        ),
        pytest.param(
            VITEST,
            {
                "vt/broken.test.js::vt/broken.test.js": "failed",
                "vt/calc.test.js::calc > adds": "passed",
                "vt/calc.test.js::calc > bad": "failed",
            },
            id="vitest",
        ),
        pytest.param(
            NODE,
            {
                "test/broken.test.js::(the file itself)": "failed",
                "test::adds": "passed",
                "test::todo": "skipped",
                "test/calc.test.js::outer::inner::adds": "passed",
                "outer::inner::bad": "failed",
            },
            id="node",
        ),
        pytest.param(
            SUREFIRE,
            {
                "calc.SumTest::adds": "passed",
                "calc.SumTest::breaks": "failed",
                "calc.SumTest::later": "skipped",
                "calc.SumTest::now_and_then": "passed",
            },
            id="surefire",
        ),
        pytest.param(
            GO,
            {
                "example.com/calc::TestAdd": "passed",
                "example.com/calc::TestAdd/negative": "failed",
                "example.com/calc/deep::[build failed]": "failed",
            },
            id="go-junit-report",
        ),
        pytest.param(
            PHPUNIT,
            {
                "tests/CalcTest.php::CalcTest::testAdd": "passed",
                "tests/CalcTest.php::CalcTest::testSign with data set #0": "passed",
                "tests/CalcTest.php::CalcTest::testSign with data set #1": "failed",
            },
            id="phpunit",
        ),
        pytest.param(
            XUNIT1,
            {
                "tests/test_calc.py::TestAdd::test_small": "passed",
                "tests/test_calc.py::test_large[1]": "passed",
            },
            id="pytest-xunit1",
        ),
        pytest.param(
            GOOGLETEST,
            {"sum_test.cc::Sum::Adds": "passed", "sum_test.cc::Sum::DISABLED_Later": "skipped"},
            id="googletest",
        ),
    ],
)
def test_what_runners_write_is_understood(text: str, tests: dict[str, str]) -> None:
    assert told(text).tests == tests
    assert told(text).problem == ""


def test_a_test_that_the_runner_itself_ran_again_is_flaky() -> None:
    assert told(SUREFIRE).flaky == {"calc.SumTest::now_and_then"}


def test_of_two_tests_with_one_name_the_worse_outcome_counts() -> None:
    twice = '<testsuite><testcase classname="a" name="x"><failure/></testcase><testcase classname="a" name="x"/></testsuite>'

    assert told(twice).tests == {"a::x": "failed"}
    assert told(twice.replace("<failure/>", "<skipped/>")).tests == {"a::x": "passed"}


def test_several_files_are_one_report_and_one_broken_file_spoils_it() -> None:
    more = '<testsuite name="calc.OtherTest"><testcase name="x" classname="calc.OtherTest"/></testsuite>'

    assert len(told(SUREFIRE, more).tests) == 5
    assert told(SUREFIRE, more[:40]).problem.startswith("1.xml is no JUnit XML: ")
    assert told(SUREFIRE, more[:40]).tests == {}


def test_a_failure_of_a_whole_suite_is_a_red_test() -> None:
    text = '<testsuite name="hooks"><failure message="before all"/><testcase classname="a" name="x"/></testsuite>'

    assert told(text).tests == {"hooks::(the suite itself)": "failed", "a::x": "passed"}


BOMB = (
    '<!DOCTYPE a [<!ENTITY l "lol">'
    + "".join(f'<!ENTITY l{n} "&l{n - 1};&l{n - 1};&l{n - 1};">' for n in range(1, 30)).replace("&l0;", "&l;")
    + ']><testsuite><testcase name="&l29;"/></testsuite>'
)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BOMB, id="entities"),
        pytest.param('<!DOCTYPE a SYSTEM "file:///etc/passwd"><testsuite/>', id="doctype"),
        pytest.param(
            '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><testsuite name="&x;"/>', id="external"
        ),
        pytest.param("<testsuite>" * 5000, id="deep"),
        pytest.param("", id="empty"),
        pytest.param("<html><body>404</body></html>", id="html"),
        pytest.param("ok 1 - adds", id="tap"),
        pytest.param('<?xml version="1.0" encoding="nothing-known"?><testsuite/>', id="encoding"),
        pytest.param('<testsuite><testcase name="a\x00b"/></testsuite>', id="nul"),
    ],
)
def test_what_is_no_plain_report_is_a_problem_and_tells_nothing(text: str) -> None:
    found = told(text)

    assert found.problem
    assert found.tests == {}


def test_names_are_made_fit_to_be_shown_and_stay_apart() -> None:
    long = "".join(f'<testcase classname="c" name="{"x" * 5000}{n}"/>' for n in "ab")
    found = told(f'<testsuite><testcase classname="c" name="a&#10;b\x9b31m&#x202e;c"/>{long}</testsuite>')

    assert "c::a b 31m c" in found.tests
    assert len(found.tests) == 3
    assert all(len(name) < 600 and name.isprintable() for name in found.tests)


def test_a_path_out_of_the_tree_names_no_file_of_it() -> None:
    for path in ("/etc/passwd", "../../etc/passwd", "file:///etc/passwd"):
        found = told(f'<testsuite><testcase file="{path}" classname="C" name="x"/></testsuite>')
        assert found.tests == {"C::x": "passed"}


# --- files that a check leaves behind ---


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(
        tmp_path / "tree", tmp_path / "project", tmp_path / "home", tmp_path / "results", tmp_path / "tools"
    )
    for folder in (made.tree, made.project, made.home):
        folder.mkdir()
    return made


def check(place: Place, script: str, pattern: str = "out/junit.xml", **more: object) -> CheckResult:
    """Run a script that leaves results behind, and read them."""
    (place.tree / "run.py").write_text(textwrap.dedent(script))
    values = {"name": "web", "run": (sys.executable, "run.py"), "junit": pattern, "timeout": 30, **more}
    walls = Unwalled(Isolation(IsolationLevel.NONE, "asked"))
    return run_checks([CheckSpec.model_validate(values)], place, walls, tree_id="t").results[0]


GOOD = '<testsuite><testcase classname="c" name="x"/></testsuite>'
BAD = '<testsuite><testcase classname="c" name="x"><failure/></testcase><testcase classname="c" name="y"/></testsuite>'
NONE = "<testsuite/>"


def script(text: str = "", code: int = 0, path: str = "out/junit.xml") -> str:
    return (
        f"import os, sys\nos.makedirs(os.path.dirname({path!r}) or '.', exist_ok=True)\n"
        f"text = {text!r}\nif text: open({path!r}, 'w').write(text)\nsys.exit({code})\n"
    )


def test_outcomes_that_agree_with_the_exit_code_are_the_checks(place: Place) -> None:
    green, red = check(place, script(GOOD)), check(place, script(BAD, 1))

    assert (green.outcome, green.tests) == (Outcome.PASSED, {"c::x": "passed"})
    assert (red.outcome, red.reason, red.red, red.green) == (
        Outcome.FAILED,
        "1 failed: c::x",
        frozenset({"c::x"}),
        frozenset({"c::y"}),
    )


def test_exit_code_0_with_a_red_test_is_no_pass(place: Place) -> None:
    result = check(place, script(BAD))

    assert (result.outcome, result.reason) == (Outcome.FAILED, "exit code 0 but 1 failed: c::x")


def test_another_exit_code_without_a_red_test_is_no_pass(place: Place) -> None:
    result = check(place, script(GOOD, 3))

    assert result.outcome is Outcome.FAILED
    assert result.reason == "exit code 3 (its own results tell of nothing red)"


def test_a_missing_file_is_never_a_pass(place: Place) -> None:
    green, red = check(place, script("")), check(place, script("", 1))

    assert (green.outcome, green.reason) == (Outcome.NOT_RUN, "exit code 0 but it left no out/junit.xml")
    assert (red.outcome, red.tests) == (Outcome.FAILED, None)


def test_an_old_file_is_taken_away_first(place: Place) -> None:
    check(place, script(GOOD))
    assert (place.tree / "out/junit.xml").exists()

    assert check(place, script("")).outcome is Outcome.NOT_RUN


def test_what_cannot_be_taken_away_is_not_read(place: Place) -> None:
    (place.tree / "out/junit.xml").mkdir(parents=True)

    result = check(place, "pass")

    assert (result.outcome, "cannot be taken away" in result.reason) == (Outcome.NOT_RUN, True)


@pytest.mark.parametrize("text", [GOOD[:-5], BOMB, "[]"])
def test_a_broken_file_is_never_a_pass(place: Place, text: str) -> None:
    result = check(place, script(text))

    assert (result.outcome, result.tests) == (Outcome.NOT_RUN, None)
    assert "no JUnit XML" in result.reason


@pytest.mark.parametrize("make", ["os.mkdir", "os.mkfifo"])
def test_what_is_no_file_is_never_a_pass(place: Place, make: str) -> None:
    result = check(place, f"import os\nos.makedirs('out', exist_ok=True)\n{make}('out/junit.xml')\n")

    assert (result.outcome, "cannot be read" in result.reason) == (Outcome.NOT_RUN, True)


def test_a_report_without_any_test_is_none(place: Place) -> None:
    result = check(place, script(NONE))

    assert (result.outcome, result.reason) == (Outcome.NOT_RUN, "no tests were collected")


def test_no_link_is_followed(place: Place, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "junit.xml").write_text(GOOD)
    file = f"import os\nos.makedirs('out', exist_ok=True)\nos.symlink({str(outside / 'junit.xml')!r}, 'out/junit.xml')\n"
    folder = (
        f"import os, shutil\nshutil.rmtree('out', ignore_errors=True)\nos.symlink({str(outside)!r}, 'out')\n"
    )

    assert check(place, file).outcome is Outcome.NOT_RUN
    assert check(place, folder).outcome is Outcome.NOT_RUN
    assert (outside / "junit.xml").read_text() == GOOD


def test_one_file_a_class_is_read_by_a_star(place: Place) -> None:
    other = GOOD.replace('"c"', '"d"')
    text = script(GOOD, path="reports/TEST-a.xml").replace("sys.exit(0)", "") + script(
        other, path="reports/TEST-b.xml"
    )

    result = check(place, text, "reports/TEST-*.xml")

    assert result.tests == {"c::x": "passed", "d::x": "passed"}


def test_a_linter_may_tell_its_findings_so_too(place: Place) -> None:
    result = check(place, script(BAD, 1), kind="lint")

    assert result.red == {"c::x"}


# --- what pytest tells goes through its own file, and nothing on the screen is believed ---


def test_a_session_that_prints_success_and_ends_by_itself_is_no_pass(place: Place) -> None:
    (place.tree / "conftest.py").write_text(
        "import os\ndef pytest_collection_modifyitems():\n"
        "    print('41 passed in 0.10s', flush=True)\n    os._exit(0)\n"
    )
    (place.tree / "test_x.py").write_text("def test_x():\n    assert False\n")
    spec = CheckSpec(name="unit", run=(sys.executable, "-m", "pytest", "-q", "-s"), timeout=60)

    result = run_checks(
        [spec], place, Unwalled(Isolation(IsolationLevel.NONE, "asked")), tree_id="t"
    ).results[0]

    assert (result.outcome, result.reason) == (Outcome.FAILED, "exit code 0 but the test session did not end")
    assert "41 passed" in result.output
    assert result.tests == {}


def test_a_folder_in_place_of_pytests_results_tells_nothing(place: Place) -> None:
    (place.tree / "conftest.py").write_text(
        "import os\ndef pytest_sessionfinish(session):\n"
        "    name = session.config.pluginmanager.getplugin('route-agent-recorder').file.name\n"
        "    os.unlink(name)\n    os.mkdir(name)\n    os._exit(0)\n"
    )
    (place.tree / "test_x.py").write_text("def test_x():\n    assert False\n")

    result = check(place, "", "", run=(sys.executable, "-m", "pytest", "-q"))

    assert (result.outcome, result.reason) == (
        Outcome.FAILED,
        "exit code 0 but pytest left no results: is it the real one?",
    )


def test_what_pytest_tells_itself_goes_before_a_report(place: Place) -> None:
    (place.tree / "test_x.py").write_text("def test_x():\n    pass\n")
    run = (sys.executable, "-m", "pytest", "-q", "--junitxml=out/junit.xml")

    result = check(place, "", run=run)

    assert (result.outcome, result.tests) == (Outcome.PASSED, {"test_x.py::test_x": "passed"})


# --- the policy's key ---


def test_a_path_out_of_the_tree_and_a_star_among_folders_are_refused() -> None:
    for path in ("/tmp/x.xml", "../x.xml", ".git/x.xml", "*/x.xml"):
        with pytest.raises(PolicyError):
            parse_policy(f"version: 1\nchecks: [{{name: a, run: [make], junit: '{path}'}}]", "p.yaml")
    found = parse_policy("version: 1\nchecks: [{name: a, run: [make], junit: 'r/TEST-*.xml'}]", "p.yaml")
    assert found.checks[0].junit == "r/TEST-*.xml"


# --- evidence by test id ---

RUNNER = """\
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, ".")
import calc
CASES = {"adds": lambda: calc.add(2, 2) == 4, "doubles": lambda: calc.twice(2) == 4}
red = [name for name, case in CASES.items() if not case()]
told = "".join(f'<testcase classname="spec/calc" name="{n}">{"<failure/>" if n in red else ""}</testcase>' for n in CASES)
open("junit.xml", "w").write(f"<testsuites><testsuite name='calc'>{told}</testsuite></testsuites>")
sys.exit(bool(red))
"""
POLICY = "version: 1\nchecks:\n  - {name: spec, kind: test, run: [python3, spec/run.py], junit: junit.xml, timeout: 60}\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", {"spec/run.py": RUNNER, ".gitignore": "junit.xml\n"}, POLICY)


def test_a_regression_is_told_by_its_id_although_the_check_was_red_at_start(pit: Sandpit) -> None:
    pit.write("calc.py", "def add(a, b):\n    return a + b + 1\n\n\ndef twice(a):\n    return a\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["failure"]) == (1, "regression"), done.stdout + done.stderr
    assert done.json["reason"] == "spec/calc::doubles green at start, red now"
    assert [(it["passed"], it["failed"]) for it in done.json["baseline"]] == [(1, 1)]


def test_red_to_green_is_discriminating_by_its_id(pit: Sandpit) -> None:
    pit.write("calc.py", "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return a + a\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout + done.stderr
    assert done.json["reason"] == "spec::spec/calc::adds red at start, green now"


def test_red_at_start_and_red_now_is_not_the_patchs_fault(pit: Sandpit) -> None:
    pit.write("calc.py", "def add(a, b):\n    return a - b\n\n\ndef twice(a):\n    return 2 * a\n")

    done = pit.run("verify")

    assert done.exit_code == 0, done.stdout
    assert "red before as well: spec::spec/calc::adds" in done.stdout


def test_nodes_own_report_is_read(tmp_path: Path) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    test = (
        'const test = require("node:test"); const assert = require("node:assert"); const { add } = require("../calc.js");\n'
        'test("adds", () => assert.strictEqual(add(2, 2), 4));\n'
        'test.describe("more", () => { test("zero", () => assert.strictEqual(add(0, 0), 0)); });\n'
    )
    run = "[node, --test, --test-reporter=junit, --test-reporter-destination=junit.xml]"
    pit = Sandpit(
        tmp_path / "pit",
        {
            "test/calc.test.js": test,
            "calc.js": "exports.add = (a, b) => a - b;\n",
            ".gitignore": "junit.xml\n",
        },
        f"version: 1\nchecks:\n  - {{name: node, kind: test, run: {run}, junit: junit.xml}}\n",
    )
    pit.write("calc.js", "exports.add = (a, b) => a + b;\n")

    done = pit.run("verify", "--json")

    assert (done.exit_code, done.json["grade"]) == (0, "discriminating"), done.stdout + done.stderr
    assert [(it["passed"], it["failed"]) for it in (*done.json["baseline"], *done.json["checks"])] == [
        (1, 1),
        (2, 0),
    ]
