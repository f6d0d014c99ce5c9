"""What do the results prove? Pure: two check runs in, a grade and a failure class out.

Green is not proof. `ran` says that tests passed and nothing that was green at start turned red; whether they
execute the change is not known. `covered` says that green tests executed all of it. `discriminating` says
that some check tells the patch from its absence: red at start and green now, or that all seeded mistakes in
lines that should behave as before are noticed.
"""

from route_agent.evidence.caps import LEAST_MUTANTS
from route_agent.evidence.comparing import mended, still_red
from route_agent.evidence.grading import grade
from route_agent.evidence.start import KEEPS_BEHAVIOUR, NO_TESTS, broken_environment, reachable, targets

__all__ = [
    "KEEPS_BEHAVIOUR",
    "LEAST_MUTANTS",
    "NO_TESTS",
    "broken_environment",
    "grade",
    "mended",
    "reachable",
    "still_red",
    "targets",
]
