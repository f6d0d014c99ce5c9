"""The accept rule: how likely a patch is right that the verification let pass, from what is known of it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from route_agent.outcomes import Errors
from route_agent.routingspec import AcceptRule
from route_agent.tuning.logistic import fit
from route_agent.tuning.table import Table, rank

EFFORT = "effort"
EVEN = Errors(0.5, 0.5)  # a verification that tells nothing: what is fitted is the share before it
LEAST = 20  # attempts from which a rule is fitted
LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9)


@dataclass(frozen=True, slots=True)
class Judge:
    """A fitted accept rule with the costs that its effort is counted by.

    Attributes:
        weights: of the features, `effort` among them.
        efforts: of the lane's attempts that it was fitted on, in order.
        levels: likelihoods that are worth a trial as `accept_from`.
    """

    model: str
    intercept: float
    weights: Mapping[str, float]
    efforts: tuple[float, ...]
    levels: tuple[float, ...]
    outcomes: int

    @classmethod
    def fitted(cls, table: Table, rows: Sequence[int], model: str, errors: Errors) -> Judge:
        """Fit on some tasks.

        The outcomes tell how likely an attempt is right before anything is verified. Right patches pass with
        1 − r and wrong ones with a, so that a pass adds log((1 − r) / a) to the log-odds. Without false
        accepts a pass is proof, and there is no rule.
        """
        efforts = tuple(sorted(table.effort(model, row) for row in rows))
        outcomes = table.lanes[model]
        if (
            errors.accepts <= 0
            or errors.rejects >= 1
            or len(rows) < LEAST
            or not (efforts[-1] > efforts[0] or model in table.features)
        ):
            return cls(model, 0.0, {}, efforts, (), len(rows))
        draft = cls(model, 0.0, {}, efforts, (), len(rows))
        known = [draft._features(table, row) for row in rows]
        names = sorted({name for it in known for name in it})
        line = fit(
            [[it.get(name, 0.0) for name in names] for it in known], [outcomes[row].resolved for row in rows]
        )
        shift = math.log((1 - errors.rejects) / errors.accepts)
        weights = dict(zip(names, line[1:], strict=True))
        judge = cls(model, line[0] + shift, weights, efforts, (), len(rows))
        shares = [judge.likelihood(table, row) for row in rows]
        levels = tuple(it for it in LEVELS if min(shares) < it < max(shares))
        return cls(model, line[0] + shift, weights, efforts, levels, len(rows))

    def _features(self, table: Table, row: int) -> dict[str, float]:
        known = table.features.get(self.model)
        return {EFFORT: rank(self.efforts, table.effort(self.model, row)), **(known[row] if known else {})}

    def likelihood(self, table: Table, row: int) -> float:
        """How likely (0 to 1) the lane's patch for a task is right once the verification let it pass."""
        if not self.weights:
            return 1.0
        known = self._features(table, row)
        odds = self.intercept + sum(weight * known.get(name, 0.0) for name, weight in self.weights.items())
        return 1 / (1 + math.exp(-max(-700.0, min(700.0, odds))))

    def rule(self, accept_from: float) -> AcceptRule | None:
        """As a policy writes it; None where nothing could be fitted."""
        if not self.weights:
            return None
        return AcceptRule(
            intercept=round(self.intercept, 3),
            weights={name: round(weight, 3) for name, weight in self.weights.items()},
            accept_from=accept_from,
            outcomes=self.outcomes,
        )
