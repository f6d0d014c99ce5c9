"""What never leaves: files by pattern and by content, and what a scanner finds; a private key stops a run."""

from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, WRONG, Result, Sandpit, provider_env, replies

from route_agent.records.lanes import Prompt, Turn
from route_agent.redaction import Knowledge, find, knowing, redact
from route_agent.scanners import Border, Scanner, ScannerFailed, find_scanner
from route_agent.withholding import Withheld, without_secrets

KEY = "-----BEGIN EC PRIVATE KEY-----\n" + "\n".join(["TUhjQ0FRRUVJR" + "x7Q" * 16] * 3)
KEY += "\n-----END EC PRIVATE KEY-----\n"
INNER = "TUhjQ0FRRUVJR"
TASK = ("--task", "sums in calc.py and keys.py must be right")


def settings(pit: Sandpit, server: Loopback, **more: Any) -> dict[str, str]:
    """The loopback server's configuration with more of the user's own in it."""
    env = provider_env(pit, server)
    file = Path(env["XDG_CONFIG_HOME"]) / "route-agent" / "config.yaml"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
    return env


def sent(server: Loopback) -> str:
    return json.dumps([request.body for request in server.requests])


def solved(pit: Sandpit, server: Loopback, *options: str, env: dict[str, str] | None = None) -> Result:
    server.script("small-1", Reply(FIX))
    done = pit.run(*TASK, "--json", *options, env=env or provider_env(pit, server))
    assert done.exit_code == 0, done.stdout + done.stderr
    return done


# --- by pattern --------------------------------------------------------------------------------------------


def test_a_file_is_withheld_for_the_first_reason_that_holds() -> None:
    withheld = Withheld(("data/**", "*.lic"), ("tests/**",), {"app/k.py": "a private key (line 3)"})

    assert withheld.why("data/x.csv") == "no_send has data/**"
    assert withheld.why("a/b.lic") == "no_send has *.lic"
    assert withheld.why("app/.env") == "files of this name hold secrets"
    assert withheld.why("tests/key.pem") == ""
    assert withheld.why("app/k.py") == "it holds a private key (line 3)"
    assert withheld.why("app/main.py") == ""
    assert withheld("data/x.csv")
    assert not withheld("app/main.py")
    assert Withheld(("tests/**",), ("tests/**",)).why("tests/key.pem") == "no_send has tests/**"


@pytest.mark.parametrize("whose", ["policy", "user"])
def test_a_file_marked_no_send_leaves_in_no_form(tmp_path: Path, whose: str) -> None:
    policy = POLICY + ('no_send: ["private/**"]\n' if whose == "policy" else "")
    rates = "HUSHBASE = 1\nimport calc\nprint(calc.add)\n"
    pit = Sandpit(tmp_path / "pit", files={"private/rates.py": rates}, policy=policy)
    pit.write("private/rates.py", rates + "HUSHMINE = calc.add(1, 1)\n")
    pit.write("private/new.py", "HUSHNEW = 1\n")
    wrong_place = "SUMMARY: x\n```diff\n--- a/private/rates.py\n+++ b/private/rates.py\n@@ -1 +1 @@\n-HUSH = 9\n+HUSH = 2\n```\n"
    asks = "READ private/rates.py\nSEARCH HUSH\nLIST private\nSEARCH HUSH IN private/*\n"
    with Loopback() as server:
        server.script("small-1", Reply(asks), Reply(wrong_place), Reply(WRONG))
        server.script("large-1", Reply(FIX))
        more = {} if whose == "policy" else {"no_send": ["private/**"]}
        task = ("--task", "sums in calc.py and private/rates.py must be right")
        done = pit.run(*task, "--json", env=settings(pit, server, **more))

    assert done.exit_code == 0, done.stdout + done.stderr
    assert len(server.requests) == 4
    for word in ("HUSHBASE", "HUSHMINE", "HUSHNEW", "private/new.py"):
        assert word not in sent(server), word
    assert "is never shown" in sent(server)
    assert {"private/rates.py: no_send has private/**", "private/new.py: no_send has private/**"} <= set(
        done.json["withheld"]
    )


