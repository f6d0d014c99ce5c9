"""What `doctor` finds wrong in real repositories, and which cure it names."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from route_agent import places, trust
from route_agent.cli.doctor import collect, doctor, isolation_cure
from route_agent.cli.facts import Item
from route_agent.cli.lanes import price_known
from route_agent.config import load_config
from route_agent.policy import POLICY_PATH
from route_agent.sandbox.programs import missing_program

KEY = "sk-of-nobody-0123456789"
CHECKS = "checks:\n  - {name: lint, kind: lint, run: [lint-it]}\n"


@dataclass
class Project:
    """A repository with one commit, and the environment in which it is looked at."""

    root: Path
    environment: dict[str, str] = field(default_factory=dict)

    def git(self, *arguments: str) -> None:
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        subprocess.run(["git", *identity, *arguments], cwd=self.root, check=True, capture_output=True)

    def write(self, path: str, text: str, mode: int = 0o644) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def commit(self, path: str, text: str) -> None:
        self.write(path, text)
        self.git("add", path)
        self.git("commit", "--quiet", "--message", "x")

    def tool(self, name: str, script: str = "exit 0") -> None:
        """A program on the PATH of the environment."""
        self.write(f"../tools/{name}", f"#!/bin/sh\n{script}\n", mode=0o755)

    def items(self) -> list[Item]:
        return list(collect(self.root, self.environment))

    def item(self, name: str) -> Item:
        return next(item for item in self.items() if item.name == name)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Everything in order: a policy that is committed, its check at hand, one key set."""
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    made = Project(tmp_path / "project")
    made.root.mkdir()
    made.git("init", "--quiet")
    made.commit(POLICY_PATH, f"version: 1\n{CHECKS}")
    made.tool("lint-it")
    made.tool("git", f'exec {shutil.which("git")} "$@"')
    made.environment = {"PATH": str(tmp_path / "tools"), "ANTHROPIC_API_KEY": KEY}
    return made


def configured(text: str) -> None:
    places.config_file().parent.mkdir(parents=True, exist_ok=True)
    places.config_file().write_text(text)


def test_a_project_in_order_has_nothing_bad(project: Project) -> None:
    bad = [item for item in project.items() if item.status == "bad"]

    assert bad == []
    assert project.item("lane fast").detail == (
        "anthropic claude-haiku-5-5, ANTHROPIC_API_KEY is set, price known"
    )
    assert project.item("check lint").status == "ok"
    assert project.item("policy").detail.endswith(", committed")


# --- what the command prints -------------------------------------------------------------------------------


