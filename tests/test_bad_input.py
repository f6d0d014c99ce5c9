"""Bad input from every side: task, options, policy, configuration, checks, provider, patch, ledger, machine."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from loopback import Fault, Loopback, Reply, encoded
from refusals import TASK, fixing, refused, rows, running, unlike_any_other, untouched
from sandpit import FIX, LIGHT, POLICY, PROGRAM, Sandpit, provider_env

from route_agent import places

if TYPE_CHECKING:
    from loopback import Request, _Handler

NEW = "diff --git a/{0} b/{0}\n{1}--- /dev/null\n+++ b/{0}\n@@ -0,0 +1 @@\n+{2}\n"


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit", policy=LIGHT)


# --- the task ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["", " \t\n ", "\u200b\u2060\ufeff", "\x1b\x07"], ids=ascii)
def test_a_task_that_says_nothing_is_refused(pit: Sandpit, text: str) -> None:
    refused(pit, "--task", text, code=2, says="the task is empty")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the task is empty"),
        (b"fix\0this", "the task is not text: it holds NUL bytes"),
        (b"fix caf\xe9", "the task is not UTF-8 text (byte 7)"),
        ("fix it".encode("utf-16"), "the task is not text"),
        (b"ab " * 3_500_000, "the task is longer than 65,536 bytes"),
    ],
    ids=["empty", "NUL", "latin-1", "UTF-16", "10 MB"],
)
def test_a_task_file_that_is_no_text_is_refused(
    pit: Sandpit, tmp_path: Path, content: bytes, says: str
) -> None:
    file = tmp_path / "task"
    file.write_bytes(content)

    refused(pit, "--task-file", str(file), code=2, says=says)
    piped = subprocess.run(
        [PROGRAM, "--task", "-"], cwd=pit.root, input=content, capture_output=True, check=False
    )
    assert piped.returncode == 2
    assert says in piped.stderr.decode()


def test_an_argument_that_is_not_utf8_or_too_long_is_refused(pit: Sandpit) -> None:
    refused(pit, "--task", os.fsdecode(b"fix caf\xe9"), code=2, says="the task is not UTF-8 text (byte 7)")
    refused(pit, "--task", "a" * 70_000, code=2, says="the task is longer than 65,536 bytes")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--task", "x", "--task-file", "y"), "--task and --task-file exclude each other"),
        (("--task-file", "/nowhere/x"), "/nowhere/x: No such file or directory"),
        (("--task-file", "."), "Is a directory"),
        (("--task-file", "/dev/zero"), "the task is longer than 65,536 bytes"),
    ],
    ids=["two", "missing", "folder", "endless"],
)
def test_a_task_has_one_source_that_can_be_read(pit: Sandpit, arguments: tuple[str, ...], says: str) -> None:
    refused(pit, *arguments, code=2, says=says)


def test_a_closed_standard_input_is_an_empty_task(pit: Sandpit) -> None:
    done = subprocess.run(
        ["sh", "-c", f"exec {PROGRAM} --task - <&-"], cwd=pit.root, capture_output=True, text=True
    )

    assert done.returncode == 2
    assert done.stderr.startswith("error: the task is empty")


@pytest.mark.parametrize("letter", ["+", "@", "a@", "-", "/"])
def test_a_task_made_to_be_slow_to_read_is_read_quickly(pit: Sandpit, letter: str) -> None:
    text = letter * (60_000 // len(letter))

    assert pit.run("explain", "--task", text, timeout=20).exit_code == 0


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("--lane", "fats"), 2, 'unknown lane "fats" (the policy has: fast, strong)'),
        (("--only-lane", "fats"), 2, 'unknown lane "fats"'),
        (("--lane", "fast", "--only-lane", "fast"), 2, "exclude each other"),
        (("--max-usd", "inf"), 2, "--max-usd takes an amount that can be reached"),
        (("-C", "/nowhere"), 2, "/nowhere is not a folder"),
        (("-C", "calc.py"), 2, "calc.py is not a folder"),
        (("--base", "nowhere"), 6, 'there is no commit "nowhere" here'),
        (("--base", "--upload-pack=x"), 6, 'there is no commit "--upload-pack=x" here'),
        (("--base", "HEAD:calc.py"), 6, 'there is no commit "HEAD:calc.py" here'),
        (("--policy", "nowhere"), 2, "no policy nowhere: No such file or directory"),
        (("--policy", "."), 2, "no policy .: Is a directory"),
        (("--replay", "/nowhere"), 2, "/nowhere: No such file or directory"),
        (("--apply", "--commit"), 2, "--apply, --commit and --branch exclude each other"),
        (("--branch", "a..b"), 2, '"a..b" cannot be a branch name'),
        (("--branch", "-x"), 2, '"-x" cannot be a branch name'),
        (("--branch", "main"), 2, 'the branch "main" exists already'),
    ],
    ids=lambda it: " ".join(it) if isinstance(it, tuple) else "",
)
def test_an_option_that_cannot_be_used_is_told_before_any_check_runs(
    pit: Sandpit, arguments: tuple[str, ...], code: int, says: str
) -> None:
    done = refused(pit, *fixing(pit), *arguments, code=code, says=says)

    assert "checks at start" not in done.stderr


@pytest.mark.parametrize(
    "command",
    ["explain", "doctor --json", "init", "trust", "shell-init bash", "gate --base HEAD", "patch apply -",
     "hook install", "hook uninstall"],
)  # fmt: skip
def test_a_folder_is_told_before_or_after_the_command_and_the_nearer_one_counts(
    pit: Sandpit, command: str
) -> None:
    said = {
        position: pit.run(*position.split())
        for position in (
            f"-C nowhere {command}",
            f"{command} -C nowhere",
            f"-C . {command} -C nowhere",
            f"-C elsewhere {command} -C .",
        )
    }

    *missing, found = [done.stdout + done.stderr for done in said.values()]
    for text in missing:
        assert "nowhere is not a folder" in text, said
    assert "not a folder" not in found, said


@pytest.mark.parametrize(
    "arguments",
    [
        ("--max-usd", "nan"),
        ("--max-usd", "-1"),
        ("--timeout", "0"),
        ("--max-attempts", "0"),
        ("--nonsense",),
        ("x",),
    ],
    ids=" ".join,
)
def test_what_the_command_line_does_not_take_is_named(pit: Sandpit, arguments: tuple[str, ...]) -> None:
    done = untouched(pit, *TASK, *arguments)

    assert done.exit_code == 2
    assert "Error: " in done.stderr


@pytest.mark.parametrize("nothing", ["", " \t "], ids=["empty", "blank"])
def test_a_missing_key_is_told_before_any_check_runs(pit: Sandpit, nothing: str) -> None:
    with Loopback() as server:
        without = provider_env(pit, server) | {"OPENAI_API_KEY": nothing, "ANTHROPIC_API_KEY": nothing}

        done = refused(
            pit, *TASK, code=2, says="no key for lane fast: OPENAI_API_KEY is not set", env=without
        )

        assert server.calls == []
    assert "checks at start" not in done.stderr


# --- policy and configuration ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (POLICY.replace("models:", "modles:"), ':2: unknown key "modles" in the file (did you mean models?)'),
        (POLICY.replace("kind:", "knid:"), ':6: unknown key "knid" in checks.0 (did you mean kind?)'),
        (POLICY + "checks: []\n", ':8: "checks" stands twice (first in line 5)'),
        (POLICY.replace("timeout: 60", "timeout: 12:30"), ':6: checks.0.timeout: input should be a valid number'),
        (POLICY.split("checks:")[0] + "checks: pytest -q\n", ":5: checks: write a list, [pytest, -q]"),
        (POLICY.split("checks:")[0] + "checks:\n  - {name: u, run: pytest -q}\n", ":6: checks.0.run: write a list"),
        (POLICY.replace("kind: test", "kind: no"), ':6: checks.0.kind: input should be'),
        (POLICY.replace("openai,", "recorded,"), "recorded replies are only reachable through --replay"),
        (POLICY.replace("openai,", "openai, base_url: https://x,"), ':3: unknown key "base_url"'),
        (POLICY + "routing: {ladder: [fast, srong]}\n", 'names the lane "srong"'),
        (POLICY + "x: &a [1]\n", ":8: anchors and aliases"),
        (POLICY + "---\nversion: 1\n", ":8: not YAML"),
        ("version: 2\n", ":1: version: input should be 1"),
        ("- a\n", ":1: expected keys and values, found a list"),
        ("version: 1\n\tchecks: x\n", ":2: not YAML"),
        ("#" * 300_000, ":1: larger than 256 KiB"),
        (POLICY + f"routing: {'[' * 3000}{']' * 3000}\n", ":8: nested deeper than 32 levels"),
        (POLICY + "routing: {a: " + "[" * 120_000 + "]" * 120_000 + "}\n", ":8: nested deeper than 32 levels"),
        (POLICY.replace("timeout: 60", f"timeout: {'6' * 5000}"), ":6: a number of 5000 characters"),
        (POLICY + f"limits: {{max_usd: {'9' * 400}.0}}\n", ":8: a number of 402 characters"),
        (POLICY + "limits: {max_usd: .inf}\n", ":8: limits.max_usd: input should be a valid number"),
        (POLICY + "limits: {deadline_s: .nan}\n", ":8: limits.deadline_s: input should be a valid number"),
    ],
    ids=["typo", "inner-typo", "twice", "12:30", "checks-text", "run-text", "no", "recorded", "address", "ladder",
         "anchor", "two", "version", "list", "tab", "huge", "deep", "abyss", "digits", "overflow", "inf", "nan"],
)  # fmt: skip
def test_a_fault_of_the_policy_names_file_line_key_and_the_nearest(
    tmp_path: Path, wrong: str, says: str
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=wrong)

    done = refused(pit, *TASK, code=2, says=".route-agent/policy.yaml:")

    assert says in done.stderr


def test_an_unknown_provider_is_told_before_any_check_runs(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY.replace("provider: openai", "provider: opneai"))

    done = refused(pit, *TASK, code=2, says='unknown provider "opneai" (known: anthropic, ollama,')

    assert "checks at start" not in done.stderr


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/tty", "nowhere"])
def test_a_policy_that_is_a_link_is_not_followed(tmp_path: Path, target: str) -> None:
    pit = Sandpit(tmp_path / "pit")
    (pit.root / ".route-agent" / "policy.yaml").unlink()
    (pit.root / ".route-agent" / "policy.yaml").symlink_to(target)

    done = untouched(pit, *fixing(pit), timeout=30)

    assert done.exit_code == 0
    assert "your change is not in force" in done.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"provders: {}\n", 'config.yaml:1: unknown key "provders" in the file (did you mean providers?)'),
        (b"\xff\xfe", "config.yaml:1: not UTF-8 text"),
        (
            b"providers: {openai: {base_url: 'http://example.com/v1'}}\n",
            "plain http is only for this machine",
        ),
        (b"trust: " + b"[" * 3000 + b"]" * 3000, "config.yaml:1: nested deeper than 32 levels"),
        (
            b"rates: {m: {input_usd: 1, output_usd: " + b"9" * 5000 + b"}}\n",
            ":1: a number of 5000 characters",
        ),
        (
            b"rates: {m: {input_usd: 1, output_usd: 9999999999999999}}\n",
            "rates.m.output_usd: input should be less than or equal to 1000000",
        ),
        (None, "config.yaml: Is a directory"),
    ],
    ids=["typo", "binary", "http", "deep", "digits", "dear", "folder"],
)
def test_a_fault_of_the_configuration_names_file_and_key(
    pit: Sandpit, content: bytes | None, says: str
) -> None:
    file = places.config_file()
    file.parent.mkdir(parents=True)
    if content is None:
        file.mkdir()
    else:
        file.write_bytes(content)

    refused(pit, *TASK, code=2, says=says)


# --- checks ------------------------------------------------------------------------------------------------

OWN = POLICY.split("checks:")[0] + (
    "checks:\n  - {name: unit, kind: test, run: [python3, check.py], timeout: 1.5}\n"
    "accept: {fast: ran, strong: ran}\n"
)
RIGHT = (
    "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '.'); import calc\n"
    "sys.exit(0 if calc.twice(2) == 4 and calc.add(2, 2) == 4 else 1)\n"
)
ONCE_MENDED = "import sys; sys.dont_write_bytecode = True; import calc\nif calc.add(1, 1) != 2: sys.exit(1)\n"


# a check that rewrites the source proves less; what is looked at is what it does to the run
SURE = "routing: {confidence_threshold: 0}\n"


def checked(tmp_path: Path, text: str, more: str = "") -> Sandpit:
    return Sandpit(tmp_path / "pit", files={"check.py": text}, policy=OWN + more)


@pytest.mark.parametrize("command", ["no-such-tool", "./no-such-script", "./calc.py"])
def test_a_check_that_is_missing_ends_the_run_before_anything_is_paid(tmp_path: Path, command: str) -> None:
    pit = Sandpit(tmp_path / "pit", policy=OWN.replace("python3", command))
    with Loopback() as server:
        done = refused(
            pit, *TASK, code=6, says="checks cannot run here: unit: not found", env=provider_env(pit, server)
        )
        assert server.calls == []
    assert "$0 spent" in done.stderr


def test_a_check_that_hangs_at_start_ends_the_run_before_anything_is_paid(tmp_path: Path) -> None:
    seconds = unlike_any_other()
    pit = checked(tmp_path, f"import subprocess; subprocess.run(['sleep', '{seconds}'])\n")
    with Loopback() as server:
        refused(
            pit, *TASK, code=6, says="timeout after 1.5 s at start. $0 spent", env=provider_env(pit, server)
        )
        assert server.calls == []
    assert running("sleep", seconds) == []


def test_a_check_that_floods_at_start_ends_the_run_before_anything_is_paid(tmp_path: Path) -> None:
    pit = checked(tmp_path, "while True: print('flood ' * 4000)\n")
    with Loopback() as server:
        refused(pit, *TASK, code=6, says="more than 64 MiB at start. $0 spent", env=provider_env(pit, server))
        assert server.calls == []


def test_a_check_that_was_killed_once_is_run_again_and_not_remembered(tmp_path: Path) -> None:
    pit = checked(tmp_path, "import time; time.sleep(9)\n")

    for _ in range(2):
        done = refused(pit, *fixing(pit), code=6, says="timeout after 1.5 s at start")

        assert "checks: unit failed" in done.stderr


def test_a_check_that_hangs_on_the_patch_is_red(tmp_path: Path) -> None:
    seconds = unlike_any_other()
    pit = checked(tmp_path, f"{ONCE_MENDED}import subprocess; subprocess.run(['sleep', '{seconds}'])\n")

    done = untouched(pit, *fixing(pit), "--only-lane", "fast", "--json")

    assert done.exit_code == 1
    assert done.json["attempts"][0]["checks"][0]["reason"] == "timeout after 1.5 s"
    assert running("sleep", seconds) == []


def test_what_a_check_leaves_running_ends_with_it(tmp_path: Path) -> None:
    seconds = unlike_any_other()
    daemon = f"['setsid', 'nohup', 'sh', '-c', 'trap \"\" TERM HUP INT; exec sleep {seconds}']"
    pit = checked(tmp_path, f"import subprocess; subprocess.Popen({daemon})\n{RIGHT}")

    assert untouched(pit, *fixing(pit), timeout=30).exit_code == 0
    assert running("sleep", seconds) == []


def test_a_check_that_floods_is_stopped_and_what_it_prints_is_harmless(tmp_path: Path) -> None:
    flood = "while True: print('\\x1b]0;title\\x07\\x1b[2J::set-env name=x::y\\r' * 4000)\n"
    pit = checked(tmp_path, ONCE_MENDED + flood)

    done = untouched(pit, *fixing(pit), "--only-lane", "fast", "-v")

    assert done.exit_code == 1
    assert "MiB" in str(rows("SELECT reason FROM check_result WHERE attempt = 1"))


def test_a_check_that_looks_at_the_patched_file_is_evidence_and_one_that_the_patch_rewrites_is_none(
    tmp_path: Path,
) -> None:
    looks = OWN.replace("[python3, check.py]", "[grep, -q, 'return a + b', calc.py]")
    pit = Sandpit(tmp_path / "looks", policy=looks)
    done = untouched(pit, *fixing(pit), "--json")
    assert (done.exit_code, done.json["attempts"][0]["grade"]) == (0, "discriminating")

    pit = checked(tmp_path, "raise SystemExit(1)\n")
    edit = "SUMMARY: x\ncheck.py\n<<<<<<< SEARCH\nraise SystemExit(1)\n=======\npass\n>>>>>>> REPLACE\n"
    done = untouched(pit, *fixing(pit, ("fast", edit)), "--only-lane", "fast", "--json")
    assert (done.exit_code, done.json["attempts"][0]["failure"]) == (1, "tampered")


def test_a_check_that_asks_for_input_gets_none(tmp_path: Path) -> None:
    pit = checked(tmp_path, f"import sys; assert sys.stdin.read() == ''\n{RIGHT}")

    assert untouched(pit, *fixing(pit), stdin="yes\n").exit_code == 0


def test_a_check_that_destroys_the_scratch_changes_no_verdict_and_no_later_run(tmp_path: Path) -> None:
    litter = (
        "import os\nos.symlink('/root', 'leak'); os.mkfifo('pipe'); os.makedirs('x/' * 150); os.mkdir('z', 0)\n"
        "open('calc.py', 'a').write('# evil')\n"
        "for name in os.listdir('.'):\n    if os.path.isfile(name): os.unlink(name)\n"
    )
    pit = checked(tmp_path, RIGHT.replace("sys.exit(", "result = (") + litter + "sys.exit(result)\n", SURE)

    first, second = untouched(pit, *fixing(pit), "--json"), untouched(pit, *fixing(pit), "--json")

    assert (first.exit_code, second.exit_code) == (0, 0), first.stdout + second.stdout
    assert second.json["attempts"][0]["files"] == ["calc.py"]


# --- provider ----------------------------------------------------------------------------------------------

HASTY = POLICY.replace("small-1}", "small-1, timeout_s: 0.4}")


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([Fault.html()], "openai answered with a web page instead of a reply"),
        ([Fault.hang()] * 3, "no complete answer from openai"),
        ([Fault.drip()] * 3, "no complete answer from openai"),
        ([Fault.status(401, "wrong key: sk-test-openai")], "openai answered 401"),
        ([Fault.raw(b"\xff\xfe{{{")] * 3, "openai sent a broken answer"),
    ],
    ids=["html", "silent", "dripping", "401", "garbage"],
)
def test_a_provider_that_does_not_answer_properly_is_named(
    tmp_path: Path, answers: list[Reply | Fault], says: str
) -> None:
    pit = Sandpit(tmp_path / "pit", policy=HASTY)
    with Loopback() as server:
        server.script("small-1", *answers)

        done = untouched(pit, *TASK, "--only-lane", "fast", env=provider_env(pit, server))

        assert len(server.calls) == len(answers)
    assert done.exit_code == 3
    assert says in done.stdout
    assert "sk-test" not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Reply(""), "sent an empty reply"),
        (Reply("I will not.", stop="content_filter"), "content filter"),
        (Reply(FIX, stop="length"), "stopped at the lane's limit of output tokens"),
        (Reply("I would change the sign."), "unappliable"),
    ],
    ids=["empty", "filtered", "cut", "prose"],
)
def test_what_a_model_ends_by_itself_is_no_patch_and_nobody_was_down(
    pit: Sandpit, answer: Reply, says: str
) -> None:
    with Loopback() as server:
        server.script("small-1", answer, answer)

        done = untouched(pit, *TASK, "--only-lane", "fast", env=provider_env(pit, server))

    assert done.exit_code == 1
    assert "→ unappliable: " in done.stdout
    assert says in done.stdout


def test_a_provider_that_is_down_is_named(pit: Sandpit) -> None:
    with Loopback() as server:
        gone = provider_env(pit, server)

    done = untouched(pit, *TASK, "--only-lane", "fast", env=gone)

    assert done.exit_code == 3
    assert "could not reach openai (127.0.0.1:" in done.stdout


def test_a_reply_with_half_a_character_pair_is_kept_shown_and_applied(pit: Sandpit) -> None:
    broken = FIX.replace("adds again", "adds \ud800 again").replace("a + b", "a + b  # \ud800")
    with Loopback() as server:
        server.script("small-1", Reply(broken), Reply(broken))
        env = provider_env(pit, server)

        done = untouched(pit, *TASK, "--json", env=env)
        committed = pit.run(*TASK, "--commit", env=env)

    assert (done.exit_code, committed.exit_code) == (0, 0), done.stderr + committed.stderr
    assert pit.git("log", "-1", "--format=%s").strip() == "add adds ? again"
    assert "return a + b  # ?" in (pit.root / "calc.py").read_text()
    assert "again" in rows("SELECT reply FROM call")[0][0]


# --- patches -----------------------------------------------------------------------------------------------


def test_a_patch_that_leaves_its_bounds_is_refused_by_name(pit: Sandpit) -> None:
    names = {
        "a/../../x": "leaves the tree",
        "sub/.git/config": "git's own folder",
        "git~1/x": "git's own folder",
        ".git::$INDEX_ALLOCATION/x": "git's own folder",
        ".g\u200cit/config": "an invisible character",
        "x\x1b[31m": "an invisible character",
        "C:/x": "not a path inside the tree",
        "x" * 300: "too long",
    }
    for name, why in names.items():
        done = untouched(pit, *fixing(pit, ("fast", NEW.format(name, "", "x"))))

        assert (done.exit_code, why in done.stdout) == (4, True), (name, done.stdout)


@pytest.mark.parametrize(
    "mode",
    ["new file mode 120000\n", "new file mode 160000\n", "new file mode 104755\n"],
    ids=["link", "sub", "setuid"],
)
def test_a_patch_cannot_make_a_link_a_submodule_or_an_odd_mode(pit: Sandpit, mode: str) -> None:
    edit = FIX + "\n" + NEW.format("odd", mode, "/etc/passwd")

    done = untouched(pit, *fixing(pit, ("fast", edit)), "--json")

    assert done.exit_code == 4
    assert "'odd'" in done.json["attempts"][0]["reason"]


def test_a_patch_that_does_nothing_or_does_not_fit_is_not_proved(pit: Sandpit) -> None:
    replies = {
        "I would change the sign.": "holds no patch",
        "```diff\n```": "holds no patch",
        FIX.replace("+    return a + b", "+    return a - b"): "changes nothing",
        FIX.replace("return a - b", "return nothing"): "nowhere in the file",
        FIX.replace("a + b", "a + b  # [redacted:openai-key]"): "a placeholder of a redacted secret",
        FIX.replace("calc.py", "absent.py"): "absent.py",
    }
    for reply, why in replies.items():
        done = untouched(pit, *fixing(pit, ("fast", reply)), "--only-lane", "fast", "--json")

        attempt = done.json["attempts"][0]
        assert (done.exit_code, attempt["failure"]) == (1, "unappliable"), reply
        assert why in attempt["reason"], reply


def test_a_patch_that_is_binary_or_enormous_is_refused(pit: Sandpit) -> None:
    binary = FIX.replace("a + b", "a + b  # \0")
    many = "".join(NEW.format(f"f{number}", "", "x") for number in range(501))
    for reply, why in ((binary, "binary"), (many, "501 files")):
        done = untouched(pit, *fixing(pit, ("fast", reply)), "--json")

        assert done.exit_code == 4
        assert why in done.json["attempts"][0]["reason"]


# --- ledger ------------------------------------------------------------------------------------------------


def foreign() -> bytes:
    file = places.ledger_file()
    database = sqlite3.connect(file)
    database.execute("CREATE TABLE run (mine TEXT)")
    database.commit()
    database.close()
    return file.read_bytes()


def damaged(pit: Sandpit) -> bytes:
    assert pit.run(*fixing(pit)).exit_code == 0
    database = sqlite3.connect(places.ledger_file())
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    whole = places.ledger_file().read_bytes()
    return whole[:4096] + b"\xff" * 8192 + whole[12288:]


@pytest.mark.parametrize(
    "make",
    [
        lambda pit: b"this is not a database " * 300,
        lambda pit: b"x",
        lambda pit: b"SQLite format 3\0" + bytes(84),
        lambda pit: foreign(),
        damaged,
    ],
    ids=["junk", "short", "header", "foreign", "damaged"],
)
def test_a_ledger_that_cannot_be_read_stops_the_run_and_is_kept_as_it_is(pit: Sandpit, make: object) -> None:
    file = places.ledger_file()
    file.parent.mkdir(parents=True, mode=0o700)
    assert callable(make)
    content = make(pit)
    for leftover in file.parent.glob(f"{file.name}*"):
        leftover.unlink()
    file.write_bytes(content)

    with Loopback() as server:
        for command in (TASK, ("show",)):
            refused(pit, *command, code=6, says=str(file), env=provider_env(pit, server))
        assert server.calls == []

    assert file.read_bytes() == content


def test_a_ledger_of_a_newer_version_is_left_alone(pit: Sandpit) -> None:
    assert pit.run(*fixing(pit)).exit_code == 0
    database = sqlite3.connect(places.ledger_file())
    database.execute("PRAGMA user_version = 99")
    database.commit()
    database.close()

    refused(pit, *fixing(pit), code=6, says="was written by a newer route-agent (schema 99)")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 400 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k", "none", str(folder)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> None:
    with (folder / "filler").open("ab", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(1024))
        except OSError:
            return


def test_a_full_disk_stops_the_run_before_anything_is_paid(pit: Sandpit, small_disk: Path) -> None:
    fill(small_disk)
    with Loopback() as server:
        full = provider_env(pit, server) | {"XDG_STATE_HOME": str(small_disk)}
        refused(pit, *TASK, code=6, says=f"the ledger {small_disk}", env=full)
        assert server.calls == []
    refused(pit, *fixing(pit), code=6, says="no scratch can be made", env={"XDG_CACHE_HOME": str(small_disk)})


def test_a_disk_that_fills_up_during_the_call_still_tells_what_was_spent(
    pit: Sandpit, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_and_answer(handler: _Handler, request: Request) -> None:
        fill(small_disk)
        body = encoded(Reply(FIX + "x" * 40_000), request)
        handler.send_whole(body, "text/event-stream" if request.streamed else "application/json")

    monkeypatch.setenv("XDG_STATE_HOME", str(small_disk))
    with Loopback() as server:
        server.script("small-1", Fault(fill_and_answer))
        refused(pit, *TASK, code=6, says="This run: $0.0016 spent", env=provider_env(pit, server))
    (small_disk / "filler").unlink()
    assert [row[0] for row in rows("SELECT state FROM call")] == ["reserved"]


def test_a_patch_that_cannot_be_saved_is_not_passed_off_as_delivered(pit: Sandpit) -> None:
    places.state_dir().mkdir(parents=True, mode=0o700)
    (places.state_dir() / "repos").touch()

    done = untouched(pit, *fixing(pit), "--apply")

    assert done.exit_code == 6
    assert "not delivered: the patch cannot be saved" in done.stdout


# --- the machine around ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "says"),
    [("XDG_STATE_HOME", "the ledger "), ("XDG_CACHE_HOME", "no scratch can be made in ")],
)
@pytest.mark.parametrize("folder", ["/proc/nowhere", "/dev/null"])
def test_a_folder_that_cannot_be_written_is_named(pit: Sandpit, name: str, folder: str, says: str) -> None:
    done = refused(pit, *fixing(pit), code=6, says=f"{says}{folder}", env={name: folder})

    assert f"set {name} to a writable folder" in done.stderr


def test_a_home_that_cannot_be_written_is_named_and_none_at_all_is_no_matter(pit: Sandpit) -> None:
    nowhere = {f"XDG_{name}_HOME": "" for name in ("CONFIG", "STATE", "CACHE", "DATA")}
    refused(pit, *fixing(pit), code=6, says="/proc/nowhere/.local", env={"HOME": "/proc/nowhere", **nowhere})

    done = subprocess.run(
        ["env", "-u", "HOME", PROGRAM, *fixing(pit)], cwd=pit.root, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr


def test_a_user_who_is_in_no_list_and_has_no_home_is_served_as_well(pit: Sandpit) -> None:
    unknown = ["bwrap", "--dev-bind", "/", "/", "--unshare-user", "--uid", "54321", "--gid", "54321"]
    try:
        asked = subprocess.run([*unknown, "true"], capture_output=True, text=True)
    except OSError:
        pytest.skip("bubblewrap is not installed")
    if asked.returncode:
        pytest.skip(f"nobody can be made up here: {asked.stderr}")

    done = subprocess.run(
        [*unknown, "--unsetenv", "HOME", PROGRAM, *fixing(pit)], cwd=pit.root, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "accepted at static" in done.stdout
    assert "isolation: namespaces" in done.stdout


@pytest.mark.parametrize(
    "env",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
        {"NO_COLOR": "1", "TERM": "dumb"},
        {"COLUMNS": "40"},
    ],
    ids=["C", "C-strict", "ascii", "plain", "narrow"],
)
def test_any_locale_and_any_terminal_will_do(pit: Sandpit, env: dict[str, str]) -> None:
    done = untouched(pit, *fixing(pit), env=env)

    assert done.exit_code == 0, done.stderr
    assert "accepted at static by fast" in done.stdout
    assert untouched(pit, "show", "--json", env=env).json["verdict"] == "accepted"
    for command in (("ledger",), ("explain", "--task", "x")):
        assert untouched(pit, *command, env=env).exit_code == 0


def test_without_git_it_says_so(pit: Sandpit, tmp_path: Path) -> None:
    refused(pit, *TASK, code=6, says="git is not installed", env={"PATH": str(tmp_path / "empty")})


@pytest.mark.parametrize(
    ("command", "unbuffered"),
    [
        *((it, "") for it in ("--help", "--version", "explain --help", "config path", "shell-init bash")),
        ("--help", "1"),
        ("config path", "1"),
    ],
)
def test_a_short_answer_that_cannot_be_printed_ends_in_one_line_and_no_bug(
    pit: Sandpit, command: str, unbuffered: str
) -> None:
    def ended(where: str) -> tuple[str, str]:
        line = f'{PROGRAM} {command} {where}; echo "${{PIPESTATUS[0]}}" >&2'
        env = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
        done = subprocess.run(["bash", "-c", line], cwd=pit.root, env=env, capture_output=True, text=True)
        *said, code = done.stderr.splitlines()
        return code, "\n".join(said)

    code, said = ended("> /dev/full")
    assert (code, said.count("\n")) == ("6", 0), said
    assert said.startswith("error: ")
    assert said.endswith("No space left on device")
    assert ended("| true") == ("141", "")
