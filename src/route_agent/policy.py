"""The policy: lanes, routing, checks, acceptance, limits. Read at the base, never from the change judged.

The model below is the file's grammar. Rules elsewhere take the validated `Policy` and nothing else.
"""

from __future__ import annotations

import difflib
import hashlib
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from route_agent import agreement, yamlfile
from route_agent.errors import PolicyError
from route_agent.lanespec import (
    COMMAND,
    FIXER,
    MAX_USD,
    RACE,
    RECORDED,
    VERIFIER,
    Argv,
    Cap,
    EnvName,
    Fallback,
    LaneSpec,
    Name,
    OutputForm,
    PathPattern,
    Preset,
)
from route_agent.policyfiles import POLICY_PATH, presets
from route_agent.records.checks import CheckKind
from route_agent.records.grades import Failure, Grade, TaskClass
from route_agent.routingspec import (
    ESCALATION_WORDS,
    AcceptRule,
    AfterRules,
    ComplexityRules,
    Condition,
    EscalationWord,
    Mode,
    Phase,
    Routing,
    ShadowRules,
    SignalRule,
)
from route_agent.schema import SchemaError, Strict, read, validate

__all__ = [
    "COMMAND",
    "ESCALATION_WORDS",
    "FIXER",
    "MAX_USD",
    "POLICY_PATH",
    "RACE",
    "RECORDED",
    "VERIFIER",
    "AcceptRule",
    "AfterRules",
    "Argv",
    "Cap",
    "ComplexityRules",
    "Condition",
    "EnvName",
    "EscalationWord",
    "Fallback",
    "LaneSpec",
    "Mode",
    "Name",
    "NamedPolicy",
    "OutputForm",
    "PathPattern",
    "Phase",
    "Policy",
    "Preset",
    "Routing",
    "ShadowRules",
    "SignalRule",
    "named_policy",
    "parse_policy",
    "presets",
]


class CheckSpec(Strict):
    """One command that judges a tree. `run` is an argument list and never a shell line.

    `network`, `expose` and `env` ask for more than a check gets; they count only after `route-agent trust`.
    `coverage` is a file that the check itself writes, in the form of LCOV or Cobertura; `junit` one with the
    outcome of every test, in JUnit's XML, or several by a `*` in the file's name.
    """

    name: Name
    run: Argv
    kind: CheckKind = CheckKind.TEST
    timeout: Annotated[float, Field(gt=0, le=7200)] = 300
    when: tuple[str, ...] = ()
    network: Literal["off", "host"] = "off"
    expose: tuple[str, ...] = ()
    env: tuple[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ...] = ()
    coverage: str = ""
    junit: str = ""

    @field_validator("coverage", "junit")
    @classmethod
    def _stays_in_the_tree(cls, path: str) -> str:
        parts = path.split("/")
        if path and (not path.isprintable() or {"", ".", "..", ".git"} & set(parts)):
            raise ValueError(
                "write a path below the folder at the top of the tree, such as coverage/lcov.info"
            )
        return path

    @model_validator(mode="after")
    def _stars_only_where_several_files_are(self) -> CheckSpec:
        if "*" in self.coverage or "*" in posixpath.dirname(self.junit):
            raise ValueError("a * may stand only in the last part of `junit`, such as reports/TEST-*.xml")
        return self

    @property
    def exposures(self) -> tuple[str, ...]:
        """What the check asks for beyond the walls, for a person to read."""
        network = ("network: host",) if self.network == "host" else ()
        return (
            *network,
            *(f"expose: {path}" for path in self.expose),
            *(f"env: {name}" for name in self.env),
        )


class PathRules(Strict):
    """What a patch may touch. No `allow` is everything; `deny` wins. A rename touches both its paths."""

    allow: tuple[PathPattern, ...] = ()
    deny: tuple[PathPattern, ...] = ()

    def __str__(self) -> str:
        """In words for a model; empty where everything is allowed."""
        allowed = f"only {', '.join(self.allow)}" if self.allow else ""
        denied = f"never {', '.join(self.deny)}" if self.deny else ""
        return "; ".join(part for part in (allowed, denied) if part)


class ReproduceRules(Strict):
    """For which classes of task a test for the brief is written before any patch is seen, and by whom."""

    when: tuple[TaskClass, ...] = ("bug", "feature")
    lane: Name = VERIFIER
    attempts: Annotated[int, Field(ge=1, le=5)] = 2


