"""The trust list in the user's own file: edited as text, and nothing else of the file is touched."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from route_agent import places, trust
from route_agent.config import Config, load_config
from route_agent.errors import ConfigError
from route_agent.policy import parse_policy

POLICY = b"version: 1\n"


@pytest.fixture
def config_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name.lower()))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(tmp_path / "site"))
    return places.config_file()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "a project"
    folder.mkdir()
    return folder


def written(file: Path, text: str) -> str:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode())
    return text


def trusted(repository: Path, content: bytes = POLICY) -> bool:
    return trust.is_trusted(load_config(), repository, content)


def test_trusts_the_recorded_content_and_no_other(
    config_file: Path, repository: Path, tmp_path: Path
) -> None:
    trust.record(repository, POLICY)

    assert trusted(repository)
    assert not trusted(repository, POLICY + b"\n")
    assert not trusted(tmp_path)


def test_a_new_file_can_be_read_by_its_owner_only(config_file: Path, repository: Path) -> None:
    trust.record(repository, POLICY)

    assert config_file.stat().st_mode & 0o777 == 0o600
    assert config_file.parent.stat().st_mode & 0o777 == 0o700


def test_an_old_file_keeps_its_mode(config_file: Path, repository: Path) -> None:
    written(config_file, "# mine\n")
    config_file.chmod(0o640)

    trust.record(repository, POLICY)

    assert config_file.stat().st_mode & 0o777 == 0o640


ENTRY = "{repository: /elsewhere, sha256: abc}"
FILES = {
    "comments only": "# mine\n",
    "empty": "",
    "no newline at the end": "least_isolation: none",
    "another section": "providers:\n  lab:  # ours\n    base_url: https://lab.example/v1\n# the end\n",
    "a list": f"# first\ntrust:\n  # before\n  - {ENTRY}  # beside\n# after\nleast_isolation: none\n",
    "a list without indentation": f"trust:\n- {ENTRY}\nleast_isolation: none\n",
    "a list at the very end": f"trust:\n  - {ENTRY}",
    "entries over two lines": "trust:\n  - repository: /elsewhere\n    sha256: abc  # beside\n\n# after\n",
    "an empty list": "trust: []  # nobody yet\nleast_isolation: none\n",
    "an empty list on its own line": "trust:  # nobody yet\n  []\nleast_isolation: none\n",
    "a list on one line": f"trust: [{ENTRY}]  # beside\nleast_isolation: none\n",
    "a list in brackets": f"trust: [\n  {ENTRY},  # beside\n]\nleast_isolation: none\n",
    "a list in brackets, no last comma": f"trust: [\n  {ENTRY}  # beside\n]\n",
    "line ends of another system": f"# mine\r\ntrust:\r\n  - {ENTRY}\r\nleast_isolation: none\r\n",
    "a mark at the beginning": "\ufeffleast_isolation: none\n",
    "a quoted key": f'"trust" : [{ENTRY}]\n',
}


def words(text: str) -> list[str]:
    return text.translate(str.maketrans("[],", "   ")).split()


@pytest.mark.parametrize("case", FILES)
def test_recording_adds_one_entry_and_keeps_every_word_of_the_file(
    config_file: Path, repository: Path, case: str
) -> None:
    before = written(config_file, FILES[case])
    known = load_config()

    trust.record(repository, POLICY)

    after = config_file.read_bytes().decode()
    assert trusted(repository)
    assert load_config().trust[:-1] == known.trust
    assert load_config().model_copy(update={"trust": ()}) == known.model_copy(update={"trust": ()})
    kept = iter(words(after))
    assert all(word in kept for word in words(before))
    assert ("\r\n" in before) == ("\r\n" in after)
    assert after.count("\r") in (0, after.count("\n"))


@pytest.mark.parametrize("case", FILES)
def test_forgetting_undoes_recording_and_keeps_the_other_entries(
    config_file: Path, repository: Path, case: str
) -> None:
    written(config_file, FILES[case])
    known = load_config()
    trust.record(repository, POLICY)
    trust.record(repository, b"another version")

    trust.forget(repository)

    assert load_config() == known
    assert words(config_file.read_bytes().decode()) in (words(FILES[case]), [*words(FILES[case]), "trust:"])


def test_forgetting_the_last_entry_leaves_a_file_that_can_be_read(
    config_file: Path, repository: Path
) -> None:
    trust.record(repository, POLICY)

    trust.forget(repository)

    assert load_config().trust == ()
    assert not trusted(repository)


def test_recording_twice_is_recording_once(config_file: Path, repository: Path) -> None:
    trust.record(repository, POLICY)
    once = config_file.read_bytes()

    trust.record(repository, POLICY)

    assert config_file.read_bytes() == once


def test_forgetting_what_was_never_recorded_writes_nothing(config_file: Path, repository: Path) -> None:
    trust.forget(repository)

    assert not config_file.exists()


@pytest.mark.parametrize("text", ["{least_isolation: none}\n", "least_isolation: none\n...\n"])
def test_a_file_that_cannot_be_edited_safely_is_left_as_it_is(
    config_file: Path, repository: Path, text: str
) -> None:
    written(config_file, text)

    with pytest.raises(ConfigError, match="cannot be edited"):
        trust.record(repository, POLICY)

    assert config_file.read_text() == text
    assert [file.name for file in config_file.parent.iterdir()] == [config_file.name]


def test_a_file_with_a_fault_is_left_as_it_is_and_the_fault_is_named(
    config_file: Path, repository: Path
) -> None:
    written(config_file, "providrs: {}\n")

    with pytest.raises(ConfigError, match=r'config.yaml:1: unknown key "providrs"'):
        trust.record(repository, POLICY)

    assert config_file.read_text() == "providrs: {}\n"


def test_a_linked_file_stays_a_link(config_file: Path, repository: Path, tmp_path: Path) -> None:
    real = tmp_path / "dotfiles" / "route-agent.yaml"
    written(real, "# kept elsewhere\n")
    config_file.parent.mkdir(parents=True)
    config_file.symlink_to(real)

    trust.record(repository, POLICY)

    assert config_file.is_symlink()
    assert real.read_text().startswith("# kept elsewhere\n")
    assert trusted(repository)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_the_file(
    config_file: Path, repository: Path
) -> None:
    config_file.parent.parent.write_text("a file stands in the way")

    with pytest.raises(ConfigError, match=r"config\.yaml: Not a directory"):
        trust.record(repository, POLICY)


@pytest.mark.parametrize(
    "name",
    [
        'quote " and colon: x',
        "ünï 🎉",
        "tab\tnewline\n#",
        b"not utf-8 \xff".decode("utf-8", "surrogateescape"),
    ],
)
def test_any_folder_name_can_be_trusted(config_file: Path, tmp_path: Path, name: str) -> None:
    repository = tmp_path / name
    repository.mkdir()

    trust.record(repository, POLICY)

    assert trusted(repository)


def test_two_that_record_at_once_both_end_in_the_list(config_file: Path, tmp_path: Path) -> None:
    code = "import sys, pathlib; from route_agent import trust; trust.record(pathlib.Path(sys.argv[1]), b'x')"
    names = [str(tmp_path / f"project{number}") for number in range(4)]

    started = [subprocess.Popen([sys.executable, "-c", code, name]) for name in names]

    assert [process.wait(timeout=60) for process in started] == [0] * 4
    assert sorted(entry.repository for entry in load_config().trust) == names


LANES = """\
version: 1
models:
  one: {provider: command, preset: claude, env: [ONE_KEY, ONE_URL]}
  two: [{provider: command, run: [[mender, --task, "{prompt}"]]}, {provider: ollama, model: m}]
  three: {provider: ollama, model: m}
