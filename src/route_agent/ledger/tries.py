"""What lanes made of tasks, run by run: the ledger's part of outcomes."""

from __future__ import annotations

from dataclasses import dataclass

from route_agent.ledger.database import Database
from route_agent.records.grades import Failure

MOST_TRIES = 200_000  # the latest
# these end an attempt before anybody knows whether its patch is right
_TELL_NOTHING = (Failure.PROVIDER, Failure.ENVIRONMENT, Failure.LIMIT, Failure.RAISED)


@dataclass(frozen=True, slots=True)
class Try:
    """A lane's first attempt in one run.

    Attributes:
        task: equal for runs of one brief on one tree of one repository.
        accepted: on evidence; None where the attempt ended before that was known.
        cost_usd: None where a call has no known price.
        seconds: wall time.
    """

    run: str
    repository: str
    task: str
    lane: str
    model: str
    accepted: bool | None
    cost_usd: float | None
    seconds: float


class Tries(Database):
    """The question for outcomes."""

    def tries(self) -> list[Try]:
        """Every lane's first attempt in every run, oldest first.

        Without recorded and stored replies, answers of another model than was asked, and escalations that the
        same model answered. Later attempts of a lane in one run were made since the first had failed, so they
        tell nothing of a task at large.
        """
        rows = self._read(
            "SELECT run.id AS run, repository, brief, start, lane, model, failure,"
            " attempt.seconds AS seconds, attempt.cost_micro_usd AS cost, attempt.unknown_calls AS unknown,"
            " MIN(number)"
            " FROM attempt JOIN run ON run.id = run_id"
            " WHERE replayed = 0 AND other_model = 0 AND same_model = 0 AND attempt.reused = 0"
            " GROUP BY run.id, lane ORDER BY run.rowid DESC, lane LIMIT ?",
            (MOST_TRIES,),
        )
        first: dict[tuple[str, str, str], str] = {}
        return [
            Try(
                row["run"],
                row["repository"],
                first.setdefault((row["repository"], row["start"], row["brief"]), row["run"]),
                row["lane"],
                row["model"],
                None if row["failure"] in _TELL_NOTHING else row["failure"] is None,
                None if row["unknown"] else row["cost"] / 1_000_000,
                row["seconds"],
            )
            for row in reversed(rows)
        ]