class VerifyRules(Strict):
    """When a second model reads a patch that met its bar, and how often it is shown a known-bad one.

    `when_weak`: below `discriminating`. `canary_rate` is the share of reviews (0 to 1) that bring one along.
    """

    lane: Name = VERIFIER
    critique: Literal["always", "when_weak", "never"] = "when_weak"
    canary_rate: Annotated[float, Field(ge=0, le=1)] = 0.05


class FlakyRules(Strict):
    """How often tests that are red are run once more by themselves, at start and on a patch; 0: never."""

    reruns: Annotated[int, Field(ge=0, le=5)] = 1


class GateRules(Strict):
    """What a change that exists already must prove in `gate`, in the hook and in CI, and what stops it.

    `on_error` says for each failure whether it blocks; what is not named blocks. `deadline_s` is how long the
    hook may hold a push, in seconds, and `on_deadline` what happens then. `critique` is when the verifier
    reads the change: it costs money, so never unless the policy says so.
    """

    least: Grade = Grade.NONE
    on_error: dict[Failure, Literal["block", "allow"]] = {}
    deadline_s: Annotated[float, Field(gt=0, le=86_400)] = 600
    on_deadline: Literal["block", "allow"] = "block"
    critique: Literal["always", "when_weak", "never"] = "never"


class Targets(Strict):
    """What share of the runs (0 to 1) the lanes below the ladder's last should end, and the last at most."""

    cheap_least: Annotated[float, Field(ge=0, le=1)] = 0.80
    frontier_most: Annotated[float, Field(ge=0, le=1)] = 0.15


class Limits(Strict):
    """Money in dollars, durations in seconds. What is per day counts from midnight UTC.

    `per_day_usd` is for all that this user's ledger holds; the others are for this repository, for one author
    (by git's e-mail address) and for single lanes. `unpriced` is what happens to a model whose price is not
    known: it is not called, or called against the most that a dear model would cost.
    """

    max_usd: Annotated[float, Field(gt=0, le=MAX_USD)] = 1.00
    per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] = 10.00
    repository_per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] | None = None
    author_per_day_usd: Annotated[float, Field(gt=0, le=MAX_USD)] | None = None
    lane_per_day_usd: dict[Name, Annotated[float, Field(gt=0, le=MAX_USD)]] = {}
    unpriced: Literal["refuse", "reserve"] = "refuse"
    max_attempts: Annotated[int, Field(ge=1, le=20)] = 4
    deadline_s: Annotated[float, Field(gt=0)] = 900


class Policy(Strict):
    """A whole policy.

    In the file, a lane of `models` is one entry or a list of alternatives, and a bar of `accept` one grade
    or a grade by task class; here both are always the longer form.
    """

    version: Literal[1]
    models: dict[Name, Annotated[tuple[LaneSpec, ...], Field(min_length=1)]]
    routing: Routing
    signals: dict[str, SignalRule]
    checks: tuple[CheckSpec, ...] = ()
    accept: dict[str, dict[Literal["default"] | TaskClass, Grade]]
    paths: PathRules = PathRules()
    no_send: tuple[PathPattern, ...] = ()
    reproduce: ReproduceRules = ReproduceRules()
    verify: VerifyRules = VerifyRules()
    flaky: FlakyRules = FlakyRules()
    stop_checks: Literal["never", "first_failure"] = "never"
    gate: GateRules = GateRules()
    targets: Targets = Targets()
    limits: Limits = Limits()

    @model_validator(mode="after")
    def _agrees(self) -> Policy:
        models, ladder = self.models, self.routing.ladder
        agreement.ladder(models, self.routing)
        agreement.named(models, "accept", self.accept)
        agreement.named(models, "limits.lane_per_day_usd", self.limits.lane_per_day_usd)
        agreement.paid(models, self.limits.lane_per_day_usd)
        agreement.adviser(models, "verify", self.verify.lane)
        agreement.adviser(models, "reproduce", self.reproduce.lane)
        agreement.adviser(models, "routing.shadow", self.routing.shadow.lane)
        agreement.unique([check.name for check in self.checks])
        agreement.helpers(models, ladder)
        agreement.fallbacks(models, ladder)
        return self

    def bar(self, lane: str, task_class: TaskClass) -> Grade:
        """The grade from which this lane's patch is accepted for this class of task."""
        bars = self.accept.get(lane, {})
        return bars.get(task_class, bars.get("default", Grade.RAN))

    def escalates_on(self, failure: Failure) -> bool:
        """Whether the next lane may be tried after this failure."""
        return ESCALATION_WORDS.get(failure) in self.routing.escalate_on

    @property
    def hash(self) -> str:
        """Twelve hex digits over everything that is in force, discovered checks included."""
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True)
class NamedPolicy:
    """A policy and what a report calls it: a preset's name or the file's.

    `lines` says where each signal gets its points, as `file:line`, by the signal's name.
    """

    name: str
    policy: Policy
    lines: Mapping[str, str] = field(default_factory=dict, compare=False)