routing: {ladder: [one, two, three]}
reproduce: {when: []}
verify: {critique: never}
checks:
  - {name: unit, run: [make, test], env: [DATABASE_URL]}
  - {name: lint, kind: lint, run: [make, lint]}
"""


def test_what_a_policy_asks_for_is_said_by_check_and_by_lane() -> None:
    assert trust.asked(parse_policy(LANES, "p")) == {
        "unit": "env: DATABASE_URL",
        "lane one": "runs claude with network and ONE_KEY and ONE_URL",
        "lane two": "runs mender --task '{prompt}' with network",
    }


VARIABLES = ("ONE_KEY", "ONE_URL")


def test_programs_are_allowed_by_name_and_checks_never() -> None:
    policy = parse_policy(LANES, "p")

    assert trust.allowed_by_name(Config(), policy) == frozenset()
    assert trust.allowed_by_name(Config(commands={"claude": VARIABLES, "codex": ()}), policy) == {"lane one"}


def test_a_program_that_any_policy_may_run_gets_only_the_variables_named_with_it() -> None:
    spec = {"provider": "command", "preset": "claude", "env": ["ANTHROPIC_API_KEY", "AWS_SECRET_ACCESS_KEY"]}
    policy = parse_policy(
        json.dumps(
            {
                "version": 1,
                "models": {"one": spec, "top": {"provider": "openai", "model": "large"}},
                "routing": {"ladder": ["one", "top"]},
            }
        ),
        "policy.yaml",
    )
    some = Config(commands={"claude": ("ANTHROPIC_API_KEY",)})
    both = Config(commands={"claude": ("AWS_SECRET_ACCESS_KEY", "ANTHROPIC_API_KEY", "OTHER")})

    assert trust.allowed_by_name(some, policy) == frozenset()
    assert trust.allowed_by_name(both, policy) == {"lane one"}


def test_a_command_of_a_policys_own_is_never_allowed_by_a_name() -> None:
    own = LANES.replace("preset: claude", 'run: [[claude, -p, "{prompt}"]]')

    allowed = trust.allowed_by_name(Config(commands={"claude": VARIABLES}), parse_policy(own, "p"))

    assert allowed == frozenset()
