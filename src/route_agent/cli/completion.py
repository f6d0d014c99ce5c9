"""`route-agent complete`: what may stand at a place of the command line, for the shells of `shell-init`.

Asked at every press of Tab, so it imports nothing of the command line itself: what there is to complete is
printed from it into `commands.json`, and a test compares the two. Names come from repositories and ledgers
that anybody may have written. Only those are answered that no shell takes for anything but a word.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    Told = Iterable[tuple[str, str]]

MOST_RUNS = 50
_INERT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/@+-]*")
_GIT_S = 1.0
_WIDTH = 60  # of what is told beside a word
_OWN_FILES = {"file": "files", "policy": "files", "folder": "folders"}


def complete(arguments: list[str]) -> None:
    """Print how to complete, then a word in each line with a tab and a few words on it.

    Args:
        arguments: the shell's name, then the line's words after the program's name up to the cursor; the
            last is the one that is completed, empty where it has not begun.
    """
    try:
        shell, *words = arguments
        how, found = _answer(shell, words or [""])
        lines = [f"{word}\t{_plain(told)}" if told and shell != "bash" else word for word, told in found]
        sys.stdout.write("\n".join([how, *lines]) + "\n")
        sys.stdout.flush()
    except Exception:  # noqa: BLE001 - whatever goes wrong, a person who pressed Tab can do nothing with it
        return


def _answer(shell: str, words: list[str]) -> tuple[str, list[tuple[str, str]]]:
    line = _Line(_joined(words) if shell == "bash" else words)
    how, told = line.choices()
    # bash takes the part after a `=` for a word of its own
    prefix = "" if shell == "bash" else line.prefix
    found = {
        f"{prefix}{word}": about
        for word, about in told
        if word.startswith(line.current) and (word in line.options or _INERT.fullmatch(word))
    }
    return how, list(found.items())


def _joined(words: list[str]) -> list[str]:
    """The words as bash breaks them, with `--lane` `=` `fast` as `--lane=fast`."""
    joined: list[str] = []
    for word in words:
        if joined and (word == "=" or joined[-1].endswith("=")) and joined[-1].startswith("-"):
            joined[-1] += word
        else:
            joined.append(word)
    return joined


class _Line:
    """How far a line has come: which command, and what its next word is to be.

    Attributes:
        current: what has been typed of that word, or of its value.
        prefix: what stands before the value in the same word.
    """

    def __init__(self, words: list[str]) -> None:
        self.known: dict[str, Any] = json.loads(Path(__file__).with_name("commands.json").read_text())
        self.command, self.kind, self.arguments = "", "", 0
        self.chosen: dict[str, str] = {}
        *before, self.current = words
        for word in before:
            self._pass(word.strip("'\""))
        self.prefix = ""
        option, equals, value = self.current.partition("=")
        if equals and not self.kind and option in self.options:
            self.kind, self.prefix, self.current = self.options[option][0], f"{option}=", value

    @property
    def _facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = self.known["commands"][self.command]
        return facts

    @property
    def options(self) -> dict[str, list[str]]:
        options: dict[str, list[str]] = self._facts["options"]
        return options

    def _pass(self, word: str) -> None:
        if self.kind:
            self.chosen[self.kind], self.kind = word, ""
            return
        option, _, value = word.partition("=")
        below = f"{self.command} {word}".strip()
        if word.startswith("-"):
            kind = self.options.get(option, ("",))[0]
            if value:
                self.chosen[kind] = value
            else:
                self.kind = kind
        elif below in self.known["commands"]:
            self.command = below
        else:
            self.arguments += 1

    def choices(self) -> tuple[str, Told]:
        """Whether the shell is to add files or folders of its own, and the words."""
        kind = self.kind
        if not kind and self.current.startswith("-"):
            return "words", [(name, told) for name, (_, told) in self.options.items()]
        if not kind and self._facts["commands"]:
            return "words", list(self._facts["commands"].items())
        if not kind:
            expected = self._facts["arguments"]
            kind = expected[self.arguments] if self.arguments < len(expected) else ""
        return _OWN_FILES.get(kind, "words"), self._words(kind)

    def _words(self, kind: str) -> Told:
        if isinstance(listed := self.known["words"].get(kind), list):
            return [(word, "") for word in listed]
        find = _FINDERS.get(kind)
        return find(self) if find else ()


def _lanes(line: _Line) -> Iterator[tuple[str, str]]:
    from route_agent import yamlfile
    from route_agent.policyfiles import presets

    built_in = yamlfile.parse(presets()["default"].read_bytes()).data
    chosen = _chosen_policy(line)
    given = yamlfile.parse(chosen).data if chosen is not None else built_in
    models = given.get("models", built_in["models"])
    sections = {name: built_in[name] | given.get(name, {}) for name in ("routing", "verify", "reproduce")}
    entries = {lane: it if isinstance(it, list) else [it] for lane, it in models.items()}
    helping = {
        sections["verify"].get("lane", "verifier"),
        sections["reproduce"].get("lane", "verifier"),
        sections["routing"].get("shadow", {}).get("lane", "verifier"),
        *(spec.get(key) for specs in entries.values() for spec in specs for key in HELPED_BY),
    }
    for lane in startable(sections["routing"]["ladder"], entries, helping):
        spec = entries[lane][0]
        yield lane, str(spec.get("model") or spec.get("provider", ""))


HELPED_BY = ("plan_with", "compact_with")


def startable(ladder: Iterable[str], models: Iterable[str], helping: Iterable[str]) -> list[str]:
    """The lanes at which a task may start, the ladder's first: not those that only help or judge others."""
    models, helping = list(models), set(helping)
    steps = [lane for lane in ladder if lane in models]
    return list(dict.fromkeys((*steps, *(lane for lane in models if lane not in helping))))


