"""`route-agent record`: a real run as a folder that plays it again, without a key or a network."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

from route_agent import places
from route_agent.cli.edge import plain_errors, say
from route_agent.errors import UsageError
from route_agent.ledger.store import Ledger

if TYPE_CHECKING:
    from pathlib import Path

    from route_agent.records.runs import Run

TASK, README = "task.md", "README.md"

_README = """\
# A recorded run

Run {run} of route-agent: {verdict}. What the models said is in `replies.yaml`; what they were sent is not
here. The replies quote source code: look at them before you give them away.

In a checkout of the same repository, with this folder as `{folder}`:

    git checkout {base}
    {command}

{start}

The policy was `{policy}`. Checks, patches and the verdict are real; money, limits of money and the time that
models took are not played again.
"""
_CLEAN = "The run began at that commit with a clean working tree."
_DIRTY = (
    "The run began with changes beyond that commit, which are not here: without them it may end otherwise."
)


def record(run_id: str, out: Path | None) -> None:
    """Write the folder."""
    with plain_errors():
        folder, notes = write(run_id, out)
        say(f"{folder}: {notes}")


def write(run_id: str, out: Path | None) -> tuple[Path, str]:
    """Write the folder; returns where it is and what is in it.

    Raises:
        UsageError: there is no such run, nothing of it is kept, or the folder is not empty.
    """
    from pathlib import Path

    from route_agent.lanes.recorded import FILE, RecordedReplies, load_replies
    from route_agent.recording import recorded
    from route_agent.records.runs import written_form
    from route_agent.transcripts import folder_of, read_calls

    run = written_form().validate_python(Ledger(places.ledger_file()).report(run_id))
    document = recorded(read_calls(folder_of(run.id)), run)
    RecordedReplies.model_validate(document)
    folder = out or Path(f"recording-{run.id}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty", hint="--out NEW-FOLDER")
        (folder / FILE).write_text(_yaml(document), encoding="utf-8")
        (folder / TASK).write_text(f"{run.brief}\n", encoding="utf-8")
        (folder / README).write_text(_readme(run, folder), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{folder}: {error.strerror}", hint="--out FOLDER") from error
    replies = load_replies(folder)
    turns = sum(len(reply.turns) for reply in replies.replies)
    return folder, "; ".join((f"{turns} answers", *replies.notices(run.base, run.start)))


def _readme(run: Run, folder: Path) -> str:
    words = ["route-agent", "--task-file", f"{folder}/{TASK}", "--replay", str(folder)]
    decision = run.decision
    for option in ("--only-lane", "--lane"):
        if decision and any(reason.startswith(f"{option} ") for reason in decision.reasons):
            words += [option, decision.lane]
    words += ["--force-lane"] if run.forced_lane else []
    own = decision is None or decision.policy_name in ("default", ".route-agent/policy.yaml")
    words += [] if own or decision is None else ["--policy", decision.policy_name]
    return _README.format(
        run=run.id,
        verdict=f"{run.verdict.name.lower()}, {run.reason}".splitlines()[0],
        folder=folder,
        base=run.base,
        command=shlex.join(words),
        start=_DIRTY if _had_changes(run) else _CLEAN,
        policy=decision.policy_name if decision else "unknown",
    )


def _had_changes(run: Run) -> bool:
    """Whether the start tree is another than that of the base, where the repository can still say so."""
    from pathlib import Path

    from route_agent.repo.git import GitFailed, git

    try:
        tree = git("rev-parse", "--verify", f"{run.base}^{{tree}}", cwd=Path(run.repository))
    except (GitFailed, OSError):
        return True
    return tree.decode().strip() != run.start


def _yaml(document: dict[str, Any]) -> str:
    """YAML in which a reply stands line by line, as far as it can."""
    import yaml

    class Dumper(yaml.SafeDumper):
        def ignore_aliases(self, data: Any) -> bool:
            return True

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        style = "|" if "\n" in value else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)
    return yaml.dump(document, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=1_000_000)
