"""Whether a ledger is whole: its file, its references, its sums, its tally and its chain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from route_agent.ledger import tally
from route_agent.ledger.chain import Chained

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST = 20  # of a kind of fault, that are named

# a call that was given up may have been settled after its run had ended: then more is known than was
_SUMS = (
    "SELECT run.id AS id, run.cost_micro_usd AS told, run.unknown_calls AS unknown,"
    " (SELECT COALESCE(SUM(cost_micro_usd), 0) FROM call WHERE run_id = run.id) AS found,"
    " (SELECT COUNT(*) FROM call WHERE run_id = run.id AND cost_micro_usd IS NULL) AS without"
    " FROM run WHERE verdict IS NOT NULL AND (told < 0 OR found < told OR without > unknown"
    "  OR (unknown = 0 AND found <> told)) LIMIT ?"
)
_TALLY = (
    f"SELECT run_id FROM (SELECT * FROM tally EXCEPT {tally.DERIVED} AND verdict IS NOT NULL)"  # noqa: S608 - ours
    f" UNION SELECT run_id FROM (SELECT run.id AS run_id FROM run WHERE verdict IS NOT NULL AND replayed = 0"
    f"  AND verdict <> '{tally.PLANNED}' EXCEPT SELECT run_id FROM tally) LIMIT ?"
)
_LOST = (
    "SELECT DISTINCT '{table}' AS what, run_id FROM {table} WHERE run_id NOT IN (SELECT id FROM run) LIMIT ?"
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that does not hold: which kind, and where."""

    kind: str
    what: str


class Whole(Chained):
    """A ledger that is looked over. Nothing is changed in it."""

    def faults(self) -> list[Fault]:
        """Everything that does not hold, some of each kind; empty where all is well."""
        return list(self._all())

    def _all(self) -> Iterator[Fault]:
        if (told := self.integrity()) != "ok":
            yield Fault("file", told)
            return  # what else is read there means nothing
        for it in self._read("PRAGMA foreign_key_check"):
            yield Fault("reference", f"a row of {it[0]} belongs to no {it[2]}")
        for it in self._read(_LOST.format(table="check_result"), (MOST,)):
            yield Fault(
                "reference", f"a row of {it['what']} belongs to run {it['run_id']}, which is not there"
            )
        for it in self._read(_SUMS, (MOST,)):
            told_sum = f"{it['told']} and {it['unknown']} unknown"
            yield Fault(
                "sum", f"run {it['id']}: {told_sum}, its calls {it['found']} and {it['without']} unknown"
            )
        for it in self._read(_TALLY, (MOST,)):
            yield Fault("tally", f"run {it['run_id']} is summed up wrongly")
        for fault in self.check_chain(MOST):
            yield Fault("chain", fault)