def _chosen_policy(line: _Line) -> bytes | None:
    """The policy that the line names, else the committed one; None where there is none."""
    from route_agent import yamlfile
    from route_agent.policyfiles import POLICY_PATH, presets

    if named := line.chosen.get("policy"):
        file = presets().get(named, Path(named))
        return yamlfile.bounded(file) if file.is_file() else None
    return _git(line, "cat-file", "blob", f"HEAD:{POLICY_PATH}")


def _runs(line: _Line) -> Iterator[tuple[str, str]]:
    """The latest runs of the ledger; nothing is written, and no ledger is made."""
    import sqlite3

    from route_agent.places import ledger_file

    yield "latest", "the newest run"
    db = sqlite3.connect(f"{ledger_file().as_uri()}?mode=ro", uri=True, timeout=0.1)
    try:
        # with nothing typed the range holds every run, and sorting a million takes longer than a press may
        begun = "WHERE id >= :begun AND id < :begun || char(0x10ffff)" if line.current else ""
        yield from db.execute(
            "SELECT id, COALESCE(verdict, 'never finished') || ': ' || substr(brief, 1, 60) FROM run"  # noqa: S608 - the words are ours
            f" {begun} ORDER BY rowid DESC LIMIT :most",
            {"begun": line.current, "most": MOST_RUNS},
        )
    finally:
        db.close()


def _policies(line: _Line) -> Iterator[tuple[str, str]]:
    from route_agent.policyfiles import presets

    yield from ((name, "a policy that ships with the program") for name in presets())


def _refs(line: _Line) -> Iterator[tuple[str, str]]:
    told = _git(
        line, "for-each-ref", "--count=200", "--format=%(refname:short)", "refs/heads", "refs/remotes"
    )
    yield "HEAD", ""
    yield from ((name, "") for name in (told or b"").decode("utf-8", "replace").splitlines())


def _git(line: _Line, *arguments: str) -> bytes | None:
    """What git says, within a second; None where it fails."""
    import os
    import subprocess

    command = ["git", "-C", line.chosen.get("folder") or ".", "-c", "core.fsmonitor=false", *arguments]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        timeout=_GIT_S,
        check=False,
        env={**os.environ, "GIT_ALLOW_PROTOCOL": "none"},  # a partial clone would fetch what it lacks
    )
    return None if done.returncode else done.stdout


def _plain(text: str) -> str:
    """Words beside a word: one line of characters that no terminal obeys."""
    return "".join(it if it.isprintable() else " " for it in text)[:_WIDTH]


_FINDERS: dict[str, Callable[[_Line], Told]] = {
    "lane": _lanes,
    "run": _runs,
    "policy": _policies,
    "ref": _refs,
}
