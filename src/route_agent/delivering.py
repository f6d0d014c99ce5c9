"""What becomes of a run's patches: kept in files, and the accepted one put where the user asked for it."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from route_agent import evidence, places
from route_agent.errors import DeliveryRefused, RepositoryState
from route_agent.records.change import Change
from route_agent.redaction import redact
from route_agent.repo.apply import restored, with_test
from route_agent.repo.delivery import deliver
from route_agent.reproduction import was_met

if TYPE_CHECKING:
    from route_agent.ground import Opened
    from route_agent.proof import Prover
    from route_agent.records.reproductions import Reproduction
    from route_agent.records.runs import Attempt, Run
    from route_agent.repo.delivery import Wanted


@dataclass(frozen=True, slots=True)
class Delivery:
    """One run's delivery.

    Attributes:
        ground: the repository, with the trees of the run.
        prover: proves what would be committed, where that is another tree.
        wanted: what the user asked for.
    """

    ground: Opened
    prover: Prover
    wanted: Wanted

    def with_its_test(self, attempt: Attempt, test: Reproduction | None) -> Attempt:
        """An accepted patch as it is delivered: the proved tree, with the test for the brief or without.

        The patch's own version of the test's file was never run: it is delivered in neither case.
        """
        change = attempt.change
        if test is None or test.change is None or change is None:
            return attempt
        trees, start = self.ground.slot.trees, self.ground.start
        tree = with_test(trees, change, test.change).new_tree
        left_out = [path for path in trees.change(change.new_tree, tree).paths if path in change.paths]
        if not (self.wanted.reproduction or left_out):
            return attempt
        if not self.wanted.reproduction:
            tree = restored(trees, tree, start, test.change.paths)
        told = [f"the reproduction stands at {path}: the patch's own is left out" for path in left_out[:1]]
        reason = "; ".join([attempt.reason, *told])
        diff = trees.diff(start, tree)
        return replace(attempt, change=trees.change(start, tree), patch=diff, reason=reason)

    def saved(self, run: Run) -> Run:
        """Keep every attempt's patch; the accepted one under its own name."""
        kept = [(number, attempt) for number, attempt in enumerate(run.attempts, 1) if attempt.patch]
        if not kept:
            return run
        folder = places.run_dir(self.ground.repository.git_dir, run.id)
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            for number, attempt in kept:
                name = "patch.diff" if attempt.accepted else f"attempt-{number}-{attempt.lane}.diff"
                # what is delivered must apply; what failed is only read
                text = attempt.patch if attempt.accepted else redact(attempt.patch)
                (folder / name).write_bytes(text.encode("utf-8", "surrogateescape"))
        except OSError as error:
            why = f"not delivered: the patch cannot be saved: {error}" if run.accepted else ""
            return replace(run, delivered=why)
        if not run.accepted:
            return run
        file = str(folder / "patch.diff")
        return replace(run, patch_path=file, next_step=f"git apply {shlex.quote(file)}")

    def delivered(self, run: Run) -> Run:
        """Put the accepted patch where the user asked, or say why not; nothing is touched then."""
        accepted, saved = run.accepted, run.patch_path
        if not self.wanted.anything or accepted is None or accepted.change is None or saved is None:
            return run
        onto_head = self.wanted.commit or self.wanted.branch
        if onto_head and (why := self._fails_on_head(run, accepted, Path(saved))):
            told = f"HEAD plus the patch, without your uncommitted work, is not proved: {why}"
            return replace(run, delivered=f"not delivered: {told}")
        repository, trees = self.ground.repository, self.ground.slot.trees
        title = (accepted.summary or run.brief.splitlines()[0])[:72]
        message = f"{title}\n\n{run.brief}\n\nRoute-Agent-Run: {run.id}\n"
        message = message.encode("utf-8", "replace").decode()  # a reply can hold half a character pair
        try:
            done = deliver(repository, trees, accepted.change, Path(saved), self.wanted, message)
        except (DeliveryRefused, RepositoryState) as error:
            return replace(run, delivered=f"not delivered: {error}. {error.hint}".rstrip(". "))
        return replace(run, delivered=done, next_step="")

    def _fails_on_head(self, run: Run, accepted: Attempt, saved: Path) -> str:
        """Why what would be committed does not hold, where it is another tree than the proved one."""
        change, head_tree, trees = accepted.change, self.ground.repository.head_tree, self.ground.slot.trees
        if change is None or run.baseline is None or accepted.evidence is None:
            return ""
        onto_head = trees.patched(head_tree, saved)
        if onto_head is None or onto_head == change.new_tree:
            return ""
        test = self._test_on(head_tree, onto_head, run, accepted)
        before = test.baseline if test and test.baseline else run.baseline
        mended = evidence.mended(before, accepted.evidence.checks)
        whole = trees.change(head_tree, onto_head)
        found = self.prover.prove(whole, run.baseline, mended, reproduction=test)
        return "; ".join(found.reasons) if found.failure else ""

    def _test_on(self, head_tree: str, onto_head: str, run: Run, accepted: Attempt) -> Reproduction | None:
        """The test that proved the patch, as it stands on HEAD: its file may build on uncommitted work."""
        test, trees = run.reproduction, self.ground.slot.trees
        if test is None or test.change is None or not was_met(accepted, test):
            return None
        paths = test.change.paths
        if self.wanted.reproduction:
            files = tuple(it for it in trees.change(head_tree, onto_head).files if it.path in paths)
            return replace(test, change=Change(head_tree, onto_head, files))
        same = trees.entries(head_tree, paths) == trees.entries(self.ground.start, paths)
        return test if same else None