def test_a_patch_of_a_file_that_was_never_shown_is_refused(tmp_path: Path) -> None:
    pit = Sandpit(
        tmp_path / "pit", files={"private/rates.py": "A = 1\n"}, policy=POLICY + "no_send: [private]\n"
    )
    blind = FIX.replace(
        "```diff\n", "```diff\n--- a/private/rates.py\n+++ b/private/rates.py\n@@ -1 +1 @@\n-A = 1\n+A = 2\n"
    )
    with Loopback() as server:
        server.script("small-1", Reply(blind), Reply(FIX))
        done = pit.run(*TASK, "--json", env=provider_env(pit, server))

    assert done.exit_code == 0
    assert done.json["attempts"][0]["repairs"] == 1
    assert done.json["attempts"][0]["files"] == ["calc.py"]
    assert "private/rates.py is never shown: leave it out of the patch" in sent(server)


def test_no_key_of_a_policy_can_take_a_file_for_harmless(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", policy=POLICY + "secrets: {allow: ['**']}\n")

    done = pit.run(*TASK)

    assert done.exit_code == 2
    assert 'unknown key "secrets"' in done.stderr


# --- private keys ------------------------------------------------------------------------------------------


def test_a_private_key_in_the_task_stops_before_anything_is_run_or_sent(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    with Loopback() as server:
        done = pit.run("--task", f"use this:\n\n{KEY}", "--json", env=provider_env(pit, server))

        assert server.calls == []
    assert done.exit_code == 4
    assert done.json["error"] == "the task holds a private key (line 3)"
    assert INNER not in done.stdout + done.stderr
    assert "baseline" not in done.stderr


@pytest.mark.parametrize("staged", [True, False])
def test_a_private_key_in_the_users_own_change_stops_and_is_named(tmp_path: Path, staged: bool) -> None:
    pit = Sandpit(tmp_path / "pit", files={"keys.py": "A = 1\n"})
    pit.write("keys.py", f'A = 1\nKEY = """\n{KEY}"""\n')
    if staged:
        pit.git("add", "keys.py")
    with Loopback() as server:
        done = pit.run(*TASK, "--json", env=provider_env(pit, server))

        assert server.calls == []
    assert done.exit_code == done.json["exit_code"] == 4
    assert done.json["error"] == "keys.py:3 holds a private key"
    assert "secrets.allow" in done.json["hint"]
    assert INNER not in done.stdout + done.stderr


def test_a_private_key_that_was_there_before_is_left_out_and_listed(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", files={"keys.py": f'A = 1\nKEY = """\n{KEY}"""\n'})
    pit.write("keys.py", f'A = 2\nKEY = """\n{KEY}"""\n')
    with Loopback() as server:
        done = solved(pit, server)

        assert INNER not in sent(server)
        assert "A = 2" not in sent(server)
    assert "keys.py: it holds a private key (line 3)" in done.json["withheld"]


def test_a_private_key_that_the_user_takes_out_does_not_leave_either(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit", files={"keys.py": f'KEY = """\n{KEY}"""\n'})
    pit.write("keys.py", "KEY = None\n")
    with Loopback() as server:
        server.script("large-1", Reply(FIX))  # a line of a key was changed, so the task is always strong
        done = pit.run(*TASK, "--json", env=provider_env(pit, server))

        assert done.exit_code == 0, done.stdout + done.stderr
        assert done.json["decision"]["reasons"] == ["always strong: secrets_handling"]
        assert INNER not in sent(server)


def test_what_the_user_knows_to_be_no_secret_is_sent_as_it_is(tmp_path: Path) -> None:
    token = "ghp" + "_" + "B2" * 18
    files = {
        "tests/keys.py": f'KEY = """\n{KEY}"""\nTOKEN = "{token}"\n',
        "tests/server.pem": KEY.replace("EC", "RSA").replace("x7Q", "y8R"),
        "keys.py": "import calc\nfrom tests.keys import KEY\n",
    }
    pit = Sandpit(tmp_path / "pit", files=files)
    other = "ghp" + "_" + "C3" * 18
    pit.write("tests/keys.py", files["tests/keys.py"] + "MORE = 1\n")
    with Loopback() as server:
        env = settings(pit, server, secrets={"allow": ["tests/**"]})
        server.script("small-1", Reply("READ tests/keys.py\nREAD tests/server.pem\n"), Reply(FIX))
        task = f"sums in calc.py, keys.py and tests/keys.py must be right, not {other}"
        done = pit.run("--task", task, "--json", env=env)

        assert done.exit_code == 0, done.stdout + done.stderr
        assert INNER in sent(server)
        assert token in sent(server)
        assert "y8R" in sent(server)
        assert other not in sent(server)
    assert done.json["withheld"] == []


# --- the choke point ---------------------------------------------------------------------------------------


def test_whoever_forms_a_prompt_every_part_of_it_is_redacted_when_it_leaves() -> None:
    token = "ghp" + "_" + "D4" * 18
    prompt = Prompt(f"a {token}", f"b {token}", (Turn("user", f"c {token}"),), project=f"d {token}")

    left = without_secrets(prompt)

    assert token not in repr(left)
    assert [left.system, left.project, *(turn.text for turn in left.turns)] == [
        f"{letter} [redacted:github-token]" for letter in "adbc"
    ]
    assert without_secrets(left) == left


def test_what_is_known_is_a_secret_whatever_it_looks_like_until_the_block_ends() -> None:
    knowledge = Knowledge()
    knowledge.add("correct horse battery", "of-ours")
    knowledge.add("short", "of-ours")

    with knowing(knowledge):
        assert redact("a correct horse battery, short") == "a [redacted:of-ours], short"
    assert find("correct horse battery") == ()


# --- a scanner ---------------------------------------------------------------------------------------------

# stands for gitleaks and betterleaks: it takes their options and writes their report. Its one rule knows the
# word OPENSESAME followed by letters
STAND_IN = """\
#!{python}
import json, os, re, sys
{before}
arguments = sys.argv[1:]
assert arguments[0] == "stdin", arguments
report = arguments[arguments.index("--report-path") + 1]
assert arguments[arguments.index("--report-format") + 1] == "json"
assert arguments[arguments.index("--exit-code") + 1] == "0"
assert "--ignore-gitleaks-allow" in arguments
assert os.listdir(".") == [], "a configuration of the repository could blind it"
assert not [name for name in os.environ if "KEY" in name], "it needs none of our keys"
text = sys.stdin.read()
with open({log!r}, "a") as log:
    log.write(json.dumps([arguments, text]) + "\\n")
rows = [
    {{"RuleID": "Open Sesame", "Secret": it[0], "Match": it[0], "StartLine": 1}} if {capitals} else
    {{"ruleID": "Open Sesame", "secret": it[0], "match": it[0], "location": {{"startLine": 1}}}}
    for it in re.finditer("OPENSESAME[a-z]+", text)
]
with open(report, "w") as file:
    json.dump(rows, file)
"""


def install(folder: Path, name: str, *, before: str = "") -> tuple[str, Path]:
    """Put the stand-in on a PATH of its own; returns that and the file that it writes what it was given to."""
    folder.mkdir(exist_ok=True)
    program, log = folder / name, folder / "log"
    text = STAND_IN.format(python=sys.executable, log=str(log), before=before, capitals=name == "gitleaks")
    program.write_text(text)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return f"{folder}{os.pathsep}{os.environ['PATH']}", log


def scans(log: Path) -> list[tuple[list[str], str]]:
    return [tuple(json.loads(line)) for line in log.read_text().splitlines()]


@pytest.mark.parametrize("name", ["gitleaks", "betterleaks"])
def test_what_an_installed_scanner_finds_leaves_nowhere_and_is_stored_nowhere(
    tmp_path: Path, name: str
) -> None:
    path, log = install(tmp_path / "bin", name)
    files = {"keys.py": 'PASSWORD = "OPENSESAMEinfile"\nimport calc\n'}
    pit = Sandpit(tmp_path / "pit", files=files)
    with Loopback() as server:
        server.script("small-1", Reply(f"I found OPENSESAMEinreply.\n{WRONG}"))
        server.script("large-1", Reply(FIX))
        env = provider_env(pit, server) | {"PATH": path}
        done = pit.run(
            "--task", "sums in calc.py and keys.py, not OPENSESAMEinbrief", "--json", "-v", env=env
        )

    assert done.exit_code == 0, done.stderr
    assert "OPENSESAMEin" not in sent(server)
    assert "[redacted:open-sesame]" in sent(server)
    state = Path(os.environ["XDG_STATE_HOME"])
    everything = {str(file): file.read_bytes() for file in state.rglob("*") if file.is_file()}
    assert len(everything) > 3
    assert [name for name, text in everything.items() if b"OPENSESAMEin" in text] == []
    assert "OPENSESAMEin" not in done.stdout
    assert any("OPENSESAMEinfile" in text for _, text in scans(log))
    assert len(scans(log)) <= 6
    betterleaks = ["--validation=false"] if name == "betterleaks" else []
    assert all(arguments[-1:] == (betterleaks or ["--ignore-gitleaks-allow"]) for arguments, _ in scans(log))
    doctor = json.loads(pit.run("doctor", "--json", env=env).stdout)
    (item,) = (it for it in doctor["items"] if it["name"] == "secrets")
    assert name in item["detail"]


def test_a_text_is_scanned_once_and_never_with_a_secret_that_is_known(tmp_path: Path) -> None:
    path, log = install(tmp_path / "bin", "gitleaks")
    token = "ghp" + "_" + "E5" * 18
    knowledge = Knowledge()
    border = Border(knowledge, find_scanner(path))
    prompt = Prompt("rules", f"OPENSESAMEone {token}", project="outline")

    with knowing(knowledge):
        first = border.leaving(prompt)
        again = border.leaving(prompt.followed_by(Turn("user", "OPENSESAMEtwo, after OPENSESAMEone")))

    assert first.user == "[redacted:open-sesame] [redacted:github-token]"
    assert (again.system, again.project, again.user) == (first.system, first.project, first.user)
    assert again.later[0].text == "[redacted:open-sesame], after [redacted:open-sesame]"
    assert [text for _, text in scans(log)] == [
        "rules\n\noutline\n\nOPENSESAMEone [redacted:github-token]",
        "OPENSESAMEtwo, after [redacted:open-sesame]",
    ]


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        ({"before": "sys.exit(3)"}, "gitleaks ended with exit code 3"),
        ({"before": "print('oh no'); sys.exit(0)"}, "gitleaks wrote no report in JSON"),
        ({"before": "print('[1]'); sys.exit(0)"}, "gitleaks wrote a report in another form"),
    ],
)
def test_a_scanner_that_fails_is_told_once_and_the_table_counts(
    tmp_path: Path, broken: dict[str, str], told: str
) -> None:
    path, _ = install(tmp_path / "bin", "gitleaks", **broken)
    token = "ghp" + "_" + "F6" * 18
    said: list[str] = []
    border = Border(Knowledge(), find_scanner(path), said.append)

    left = [border.leaving(Prompt("s", f"{token} {number}")) for number in range(2)]

    assert said == [f"{told}: secrets are found by the built-in table alone"]
    assert [it.user for it in left] == [f"[redacted:github-token] {number}" for number in range(2)]
    with pytest.raises(ScannerFailed, match=told):
        Scanner("gitleaks", str(tmp_path / "bin" / "gitleaks")).findings("x")


def test_a_scanner_that_the_checkout_brings_is_shown_nothing(tmp_path: Path) -> None:
    pit = Sandpit(tmp_path / "pit")
    path, log = install(pit.root / "bin", "gitleaks")

    pit.run("--task", "add in calc.py", "--replay", str(replies(tmp_path, ("fast", FIX))), env={"PATH": path})

    assert not log.exists()
    assert find_scanner(path) is not None
    assert find_scanner(path, pit.root) is None


def test_no_scanner_is_no_fault(tmp_path: Path) -> None:
    assert find_scanner(str(tmp_path)) is None
    assert Border(Knowledge(), None).leaving(Prompt("s", "u")) == Prompt("s", "u")
