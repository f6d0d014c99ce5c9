"""Judgements in the ledger: written down, and told again while all that they hang on is as it was."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from route_agent import earlier, places
from route_agent.checks.cache import is_complete
from route_agent.errors import LedgerError
from route_agent.ledger.judgements import Judgements, row_of
from route_agent.records.grades import Verdict
from route_agent.records.judgements import written_judgement
from route_agent.redaction import redact_all
from route_agent.repo.author import author_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from route_agent.records.judgements import Judgement
    from route_agent.repo.repository import Repository


@dataclass(frozen=True, slots=True)
class Book:
    """The ledger's judgements, for one question.

    Attributes:
        key: works out under which key its answer may be told again, as things are now; empty: under none.
        source: who asks.
    """

    repository: Repository
    key: Callable[[], str]
    source: str

    def told(self) -> Judgement | None:
        """An earlier run's judgement, as it was, if all that it hangs on is as it was."""
        found = earlier.stands(self.repository, self.key())
        if found is None:
            return None
        from pydantic import ValidationError

        try:
            with closing(Judgements(places.ledger_file())) as ledger:
                judged = written_judgement().validate_json(ledger.report_of(found.id))
        except (LedgerError, ValidationError):  # judged anew, then
            return None
        return replace(judged, earlier=found.id, earlier_at=found.at)

    def keep_again(self, judged: Judgement) -> Judgement:
        """Write down that it was told again."""
        earlier.tell_again(judged.earlier, self.source, judged.seconds, judged.id)
        return judged

    def keep(self, judged: Judgement, key: str, standing: earlier.Standing, digest: str) -> Judgement:
        """Write a new one down; a ledger that takes nothing costs only that.

        Args:
            key: as it was before anything was run.
            digest: of what it hangs on besides, as it was then.
        """
        same = bool(key and digest) and is_repeatable(judged) and self.key() == key
        same = same and standing.digest(self.repository.root) == digest
        plain = written_judgement().dump_python(replace(judged, fix=None), mode="json")
        row = row_of(
            judged,
            repository=str(self.repository.root),
            author=author_of(self.repository),
            source=self.source,
            key=key if same else "",
            standing=standing.written(digest) if same else "",
            report=json.dumps(redact_all(plain)),
        )
        try:
            with closing(Judgements(places.ledger_file())) as ledger:
                ledger.add(row)
        except LedgerError as error:
            return replace(judged, notices=(*judged.notices, f"not kept: {error}"))
        return judged


def is_repeatable(judged: Judgement) -> bool:
    """Whether a verdict may be told again: what failed or was flaky is looked at anew.

    A verifier's word stands, so that nobody asks until it says yes; its silence does not.
    """
    evidence, baseline = judged.evidence, judged.baseline
    if evidence is None or baseline is None or evidence.failure or evidence.flaky or baseline.flaky:
        return False
    if judged.verdict not in (Verdict.ACCEPTED, Verdict.NOT_PROVED):
        return False
    return is_complete(baseline) and is_complete(evidence.checks)
