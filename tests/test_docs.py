"""The reference documents say what the program does: each fact in them that can be compared is compared."""

from __future__ import annotations

import enum
import json
import re
import subprocess
import sys
import textwrap
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator, FormatChecker
from loopback import Fault, Loopback, Reply
from pydantic import BaseModel
from sandpit import ADD, BREAKS, FIX, POLICY, Sandpit, provider_env, replies
from test_layers import LAYERS

from route_agent import config, evidence, policy, risk, strictness, yamlfile
from route_agent.errors import ConfigError, PolicyError, RouteError
from route_agent.lanes.recorded import load_replies
from route_agent.policy import ESCALATION_WORDS, Condition, EscalationWord, Policy, parse_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.records.checks import CheckKind, IsolationLevel, Outcome
from route_agent.records.grades import Failure, Grade, TaskClass, Verdict
from route_agent.records.lanes import CallState
from route_agent.records.reviews import Opinion
from route_agent.records.risk import Provenance

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SCHEMAS = ("run", "explain", "gate", "error")
DOCUMENTS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md"), *ROOT.glob("examples/*/README.md")])

Rows = list[list[str]]


def page(name: str) -> str:
    return (ROOT / name).read_text()


def tables(text: str) -> list[tuple[str, Rows]]:
    """Every table with the heading above it; a row is its cells, the head comes first."""
    found: list[tuple[str, Rows]] = []
    heading, open_table = "", False
    for line in without_code(text).splitlines():
        if line.startswith("#"):
            heading = line.lstrip("#").strip().strip("`")
        if line.startswith("|"):
            if not open_table:
                found.append((heading, []))
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            if set("".join(cells)) - set("-: "):
                found[-1][1].append(cells)
        open_table = line.startswith("|")
    return found


def table(name: str, heading: str) -> Rows:
    """The rows of the first table below a heading, without its head."""
    return next(rows[1:] for above, rows in tables(page(name)) if above == heading)


def word(cell: str) -> str:
    return cell.strip("`")


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def without_code(text: str) -> str:
    return re.sub(r"^ *```.*?^ *```$", "", text, flags=re.DOTALL | re.MULTILINE)


def blocks(text: str, language: str) -> Iterator[str]:
    pattern = rf"^(?P<indent> *)```{language}\n(?P<body>.*?)^(?P=indent)```$"
    for found in re.finditer(pattern, text, flags=re.DOTALL | re.MULTILINE):
        yield textwrap.dedent(found["body"])


# --- JSON --------------------------------------------------------------------------------------------------


def schema(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((DOCS / f"{name}.schema.json").read_text())
    return loaded


def fits(name: str, value: Any) -> bool:
    """Whether an object fits a schema; a misfit fails the test with its place."""
    Draft202012Validator(schema(name), format_checker=FormatChecker()).validate(value)
    return True


def parts(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from parts(child)


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_valid_and_closed_and_describes_every_field(name: str) -> None:
    Draft202012Validator.check_schema(schema(name))
    objects = [part for part in parts(schema(name)) if part.get("type") == "object"]
    assert objects
    for part in objects:
        assert part["additionalProperties"] is False
        assert part["required"] == list(part["properties"])
        for field, told in part["properties"].items():
            assert told.get("description") or "$ref" in told, f"{name}: {field} has no description"


@pytest.mark.parametrize("name", ["explain", "gate"])
def test_what_two_schemas_share_is_the_same(name: str) -> None:
    whole = schema("run")["$defs"]

    assert schema(name)["$defs"] == {part: whole[part] for part in schema(name)["$defs"]}


def test_the_vocabularies_of_the_schemas_are_those_of_the_program() -> None:
    run = schema("run")
    told = {name: part["properties"] for name, part in run["$defs"].items()}

    def values(words: type[enum.StrEnum]) -> list[str]:
        return [it.value for it in words]

    assert run["properties"]["verdict"]["enum"] == [verdict.name.lower() for verdict in Verdict]
    assert set(run["properties"]["exit_code"]["enum"]) == {verdict.exit_code for verdict in Verdict}
    assert told["attempt"]["failure"]["enum"] == [*values(Failure), None]
    assert told["attempt"]["grade"]["enum"] == values(Grade)
    assert told["review"]["opinion"]["enum"] == values(Opinion)
    assert told["check"]["kind"]["enum"] == values(CheckKind)
    assert told["check"]["outcome"]["enum"] == values(Outcome)
    assert told["call"]["state"]["enum"] == values(CallState)
    assert told["isolation"]["level"]["enum"] == values(IsolationLevel)
    assert told["signal"]["provenance"]["enum"] == values(Provenance)
    assert told["decision"]["task_class"]["enum"] == list(get_args(TaskClass))
    gate = schema("gate")["properties"]
    assert gate["grade"]["enum"] == values(Grade)
    assert gate["failure"]["enum"] == [*values(Failure), None]
    assert set(gate["exit_code"]["enum"]) == {Verdict[it.upper()].exit_code for it in gate["verdict"]["enum"]}


def test_a_run_that_escalates_and_its_report_from_the_ledger_fit_the_schema(
    pit: Sandpit, tmp_path: Path
) -> None:
    file = replies(tmp_path, ("fast", BREAKS), ("strong", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")
    shown = pit.run("show", "--json")

    assert fits("run", done.json)
    assert len(done.json["attempts"]) == 2
    assert fits("run", shown.json)


def test_runs_that_end_badly_fit_the_schema(pit: Sandpit, tmp_path: Path) -> None:
    hostile = "--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n"
    for number, (answer, code) in enumerate([(hostile, 4), ("no patch here", 1)]):
        folder = tmp_path / str(number)
        folder.mkdir()

        file = replies(folder, ("fast", answer))
        done = pit.run("--task", "sums must be right", "--replay", str(file), "--only-lane", "fast", "--json")

        assert done.exit_code == code
        assert fits("run", done.json)
        assert done.json["exit_code"] == code


def test_paid_calls_failed_calls_and_unknown_prices_fit_the_schema_and_the_tables_of_keys(
    pit: Sandpit,
) -> None:
    with Loopback() as server:
        server.script("small-1", Fault.status(401, "no such key"), Reply(FIX))
        server.script("large-1", Reply(FIX, cache_read=300))
        env = provider_env(pit, server)
        failed = pit.run("--task", "sums must be right", "--json", env=env)
        env = provider_env(pit, server, rates=False)
        pit.write(".route-agent/policy.yaml", POLICY + "limits: {unpriced: reserve}\n")
        pit.commit("call it all the same")
        unpriced = pit.run("--task", "sums must be right", "--json", env=env)
        ledger, stats = pit.run("ledger", "--json", env=env), pit.run("stats", "--json", env=env)
        by_key = pit.run("stats", "--by", "key", "--json", env=env)
        doctor = pit.run("doctor", "--json", env=env)

    used = {it["name"]: it["limits"] for it in by_key.json["groups"]}
    assert set(used) == {"ANTHROPIC_API_KEY", "OPENAI_API_KEY"}
    assert used["OPENAI_API_KEY"] == ["$1 limit · $10 limit of the day"]
    assert fits("run", failed.json)
    assert failed.json["attempts"][0]["calls"][0]["state"] == "failed"
    assert failed.json["attempts"][1]["calls"][0]["cached_tokens"] == 300
    assert fits("run", unpriced.json)
    assert unpriced.json["cost_usd"] is None
    listed = table("docs/json.md", "Objects without a schema of their own")
    keys = {word(row[0]): words(row[1]) for row in listed}
    for name, told, rows in (
        ("ledger --json", ledger, "runs"),
        ("doctor --json", doctor, "items"),
    ):
        assert told.json["schema"] == 1
        assert {*told.json, *told.json[rows][0]} == {"schema", *keys[name]} - {"warn", "bad"}
    assert stats.json["schema"] == 2
    assert set(stats.json) == set(keys["stats --json"])
    below = page("docs/json.md").partition("### Statistics")[2].partition("###")[0]
    assert {*stats.json["whole"], *stats.json["whole"]["spend"]} <= set(words(below))


def test_explain_and_a_dry_run_fit_their_schemas(pit: Sandpit, tmp_path: Path) -> None:
    explained = pit.run("explain", "--task", "add a login to calc.py", "--json")
    planned = pit.run("--task", "sums", "--dry-run", "--json", "--replay", str(replies(tmp_path)))

    assert fits("explain", explained.json)
    assert explained.json["decision"]["lane"] == "strong"
    assert fits("run", planned.json)
    assert planned.json["verdict"] == "planned"


def test_gate_fits_its_schema_with_and_without_a_change(pit: Sandpit) -> None:
    unchanged = pit.run("gate", "--base", "HEAD", "--json")
    pit.write("calc.py", ADD.replace("a - b", "a + b"))
    pit.commit("add adds")
    passed = pit.run("gate", "--base", "HEAD~1", "--json")
    pit.write("calc.py", ADD)
    pit.commit("or not")
    refused = pit.run("gate", "--base", "HEAD~1", "--json")

    for told, code in ((unchanged, 0), (passed, 0), (refused, 1)):
        assert told.exit_code == told.json["exit_code"] == code
        assert fits("gate", told.json)
    assert refused.json["failure"] == "regression"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("--task", "x", "--policy", "nope", "--json"), 2),
        (("explain", "--task", "", "--json"), 2),
        (("gate", "--base", "nope", "--json"), 6),
        (("show", "nope", "--json"), 2),
    ],
)
def test_an_error_fits_its_schema(pit: Sandpit, arguments: tuple[str, ...], code: int) -> None:
    done = pit.run(*arguments)

    assert fits("error", done.json)
    assert done.exit_code == done.json["exit_code"] == code


def test_a_faulty_command_line_prints_no_object(pit: Sandpit) -> None:
    for arguments in (("--json", "--bogus"), ("gate", "--json", "--bogus")):
        done = pit.run(*arguments)
        assert (done.exit_code, done.stdout) == (2, "")


def test_a_refused_delivery_ends_with_six_and_keeps_the_verdict(pit: Sandpit, tmp_path: Path) -> None:
    pit.write("calc.py", ADD.replace("a - b", "a - b  # mine"))
    file = replies(tmp_path, ("fast", FIX.replace("return a - b", "return a - b  # mine")))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--commit", "--json")

    assert fits("run", done.json)
    assert (done.exit_code, done.json["exit_code"], done.json["verdict"]) == (6, 6, "accepted")
    assert done.json["delivered"].startswith("not delivered")


def test_the_example_of_the_json_page_fits_the_schema() -> None:
    (example,) = blocks(page("docs/json.md"), "json")

    assert fits("run", json.loads(example))


# --- policy and configuration ------------------------------------------------------------------------------

POLICY_TABLES: dict[str, type[BaseModel]] = {
    "models": policy.LaneSpec,
    "cap": policy.Cap,
    "routing": policy.Routing,
    "complexity": policy.ComplexityRules,
    "shadow": policy.ShadowRules,
    "after": policy.AfterRules,
    "learned": policy.AcceptRule,
    "signals": policy.SignalRule,
    "checks": policy.CheckSpec,
    "paths": policy.PathRules,
    "reproduce": policy.ReproduceRules,
    "verify": policy.VerifyRules,
    "flaky": policy.FlakyRules,
    "gate": policy.GateRules,
    "targets": policy.Targets,
    "limits": policy.Limits,
}
CONFIG_TABLES: dict[str, type[BaseModel]] = {
    "Sections": config.Config,
    "providers": config.Provider,
    "rates": config.Rate,
    "budgets": config.Budgets,
    "minutes": config.Minutes,
    "telemetry": config.Telemetry,
    "floor": strictness.Floor,
    "trust": config.Trust,
}


def shown_default(model: type[BaseModel], key: str) -> str:
    field = model.model_fields[key]
    if field.is_required():
        return "required"
    default = field.default
    if isinstance(default, BaseModel):
        default = default.model_dump(exclude_defaults=True)
    return "none" if default is None else f"`{json.dumps(default)}`"


@pytest.mark.parametrize(
    ("name", "heading", "model"),
    [
        *(("docs/policy.md", *pair) for pair in POLICY_TABLES.items()),
        *(("docs/config.md", *pair) for pair in CONFIG_TABLES.items()),
    ],
)
def test_a_table_has_every_key_of_its_section_with_its_default(
    name: str, heading: str, model: type[BaseModel]
) -> None:
    rows = table(name, heading)

    assert [word(row[0]) for row in rows] == list(model.model_fields)
    for row in rows:
        assert row[2] == shown_default(model, word(row[0])), f"{heading}.{row[0]}"
        assert row[3]


def test_every_section_and_every_word_of_the_policy_is_explained() -> None:
    text = page("docs/policy.md")
    signals = [name for name, _ in risk.SIGNALS]
    vocabulary = {
        *signals,
        *get_args(Condition),
        *get_args(EscalationWord),
        *get_args(TaskClass),
        *Grade,
        *CheckKind,
        *presets(),
    }

    assert [word(row[0]) for row in table("docs/policy.md", "Sections")] == list(Policy.model_fields)
    assert not {name for name in vocabulary if f"`{name}`" not in text}
    assert not {name for name in Policy.model_fields if name != "version" and f"## `{name}`" not in text}


def parses_as_policy(text: str) -> None:
    parse_policy(text, "policy.yaml")


def parses_as_config(text: str) -> None:
    file = Path("config.yaml")
    file.write_text(text)
    config.load_config((file,))


@pytest.mark.parametrize(
    ("name", "parse", "least"),
    [
        ("docs/policy.md", parses_as_policy, 7),
        ("docs/config.md", parses_as_config, 4),
        ("docs/lanes.md", parses_as_policy, 2),
        ("docs/agents.md", parses_as_policy, 2),
        ("docs/telemetry.md", parses_as_config, 1),
    ],
)
def test_every_example_is_read_and_what_is_shown_as_refused_is_refused(
    name: str, parse: Callable[[str], None], least: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    examples = list(blocks(page(name), "yaml"))
    assert len(examples) >= least
    for example in examples:
        first = example.splitlines()[0]
        if first.startswith("# refused: "):
            with pytest.raises(
                (PolicyError, ConfigError), match=re.escape(first.removeprefix("# refused: "))
            ):
                parse(example)
        else:
            parse(example)


def test_the_examples_of_the_page_of_secrets_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    configuration, recording = blocks(page("docs/secrets.md"), "yaml")
    Path("replies.yaml").write_text(recording)

    parses_as_config(configuration)

    assert len(load_replies(Path("replies.yaml")).replies[0].turns) == 3


def test_a_part_of_a_section_leaves_the_rest_of_it_as_it_is_built_in() -> None:
    routing, signal = list(blocks(page("docs/policy.md"), "yaml"))[:2]
    built_in = parse_policy(presets()["default"].read_bytes(), "default")

    part = parse_policy(routing, "policy.yaml").routing
    assert part.fast_max_score == 5
    assert part.always_strong_if == built_in.routing.always_strong_if
    rule = parse_policy(signal, "policy.yaml").signals["auth_code"]
    assert (rule.points, rule.paths) == (9, built_in.signals["auth_code"].paths)


def test_what_is_said_to_stay_text_stays_text() -> None:
    told = next(line for line in page("docs/policy.md").splitlines() if "All of these stay text" in line)
    following = page("docs/policy.md").split(told)[1].splitlines()[1]
    plain = words(told.split("text:")[1] + following)
    assert {"no", "on", "12:30"} <= set(plain)
    for text in plain:
        assert yamlfile.parse(f"key: {text}").data == {"key": text}


def test_the_built_in_providers_are_listed_as_they_are() -> None:
    rows = next(rows for _, rows in tables(page("docs/config.md")) if rows[0][0] == "Name")[1:]

    assert [word(row[0]) for row in rows] == list(config.BUILT_IN)
    for row in rows:
        known = config.BUILT_IN[word(row[0])]
        assert [word(row[1]), word(row[2])] == [known.wire, known.base_url]
        assert row[3] == (f"`{known.key_env}`" if known.key_env else "none needed, `free`")
        assert known.free is not bool(known.key_env)


# --- exit codes and commands -------------------------------------------------------------------------------


def test_the_exit_codes_are_those_of_the_program() -> None:
    rows = {int(word(row[0])): row for row in table("docs/exit-codes.md", "Exit codes")}
    source = "".join((ROOT / "src/route_agent" / name).read_text() for name in ("__main__.py", "cli/edge.py"))
    fixed = {int(code) for code in re.findall(r"(?:sys\.exit\(|INTERRUPTED = )(\d+)", source)}

    def codes(error: type[RouteError]) -> set[int]:
        return {error.exit_code}.union(*map(codes, error.__subclasses__()))

    assert {70, 130, 141} <= fixed
    assert set(rows) == codes(RouteError) | {verdict.exit_code for verdict in Verdict} | fixed
    for code, row in rows.items():
        assert words(row[1]) == [it.name.lower() for it in Verdict if it.exit_code == code]


def test_the_page_of_commands_is_what_the_script_prints() -> None:
    printed = subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_docs.py"], capture_output=True, text=True, check=True
    ).stdout

    assert page("docs/commands.md") == printed, "run: python scripts/generate_docs.py > docs/commands.md"


def test_every_option_of_the_command_line_is_on_that_page() -> None:
    where = ("app", "options", "policy_commands", "outcome_commands", "gate_commands", "ledger_commands")
    source = "".join((ROOT / f"src/route_agent/cli/{name}.py").read_text() for name in where)
    options = set(re.findall(r'"(--?[a-zA-Z][a-z-]*)"', source)) - {"-h", "--help"}
    commands = {
        name.replace("_", "-")
        for name in re.findall(
            r"^(?:@app\.command.*?\n|    app\.command\(\)\()(?:def )?(\w+)", source, re.MULTILINE
        )
    }

    assert {"--task", "-C", "-v", "--class", "--false-accept", "--rounds"} <= options
    assert "gate" in commands
    text = page("docs/commands.md")
    assert not {name for name in options if not re.search(rf"`{name}[ `]", text)}
    assert not {name for name in commands if f"## `route-agent {name}`" not in text}


# --- ROUTING.md, limits, contributing ----------------------------------------------------------------------


def built_in() -> Policy:
    return parse_policy(presets()["default"].read_bytes(), "default")


COUNTED = (
    "files", "lines", "hunks", "file_kinds", "test_failures", "cross_module", "churn", "past_escalations", "past_reverts",
)  # fmt: skip


def test_the_signals_of_routing_md_have_the_points_of_the_policy() -> None:
    rows = {word(row[0]): row for row in table("ROUTING.md", "Score")}

    assert list(rows) == [name for name, _ in risk.SIGNALS]
    for name, rule in built_in().signals.items():
        counted = name in COUNTED
        assert rows[name][1] == (f"{rule.points} each" if counted else str(rule.points)), name
        assert rows[name][2] == ("–" if rule.max_points is None else str(rule.max_points)), name


def test_the_formula_is_the_same_everywhere_and_the_example_adds_up() -> None:
    (formula,) = (
        line.removeprefix("score = ")
        for line in page("ROUTING.md").splitlines()
        if line.startswith("score = ")
    )
    assert formula in str(risk.__doc__)
    for document in DOCUMENTS:
        told = " ".join(document.read_text().split())
        assert told.count("min(files") == told.count(formula), document.name
    assert formula in presets()["default"].read_text()

    change = Change("a", "b", tuple(FileChange(f"{n}.py", "100644", "100644", "a", "b") for n in range(4)))
    facts = risk.Facts(brief="", change=change, unknown_symbols=("retry",), failures=2)
    assert risk.assess(facts, built_in()).score == 11
    assert "4 + 4 + 3 = 11, strong" in page("ROUTING.md")


def test_lanes_thresholds_and_conditions_of_routing_md_are_those_of_the_policy() -> None:
    text, known = " ".join(page("ROUTING.md").split()), built_in()
    low, top = known.routing.ladder

    assert f"Ladder: `{low}` → `{top}`." in text
    assert (
        f"Score up to {known.routing.fast_max_score}: start at `{low}`. "
        f"From {known.routing.strong_min_score}: start at `{top}`." in text
    )
    always = ", ".join(f"`{name}`" for name in known.routing.always_strong_if)
    assert f"Always `{top}`, whatever the score: {always}." in text
    assert f"has all five words: {', '.join(f'`{it}`' for it in known.routing.escalate_on)}." in text
    for row in table("ROUTING.md", "Lanes and ladder"):
        assert words(row[1]) == [entry.model for entry in known.models[word(row[0])][:2]]


def test_the_projects_own_policy_is_as_routing_md_says() -> None:
    text = (ROOT / policy.POLICY_PATH).read_text()
    own, known = parse_policy(text, policy.POLICY_PATH), built_in()

    assert own.routing.ladder == ("fixer", *known.routing.ladder)
    assert own.models["fixer"][0].run == (("ruff", "check", "--fix", "."),)
    assert own.routing.model_copy(update={"ladder": known.routing.ladder}) == known.routing
    assert (own.signals, own.accept, own.limits) == (known.signals, known.accept, known.limits)
    assert [check.name for check in own.checks] == ["pytest", "ruff", "mypy"]


def test_every_failure_class_is_explained_with_its_word() -> None:
    rows = {word(row[0]): row for row in table("ROUTING.md", "Failures, and what follows")}

    assert sorted(rows) == sorted(failure.value for failure in Failure)
    for failure in Failure:
        spoken = ESCALATION_WORDS.get(failure)
        assert rows[failure.value][3] == (f"`{spoken}`" if spoken else "–")


def test_the_bars_and_budgets_of_routing_md_are_those_of_the_policy() -> None:
    known = built_in()
    head, *rows = next(rows for above, rows in tables(page("ROUTING.md")) if above == "Acceptance")

    assert [word(row[0]) for row in rows] == list(known.accept)
    for row in rows:
        told = {word(key): word(bar) for key, bar in zip(head[1:], row[1:], strict=True) if bar != "–"}
        assert told == {key: bar.value for key, bar in known.accept[word(row[0])].items()}
    limits = known.limits
    assert (
        f"${limits.max_usd:.2f} for a run, ${limits.per_day_usd:.2f} for a day (UTC, all repositories "
        f"together), {limits.max_attempts} attempts, {limits.deadline_s:g} seconds." in page("ROUTING.md")
    )


def test_grades_are_listed_and_the_one_that_is_not_computed_is_named() -> None:
    rows = {word(row[0]): row[2] for row in table("ROUTING.md", "Evidence")}
    source = "".join(it.read_text() for it in Path(str(evidence.__file__)).parent.glob("*.py"))

    assert list(rows) == [grade.value for grade in Grade]
    assert {name for name, computed in rows.items() if computed == "no"} == {
        grade.value for grade in Grade if f"Grade.{grade.name}" not in source
    }
    assert ("The grade `covered` is never given" in page("docs/limits.md")) is (rows["covered"] == "no")


def test_the_words_without_effect_are_named_and_no_others() -> None:
    rows = {word(row[0]): row[1] for row in table("docs/limits.md", "What each word of `escalate_on` does")}

    assert list(rows) == list(get_args(EscalationWord))
    for name, effect in rows.items():
        answered = [failure.value for failure, spoken in ESCALATION_WORDS.items() if spoken == name]
        assert effect.startswith("yes") is bool(answered)
        assert sorted(words(effect)) == sorted(answered)


def test_the_layers_of_contributing_md_are_those_of_the_layer_test() -> None:
    rows = table("CONTRIBUTING.md", "Layers")

    assert [set(words(row[1])) for row in rows] == list(reversed(LAYERS))


def test_the_changelog_speaks_of_the_version_in_pyproject() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]

    assert re.search(rf"\b{re.escape(version)}\b", page("CHANGELOG.md"))


# --- links -------------------------------------------------------------------------------------------------


def anchors(document: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", without_code(document.read_text()), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_relative_link_leads_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document.read_text())):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (document.parent / path) if path else document
        assert file.exists(), f"{document.name}: {target}"
        assert not anchor or anchor in anchors(file), f"{document.name}: {target}"