def parse_policy(text: str | bytes, where: str) -> Policy:
    """Read a policy; what it leaves out comes from the built-in one, key by key.

    `models` and `checks` are taken whole: a lane or a check that is not named is not there.

    Raises:
        PolicyError: names file, line and key, and the nearest valid key.
    """
    return named_policy(text, where).policy


def named_policy(text: str | bytes, where: str) -> NamedPolicy:
    """The same, with the lines that give the signals their points.

    Raises:
        PolicyError: names file, line and key, and the nearest valid key.
    """
    built_in = _built_in()
    defaults = _long_form(built_in.data)
    try:
        document = built_in if text == presets()["default"].read_bytes() else read(text, where)
        given = _long_form(document.data)
        if isinstance(given.get("signals"), dict):
            _refuse_unknown_signals(given["signals"], defaults["signals"], document, where)
        policy = validate(Policy, _with_defaults(given, defaults), document, where)
    except SchemaError as error:
        raise PolicyError(str(error), hint="docs/policy.md lists every key") from error
    own = f"policies/{where}.yaml" if where in presets() else where
    return NamedPolicy(
        where, policy, {name: _where_weighed(name, document, own, built_in) for name in policy.signals}
    )


@lru_cache(maxsize=1)
def _built_in() -> yamlfile.Document:
    default = presets()["default"]
    return read(default.read_bytes(), default.name)


def _where_weighed(name: str, document: yamlfile.Document, where: str, built_in: yamlfile.Document) -> str:
    """Where a signal gets its points: in the policy itself, or in the built-in one beneath it."""
    path: yamlfile.Path = ("signals", name, "points")
    if path in document.lines:
        return f"{where}:{document.lines[path]}"
    return f"policies/default.yaml:{built_in.line(path)}"


def _with_defaults(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """What is given, over the built-in policy.

    A part of a section must not open what the rest of it would have kept shut: `routing` with one key still
    has its always-strong conditions, a signal with other points still has its paths.
    """
    merged = defaults | given
    for section in ("routing", "paths", "reproduce", "verify", "flaky", "gate", "targets", "limits"):
        if isinstance(part := given.get(section), dict):
            merged[section] = defaults.get(section, {}) | part
    if isinstance(signals := given.get("signals"), dict):
        merged["signals"] = defaults["signals"] | {
            name: defaults["signals"][name] | rule if isinstance(rule, dict) else rule
            for name, rule in signals.items()
        }
    if isinstance(models := merged["models"], dict) and isinstance(bars := given.get("accept", {}), dict):
        built_in = {lane: bar for lane, bar in defaults["accept"].items() if lane in models}
        merged["accept"] = built_in | bars
    return merged


def _long_form(data: dict[str, Any]) -> dict[str, Any]:
    """One entry of a lane becomes a list of one, one grade of a lane the grade for every class."""
    long = dict(data)
    if isinstance(models := data.get("models"), dict):
        long["models"] = {
            lane: [entry] if isinstance(entry, dict) else entry for lane, entry in models.items()
        }
    if isinstance(accept := data.get("accept"), dict):
        long["accept"] = {
            lane: {"default": bar} if isinstance(bar, str) else bar for lane, bar in accept.items()
        }
    return long


def _refuse_unknown_signals(
    given: dict[str, Any], known: dict[str, Any], document: yamlfile.Document, where: str
) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(name, list(known), n=1)
            hint = f" (did you mean {close[0]}?)" if close else ""
            raise SchemaError(f'{where}:{document.line(("signals", name))}: unknown signal "{name}"{hint}')
