"""What a patch may touch by the policy, and what raises its risk because somebody's tools run it unasked."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest
from sandpit import FIX, POLICY, Sandpit, replies

from route_agent.errors import HostilePatch, PolicyError
from route_agent.patch.guard import judge
from route_agent.policy import NamedPolicy, PathRules, Policy, parse_policy, presets
from route_agent.records.change import Change, FileChange
from route_agent.risk import Facts, assess
from route_agent.routing import route

BUILT_IN = parse_policy(presets()["default"].read_bytes(), "default")
TASK = ("--task", "sums must be right")


def read(text: str) -> Policy:
    return parse_policy(f"version: 1\n{text}\n", "p.yaml")


def change(*paths: str) -> Change:
    return Change("a", "b", tuple(FileChange(path, "100644", "100644", "1", "2", 3, 1) for path in paths))


def refused(rules: PathRules, *paths: str) -> str:
    with pytest.raises(HostilePatch) as caught:
        judge(change(*paths), {}, rules=rules)
    return caught.value.what


# --- rules -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("allow", "deny", "paths"),
    [
        ((), (), ("any/thing.py", "Makefile")),
        (("src",), (), ("src/a.py", "src/deep/b.py")),
        (("src/*.py", "docs"), (), ("src/a.py", "docs/x/y.md")),
        ((), ("vendor",), ("src/a.py", "vendored.py")),
        (("*",), ("*.lock",), ("a.py", "deep/b.py")),
    ],
)
def test_what_the_rules_allow_passes(
    allow: tuple[str, ...], deny: tuple[str, ...], paths: tuple[str, ...]
) -> None:
    judge(change(*paths), {}, rules=PathRules(allow=allow, deny=deny))


@pytest.mark.parametrize(
    ("allow", "deny", "paths", "outside"),
    [
        (("src",), (), ("a.py", "src/b.py", "tests/c.py"), "'a.py', 'tests/c.py'"),
        (("src/*.py",), (), ("src/deep/b.py",), "'src/deep/b.py'"),
        ((), ("vendor",), ("src/a.py", "x/vendor/b.py"), "'x/vendor/b.py'"),
        # deny wins, and letter case is no way around it
        (
            ("src",),
            ("src/secret",),
            ("src/secret/x", "SRC/Secret/y", "src/ok"),
            "'src/secret/x', 'SRC/Secret/y'",
        ),
        (("nothing-of-this-name",), (), ("a.py",), "'a.py'"),
    ],
)
def test_what_lies_outside_is_refused_with_all_of_its_paths(
    allow: tuple[str, ...], deny: tuple[str, ...], paths: tuple[str, ...], outside: str
) -> None:
    told = refused(PathRules(allow=allow, deny=deny), *paths)

    assert told == (
        f"patch refused: the policy's paths do not let a patch touch {outside}. Nothing was applied"
    )


def test_an_accent_that_is_composed_otherwise_is_no_way_around_a_rule() -> None:
    composed, apart = (unicodedata.normalize(form, "été") for form in ("NFC", "NFD"))

    assert apart in refused(PathRules(deny=(composed,)), f"{apart}/x.py")
    assert composed in refused(PathRules(deny=(apart,)), f"{composed}/x.py")
    judge(change(f"{apart}/x.py"), {}, rules=PathRules(allow=(composed,)))


def test_the_built_in_policies_let_a_patch_touch_everything() -> None:
    for name, file in presets().items():
        assert parse_policy(file.read_bytes(), name).paths == PathRules()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("paths: {alow: [src]}", 'p.yaml:2: unknown key "alow" in paths (did you mean allow?)'),
        ("paths: {allow: src}", "p.yaml:2: paths.allow: write a list, [src]"),
        ("paths: {deny: ['!src']}", "p.yaml:2: paths.deny.0: string should match pattern"),
        ("paths: {deny: ['']}", "p.yaml:2: paths.deny.0: string should match pattern"),
    ],
)
def test_a_rule_that_would_mean_nothing_is_refused(text: str, told: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read(text)

    assert told in caught.value.what


def test_the_rules_are_part_of_the_policys_hash() -> None:
    assert read("paths: {deny: [vendor]}").hash != read("paths: {deny: [src]}").hash
    assert read("paths: {}").hash == read("").hash


# --- a whole run -------------------------------------------------------------------------------------------


def new_file(path: str) -> str:
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+x = 1\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(
        tmp_path / "pit",
        files={"vendor/a.py": "A = 1\n", "lib/b.py": "B = 1\n"},
        policy=f"{POLICY}paths: {{deny: [vendor, lib]}}\n",
    )


def test_a_run_ends_at_a_path_outside_with_the_whole_list_and_the_next_lane_is_not_asked(
    pit: Sandpit, tmp_path: Path
) -> None:
    # the working tree's policy would allow all of it, and is not in force
    pit.write(".route-agent/policy.yaml", POLICY)
    before = pit.state()
    moved = "diff --git a/lib/b.py b/b.py\nsimilarity index 100%\nrename from lib/b.py\nrename to b.py\n"
    removed = (
        "diff --git a/vendor/a.py b/vendor/a.py\n--- a/vendor/a.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-A = 1\n"
    )
    file = replies(tmp_path, ("fast", FIX + new_file("vendor/new.py") + moved + removed), ("strong", FIX))

    done = pit.run(*TASK, "--replay", str(file), "--json")

    assert (done.exit_code, done.json["verdict"]) == (4, "hostile")
    (attempt,) = done.json["attempts"]
    assert "touch 'lib/b.py', 'vendor/a.py', 'vendor/new.py'. Nothing" in attempt["reason"]
    assert pit.state() == before


def test_a_patch_within_the_rules_is_accepted(pit: Sandpit, tmp_path: Path) -> None:
    done = pit.run(*TASK, "--replay", str(replies(tmp_path, ("fast", FIX))), "--json")

    assert [it["failure"] for it in done.json["attempts"]] == [None]


# --- what is run unasked -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["conftest.py", "tests/deep/conftest.py", "sitecustomize.py", "x/evil.pth", "setup.py", "pyproject.toml",
     "tox.ini", "noxfile.py", "Makefile", "sub/GNUmakefile", "justfile", "Taskfile.yml", "build.rs", "build.gradle",
     "app/build.gradle.kts", "package.json", "web/package-lock.json", "poetry.lock", "Cargo.toml", "go.mod",
     "requirements-dev.txt", ".npmrc", ".husky/pre-push", ".githooks/post-merge", ".pre-commit-config.yaml",
     ".gitattributes", ".lfsconfig", ".envrc", ".vscode/tasks.json", "sub/.vscode/settings.json",
     ".idea/workspace.xml", ".devcontainer/devcontainer.json", "AGENTS.md", "docs/CLAUDE.md", ".cursorrules",
     ".cursor/rules/x.mdc", ".claude/settings.json", ".mcp.json", "vite.config.ts", "pip.conf", "Directory.Build.props"],
)  # fmt: skip
def test_a_file_that_tools_run_unasked_goes_to_the_highest_lane_as_ci_does(path: str) -> None:
    risk = assess(Facts("", change(path)), BUILT_IN)
    found = {signal.name: signal for signal in risk.signals}

    assert found["auto_executed"].points == BUILT_IN.signals["ci_or_deploy"].points == 0
    assert found["auto_executed"].evidence[0].startswith(f"{path} matches ")
    assert route(risk, NamedPolicy("default", BUILT_IN), "other").lane == "strong"


@pytest.mark.parametrize(
    "path",
    ["src/app.py", "build/x.py", "src/configure/a.py", "tests/test_conftest.py", "docs/setup.md", "app.config.ts",
     "makefile_reader.py", "lockfile.py", "README.md", "agents.py", "src/path.py", "templates/package.html"],
)  # fmt: skip
def test_a_file_that_only_sounds_like_it_weighs_nothing(path: str) -> None:
    assert not assess(Facts("", change(path)), BUILT_IN).raised("auto_executed")


@pytest.mark.parametrize(
    "path",
    [".github/workflows/x.yml", ".gitlab-ci.yml", "Jenkinsfile", "Dockerfile", ".travis.yml", "action.yml"],
)
def test_ci_is_counted_once_and_goes_to_the_highest_lane(path: str) -> None:
    risk = assess(Facts("", change(path)), BUILT_IN)

    assert (risk.raised("ci_or_deploy"), risk.raised("auto_executed")) == (True, False)
    assert route(risk, NamedPolicy("default", BUILT_IN), "other").lane == "strong"


def test_ci_strict_sends_it_to_the_highest_lane_as_well() -> None:
    strict = parse_policy(presets()["ci-strict"].read_bytes(), "ci-strict")

    assert "auto_executed" in strict.routing.always_strong_if
    risk = assess(Facts("", change("conftest.py")), strict)
    assert route(risk, NamedPolicy("ci-strict", strict), "other").reasons == ("always strong: auto_executed",)


def test_a_patch_that_brings_in_what_is_run_unasked_belongs_to_the_highest_lane(
    pit: Sandpit, tmp_path: Path
) -> None:
    file = replies(tmp_path, ("fast", FIX + new_file("tests/conftest.py")), ("strong", FIX))

    done = pit.run(*TASK, "--replay", str(file), "--json")

    assert done.exit_code == 0
    first, second = done.json["attempts"]
    assert (first["failure"], second["failure"]) == ("raised", None)
    assert first["reason"] == "this patch belongs to strong: tests/conftest.py matches conftest.py"


def test_a_patch_of_such_a_file_alone_belongs_to_the_highest_lane_too(pit: Sandpit, tmp_path: Path) -> None:
    reply = new_file("Makefile").replace("x = 1", "all:")
    done = pit.run(*TASK, "--replay", str(replies(tmp_path, ("fast", reply), ("strong", FIX))), "--json")

    assert [it["failure"] for it in done.json["attempts"]] == ["raised", None]


def test_the_rules_say_themselves_in_words_for_a_lane() -> None:
    assert str(PathRules(allow=("src", "docs"), deny=("*.lock",))) == "only src, docs; never *.lock"
    assert str(PathRules()) == ""