@pytest.fixture
def in_place(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    """The command itself reads the process's own environment."""
    project.items()
    monkeypatch.setenv("PATH", f"{project.environment['PATH']}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("ANTHROPIC_API_KEY", KEY)
    return project


def test_says_ok_and_returns_0_when_nothing_is_in_the_way(
    in_place: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(in_place.root, as_json=False) == 0

    told = capsys.readouterr().out
    assert "ok    check lint" in told
    assert "0 bad" in told


def test_says_bad_with_the_cure_and_returns_6_when_runs_are_impossible(
    in_place: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    (in_place.root.parent / "tools" / "lint-it").unlink()

    assert doctor(in_place.root, as_json=False) == 6

    lines = capsys.readouterr().out.splitlines()
    [number] = [number for number, line in enumerate(lines) if line.startswith("bad   check lint")]
    assert lines[number].endswith("lint-it is not in .venv/bin and not on the PATH")
    assert lines[number + 1].strip() == "→ install it in .venv or on the PATH"


@pytest.mark.parametrize("fine", [True, False])
def test_json_is_one_object_and_nothing_else(
    in_place: Project, capsys: pytest.CaptureFixture[str], fine: bool
) -> None:
    if not fine:
        (in_place.root.parent / "tools" / "lint-it").unlink()

    code = doctor(in_place.root, as_json=True)

    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["ok"], code) == (1, fine, 0 if fine else 6)
    assert {tuple(item) for item in told["items"]} == {("name", "status", "detail", "cure")}
    assert {item["status"] for item in told["items"]} <= {"ok", "warn", "bad"}


@pytest.mark.parametrize("as_json", [True, False])
def test_names_keys_and_never_shows_them(
    in_place: Project, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    doctor(in_place.root, as_json=as_json)

    told = capsys.readouterr().out
    assert "ANTHROPIC_API_KEY" in told
    assert KEY not in told


def test_a_name_cannot_command_the_terminal(in_place: Project, capsys: pytest.CaptureFixture[str]) -> None:
    in_place.commit(POLICY_PATH, 'version: 1\nchecks:\n  - {name: a, run: ["\\e[2Jx[red]"]}\n')

    doctor(in_place.root, as_json=False)

    told = capsys.readouterr().out
    assert "\x1b[2J" not in told
    assert "[2Jx[red] is not in .venv/bin" in told


# --- repository and policy ---------------------------------------------------------------------------------


def test_outside_a_repository(project: Project, tmp_path: Path) -> None:
    [item] = [item for item in collect(tmp_path, project.environment) if item.name == "repository"]

    assert (item.status, item.cure) == ("bad", "run it in a checkout, or pass -C DIR")


def test_a_merge_under_way_is_bad_and_the_rest_is_still_told(project: Project) -> None:
    project.write(".git/MERGE_HEAD", "")

    assert project.item("repository").detail.startswith("a merge is under way")
    assert project.item("check lint").status == "ok"


def test_a_shallow_clone_is_told(project: Project, tmp_path: Path) -> None:
    project.commit("a", "a")
    subprocess.run(
        ["git", "clone", "--quiet", "--depth=1", project.root.as_uri(), str(tmp_path / "shallow")], check=True
    )
    project.root = tmp_path / "shallow"

    assert project.item("repository").cure == "git fetch --unshallow, or fetch-depth: 0 in CI"


@pytest.mark.parametrize(
    ("committed", "working", "expected"),
    [
        ("version: 1\n" + CHECKS, "version: 1\n" + CHECKS + "limits: {}\n", ["ok", "warn was changed"]),
        ("version: 1\n" + CHECKS, "version: 2\n", ["ok", "warn was changed", "warn policy.yaml:1: version"]),
        ("version: 1\n" + CHECKS, None, ["ok", "warn deleted in the working tree"]),
        ("verson: 1\n", "verson: 1\n", ['bad unknown key "verson"']),
        ("verson: 1\n", "version: 1\n", ['bad unknown key "verson"', "warn was changed"]),
    ],
    ids=["changed", "changed and broken", "deleted", "broken", "mended, but not committed"],
)
def test_only_the_committed_policy_is_in_force(
    project: Project, committed: str, working: str | None, expected: list[str]
) -> None:
    project.commit(POLICY_PATH, committed + "# another\n")
    if working is None:
        (project.root / POLICY_PATH).unlink()
    else:
        project.write(POLICY_PATH, working + "# another\n")

    items = [item for item in project.items() if item.name == "policy"]

    assert [item.status for item in items] == [words.partition(" ")[0] for words in expected]
    assert all(words.partition(" ")[2] in item.detail for item, words in zip(items, expected, strict=True))


def without_policy(project: Project) -> None:
    project.git("rm", "--quiet", POLICY_PATH)
    project.git("commit", "--quiet", "--message", "x")


def test_without_a_policy_the_checks_that_are_found_count(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", project.environment["PATH"])
    without_policy(project)
    project.commit("ruff.toml", "")

    assert project.item("policy").cure == "route-agent init"
    assert project.item("check ruff").status == "bad"
    assert project.item("lane fixer").detail.startswith("without ruff check --fix .: ruff is not in")


def test_a_policy_that_is_not_committed_is_not_in_force(project: Project) -> None:
    without_policy(project)
    project.commit("ruff.toml", "")
    project.write(POLICY_PATH, "version: 1\n")

    told = [(item.status, item.detail) for item in project.items() if item.name == "policy"]

    assert told[1] == ("warn", f"not in force: {POLICY_PATH} is not committed")


def test_without_any_check_runs_are_impossible(project: Project) -> None:
    without_policy(project)
    project.commit("README.md", "")

    assert project.item("checks").status == "bad"
    assert "route-agent init" in project.item("checks").cure


def test_exposures_are_in_effect_only_when_trusted(project: Project) -> None:
    text = "version: 1\nchecks:\n  - {name: e2e, run: [lint-it], network: host}\n"
    project.commit(POLICY_PATH, text)

    assert project.item("exposure").cure == "route-agent trust"
    trust.record(project.root, text.encode())
    assert project.item("exposure").status == "ok"


# --- lanes, models, prices ---------------------------------------------------------------------------------


def test_without_any_key_no_lane_can_run(project: Project) -> None:
    del project.environment["ANTHROPIC_API_KEY"]

    lane = project.item("lane strong")

    assert lane.status == "bad"
    assert lane.cure == "set one of them: ANTHROPIC_API_KEY, OPENAI_API_KEY, OPENROUTER_API_KEY"


def test_a_missing_key_is_only_a_warning_while_another_lane_can_run(project: Project) -> None:
    models = """models:
  fast: {provider: ollama, model: qwen}
  strong: {provider: openai, model: gpt-6.1-sol}
"""
    project.commit(POLICY_PATH, f"version: 1\n{CHECKS}{models}")

    assert project.item("lane strong").status == "warn"
    assert project.item("lane fast").detail == "ollama qwen, needs no key, price known"


def test_the_first_entry_with_a_key_is_the_one_in_use(project: Project) -> None:
    project.environment = {"PATH": project.environment["PATH"], "OPENAI_API_KEY": KEY}

    assert project.item("lane fast").detail.startswith("openai gpt-6-luna, OPENAI_API_KEY is set")


def lanes(provider: str, model: str) -> str:
    entry = f"{{provider: {provider}, model: {model}}}"
    return f"version: 1\n{CHECKS}models:\n  fast: {entry}\n  strong: {entry}\n"


def test_a_model_that_the_price_table_does_not_know_is_told_with_the_nearest_name(project: Project) -> None:
    project.commit(POLICY_PATH, lanes("anthropic", "claude-haiku-5-9"))

    item = project.item("model claude-haiku-5-9")

    assert item.status == "warn"
    assert item.detail.startswith("unknown to the price table of genai-prices ")
    assert item.cure == "check its name; the nearest known one is claude-haiku-5-5"
    assert project.item("lane fast").detail.endswith("price unknown")


def test_a_rate_of_ones_own_answers_for_the_price(project: Project) -> None:
    project.commit(POLICY_PATH, lanes("anthropic", "claude-haiku-5-9"))
    configured("rates:\n  claude-haiku-5-9: {input_usd: 1.0, output_usd: 2.0}\n")

    assert price_known("anthropic", "claude-haiku-5-9", load_config())
    assert project.item("lane fast").detail.endswith("price known")
    assert not [item for item in project.items() if item.name.startswith("model ")]


def test_a_fallback_without_a_price_is_told_as_well(project: Project) -> None:
    spare = "fallbacks: [{provider: openai, model: gpt-of-nobody}]"
    first = "fast: {provider: anthropic, model: claude-haiku-5-5}"
    policy = lanes("anthropic", "claude-haiku-5-5").replace(first, f"{first[:-1]}, {spare}}}")
    project.commit(POLICY_PATH, policy)

    assert project.item("model gpt-of-nobody").status == "warn"


def test_a_gateway_of_ones_own_has_no_price_until_it_is_told(project: Project) -> None:
    project.commit(POLICY_PATH, lanes("lab", "team-fast"))
    configured("providers:\n  lab: {base_url: https://lab.example/v1, key_env: ANTHROPIC_API_KEY}\n")

    item = project.item("model team-fast")

    assert item.detail == "the price table knows no provider lab"
    assert str(places.config_file()) in item.cure


def test_an_unknown_provider_is_bad_and_the_known_ones_are_named(project: Project) -> None:
    project.commit(POLICY_PATH, lanes("lab", "team-fast"))

    assert project.item("lane fast").status == "bad"
    assert "known: anthropic, ollama, openai, openrouter" in project.item("lane fast").detail


def test_a_broken_configuration_is_bad_and_the_rest_is_still_told(project: Project) -> None:
    configured("nonsense: 1\n")

    assert 'unknown key "nonsense"' in project.item("config").detail
    assert project.item("check lint").status == "ok"


# --- programs ----------------------------------------------------------------------------------------------


def test_an_old_git_is_bad(project: Project) -> None:
    project.tool("git", "echo git version 2.20.1")

    item = project.item("git")

    assert (item.status, item.detail) == ("bad", "2.20.1 is older than 2.31")


def test_no_git_is_bad(project: Project) -> None:
    (project.root.parent / "tools" / "git").unlink()

    assert project.item("git").detail == "not found on the PATH"


def test_the_projects_own_environment_goes_before_the_path(tmp_path: Path) -> None:
    tool = tmp_path / ".venv" / "bin" / "ruff"
    tool.parent.mkdir(parents=True)
    tool.touch(mode=0o755)

    assert missing_program(("ruff", "check"), tmp_path, {"PATH": ""}) == ""
    assert missing_program(("black", "."), tmp_path, {"PATH": ""}).startswith("black is not in .venv/bin")


def test_a_program_that_a_patch_could_bring_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "ruff").touch(mode=0o755)

    assert missing_program(("ruff", "check"), tmp_path, {"PATH": str(tmp_path / "bin")}) != ""


def test_a_script_of_the_repository_is_found_from_its_root(tmp_path: Path) -> None:
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "test").touch(mode=0o755)

    assert missing_program(("scripts/test",), tmp_path, {"PATH": ""}) == ""
    assert missing_program(("./scripts/lint",), tmp_path, {"PATH": ""}) != ""


def test_a_module_that_python_would_run_is_looked_for(tmp_path: Path) -> None:
    def missing(module: str) -> str:
        return missing_program(("python3", "-m", module, "-q"), tmp_path, dict(os.environ))

    assert missing("unittest") == ""
    assert missing("no_such_module_anywhere").endswith("has no module no_such_module_anywhere")
    (tmp_path / "no_such_module_anywhere.py").touch()
    assert missing("no_such_module_anywhere") == ""


@pytest.mark.parametrize("installed", [True, False])
def test_the_repositorys_own_python_is_looked_at_and_not_run(tmp_path: Path, installed: bool) -> None:
    python = tmp_path / ".venv" / "bin" / "python3"
    packages = tmp_path / ".venv" / "lib" / "python3.99" / "site-packages"
    python.parent.mkdir(parents=True)
    python.write_text(f"#!/bin/sh\ntouch {tmp_path}/was-run\n")
    python.chmod(0o755)
    packages.mkdir(parents=True)
    if installed:
        (packages / "pytest").mkdir()

    missing = missing_program(("python3", "-m", "pytest"), tmp_path, {"PATH": ""})

    assert (missing == "") is installed
    assert not (tmp_path / "was-run").exists()


def test_a_check_for_some_files_only_may_be_missing(project: Project) -> None:
    project.commit(POLICY_PATH, 'version: 1\nchecks:\n  - {name: go, run: [go-x], when: ["**/*.go"]}\n')

    assert project.item("check go").status == "warn"


# --- isolation ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bwrap is not installed")
def test_the_real_bwrap_is_tried_and_its_version_told(project: Project) -> None:
    project.environment["PATH"] += os.pathsep + os.environ["PATH"]

    item = project.item("isolation")

    assert item.detail.startswith(("namespaces (bubblewrap ", "NONE: bwrap: "))
    assert bool(item.cure) is item.detail.startswith("NONE")


def test_without_bwrap_the_package_is_named(project: Project) -> None:
    assert project.item("isolation").status == "warn"
    assert "apt install bubblewrap" in project.item("isolation").cure


def test_a_bwrap_that_does_nothing_is_not_taken_for_walls(project: Project) -> None:
    project.tool("bwrap", "exit 0")

    assert project.item("isolation").detail == "NONE: bwrap did not start"


def test_missing_walls_are_bad_where_the_user_requires_them(project: Project) -> None:
    configured("least_isolation: namespaces\n")

    assert project.item("isolation").status == "bad"


def test_keys_do_not_reach_the_probe(project: Project, tmp_path: Path) -> None:
    project.tool("bwrap", f"/usr/bin/env > {tmp_path}/seen")

    project.items()

    seen = (tmp_path / "seen").read_text()
    assert "PATH=" in seen
    assert KEY not in seen


@pytest.mark.parametrize(
    ("said", "cure"),
    [
        ("bwrap: setting up uid map: Permission denied", "kernel.apparmor_restrict_unprivileged_userns=0"),
        (
            "bwrap: loopback: Failed RTM_NEWADDR: Operation not permitted",
            "apparmor_restrict_unprivileged_userns=0",
        ),
        (
            "bwrap: Creating new namespace failed: nesting depth or /proc/sys/user/max_*_namespaces exceeded",
            "user.max_user_namespaces",
        ),
        ("bwrap: No permissions to create new namespace, likely because", "seccomp=unconfined"),
        ("bwrap: Can't mount proc on /newroot/proc: Operation not permitted", "systempaths=unconfined"),
        ("bwrap: Failed to make / slave: Permission denied", "apparmor=unconfined"),
        ("bwrap: something new", "mend what bwrap names"),
    ],
)
def test_what_bwrap_says_leads_to_its_cure(project: Project, said: str, cure: str) -> None:
    project.tool("bwrap", f'echo "{said}" >&2; exit 1')

    item = project.item("isolation")

    assert (item.status, item.detail) == ("warn", f"NONE: {said}")
    assert cure in item.cure
    assert item.cure == isolation_cure(said)


# --- folders and ledger ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "folder", "status"),
    [
        ("config folder", lambda: places.config_file().parent, "warn"),
        ("state folder", places.state_dir, "bad"),
        ("cache folder", lambda: places.repository_cache(Path(".git")).parent, "bad"),
    ],
)
def test_a_folder_that_cannot_be_written_is_told(
    project: Project, name: str, folder: Callable[[], Path], status: str
) -> None:
    folder().parent.parent.mkdir(parents=True, exist_ok=True)
    folder().parent.write_text("a file stands in the way")

    item = next(item for item in project.items() if item.name == name)

    assert item.status == status
    assert str(folder()) in item.detail


def ledger(project: Project) -> Item:
    return project.item("ledger")


def test_no_ledger_yet_is_fine_and_none_is_made(project: Project) -> None:
    assert ledger(project).detail.endswith("ledger.sqlite3 (none yet)")
    assert not places.state_dir().exists()


def test_a_sound_ledger_is_left_byte_for_byte_as_it_is(project: Project) -> None:
    file = places.state_dir() / "ledger.sqlite3"
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as made:
        made.execute("pragma journal_mode = wal")
        made.execute("create table run (id)")
    before = file.read_bytes()

    assert ledger(project).status == "ok"
    assert file.read_bytes() == before


def test_a_damaged_ledger_is_bad_and_is_not_touched(project: Project) -> None:
    file = places.state_dir() / "ledger.sqlite3"
    file.parent.mkdir(parents=True)
    file.write_bytes(b"this is no database, but it is long enough to be read as a page of one" * 20)

    item = ledger(project)

    assert item.status == "bad"
    assert "file is not a database" in item.detail
    assert item.cure.startswith("keep a copy")
    assert file.read_bytes().startswith(b"this is no database")


# --- agents and fixers -------------------------------------------------------------------------------------

AGENT = """\
models:
  agent: {provider: command, preset: claude, env: [AGENT_KEY]}
  fast: {provider: anthropic, model: claude-haiku-5-5}
  duel: {provider: race, race: [agent, fast]}
routing: {ladder: [agent, fast]}
reproduce: {when: []}
verify: {critique: never}
"""


def test_says_what_an_agent_lane_lacks_one_thing_after_the_other(project: Project) -> None:
    project.commit(POLICY_PATH, f"version: 1\n{AGENT}{CHECKS}")

    def told() -> tuple[str, str]:
        item = project.item("lane agent")
        return item.status, item.detail

    assert project.item("exposure").detail == (
        "lane agent: runs claude with network and AGENT_KEY, which is not in effect"
    )
    assert told()[1].startswith("claude is not allowed to run as an agent here")
    assert project.item("lane agent").cure.startswith("route-agent trust")
    configured("commands: {claude: [AGENT_KEY]}\n")
    assert told() == ("warn", "claude is not on the PATH")
    project.tool("claude")
    assert told() == ("warn", "AGENT_KEY is not set")
    assert project.item("lane duel").detail == "it cannot race without agent: AGENT_KEY is not set"
    project.environment["AGENT_KEY"] = "of nobody"
    tools = project.environment["PATH"]
    assert told() == (
        "ok",
        f"agent claude ({tools}/claude) with network and AGENT_KEY, which you allow; tells its cost",
    )
    assert project.item("lane duel").detail == "race of agent and fast"


def test_a_fixer_that_is_not_installed_is_told(project: Project) -> None:
    fixer = "models:\n  fixer: {provider: fixer, run: [[no-such-tidier, .], [lint-it, --fix]]}\n"
    fixer += "  fast: {provider: anthropic, model: claude-haiku-5-5}\nrouting: {ladder: [fixer, fast]}\n"
    project.commit(POLICY_PATH, f"version: 1\n{fixer}{CHECKS}")

    shown = [(item.status, item.detail) for item in project.items() if item.name == "lane fixer"]

    assert (
        "warn",
        "without no-such-tidier .: no-such-tidier is not in .venv/bin and not on the PATH",
    ) in shown
