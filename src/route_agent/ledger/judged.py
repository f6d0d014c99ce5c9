"""What is known of every lane's attempts, for rules that are fitted to them."""

from __future__ import annotations

from dataclasses import dataclass

from route_agent.ledger.database import Database
from route_agent.records.grades import Failure

MOST = 200_000  # the latest
# these end an attempt before anybody knows whether its patch is right
_TELL_NOTHING = (Failure.PROVIDER, Failure.ENVIRONMENT, Failure.LIMIT, Failure.RAISED)


@dataclass(frozen=True, slots=True)
class Known:
    """A lane's first attempt in one run, with what an accept rule may weigh.

    Attributes:
        passed: whether the verification let its patch pass.
        first: whether the run began with it.
        cost_usd: None where a call has no known price.
        grade: of the evidence, as the ledger names it.
        lines: added and removed.
        score: of what the patch touched, else of the task; None where neither is known.
        effort: the share (0 to 1) of the lane's earlier attempts that took less; None where not known.
    """

    run: str
    repository: str
    lane: str
    passed: bool
    first: bool
    cost_usd: float | None
    grade: str
    lines: int
    score: int | None
    effort: float | None
    task_class: str


class Judged(Database):
    """The question for attempts whose patch was judged."""

    def judged(self) -> list[Known]:
        """Every lane's first attempt in every run, without replays and without other models' answers."""
        rows = self._read(
            "SELECT run_id, repository, lane, failure, number, attempt.cost_micro_usd AS cost,"
            " attempt.unknown_calls AS unknown, grade, added + deleted AS lines,"
            " COALESCE(attempt.score, run.score) AS score, effort, COALESCE(task_class, 'other') AS class,"
            " MIN(number)"
            " FROM attempt JOIN run ON run.id = run_id"
            " WHERE replayed = 0 AND other_model = 0 AND same_model = 0 AND attempt.reused = 0"
            " GROUP BY run_id, lane ORDER BY run.rowid DESC, lane LIMIT ?",
            (MOST,),
        )
        return [
            Known(
                row["run_id"],
                row["repository"],
                row["lane"],
                row["failure"] is None,
                row["number"] == 1,
                None if row["unknown"] else row["cost"] / 1_000_000,
                row["grade"],
                row["lines"],
                row["score"],
                row["effort"],
                row["class"],
            )
            for row in reversed(rows)
            if row["failure"] not in _TELL_NOTHING
        ]
