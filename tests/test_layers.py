"""The house's layers: imports point down, nothing runs in a circle, and every module has its place."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "route_agent"

LAYERS = (
    {"records", "errors", "__init__"},
    {
        "afterwards",
        "asking",
        "blocking",
        "outline",
        "summing",
        "symbols",
        "tracing",
        "brief",
        "classes",
        "confidence",
        "context",
        "describing",
        "discovery",
        "evidence",
        "fixing",
        "figuring",
        "fuzzing",
        "globs",
        "hunks",
        "tampering",
        "landing",
        "lexical",
        "judges",
        "agreement",
        "lanespec",
        "linerules",
        "outcomes",
        "replaying",
        "tuning",
        "resampling",
        "routingspec",
        "covering",
        "mutants",
        "patch",
        "policy",
        "pricing",
        "proofcheck",
        "prooflog",
        "retries",
        "prompt",
        "redaction",
        "reproduction",
        "risk",
        "routing",
        "schema",
        "strictness",
        "pathrules",
        "policychecks",
        "policydiff",
        "policyfiles",
        "policyschema",
        "preferences",
        "policysources",
        "drift",
        "verifying",
        "withholding",
        "writing",
        "yamlfile",
    },
    {
        "beside",
        "checks",
        "config",
        "earlier",
        "hooks",
        "lanes",
        "ledger",
        "learning",
        "ledgeroutcomes",
        "markers",
        "places",
        "readoutcomes",
        "repo",
        "sandbox",
        "scanners",
        "telemetry",
        "otlp",
        "transcripts",
        "trust",
    },
    {
        "assembling",
        "attempting",
        "climb",
        "decide",
        "delivering",
        "experiments",
        "factfinding",
        "first_push",
        "gate",
        "ground",
        "library",
        "mending",
        "outward",
        "proof",
        "proposing",
        "recording",
        "quoting",
        "racing",
        "reproducing",
        "retelling",
        "review",
        "secondopinion",
        "shadowing",
        "suspicions",
        "task",
        "workspaces",
    },
    {"report"},
    {"cli", "__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
PURE = {"subprocess", "socket", "sqlite3", "urllib", "http", "tempfile", "shutil", "threading"}
MODULES = sorted(SOURCE.rglob("*.py"))


def home(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(path: Path) -> set[str]:
    """Dotted names of everything of ours that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "route_agent":
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names if alias.name.split(".")[0] == "route_agent"}
    return found


def rooms(path: Path) -> set[str]:
    return {parts[1] for name in imported(path) if len(parts := name.split(".")) > 1} - {"__version__"}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_imports_point_down(path: Path) -> None:
    layer = RANK[home(path)]

    upward = {name for name in rooms(path) if RANK[name] > layer}

    assert not upward


def test_the_layer_test_notices_a_forbidden_import(tmp_path: Path) -> None:
    file = tmp_path / "risk.py"
    file.write_text("def f():\n    from route_agent.lanes.desk import Desk\n")

    assert {name for name in rooms(file) if RANK[name] > RANK["risk"]} == {"lanes"}


@pytest.mark.parametrize(
    "path", [path for path in MODULES if RANK[home(path)] <= 1], ids=lambda path: path.stem
)
def test_words_and_rules_do_no_input_or_output(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = (
                [node.module or ""] if isinstance(node, ast.ImportFrom) else [it.name for it in node.names]
            )
            assert not {name.split(".")[0] for name in names} & PURE


def test_no_two_modules_import_each_other_in_a_circle() -> None:
    graph = {_dotted(path): {it for name in imported(path) if (it := _module_of(name))} for path in MODULES}
    finished: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join((*trail, name))
        if name not in finished:
            for other in graph[name]:
                visit(other, (*trail, name))
            finished.add(name)

    for module in graph:
        visit(module, ())


def _dotted(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


_KNOWN = {_dotted(path) for path in MODULES}


def _module_of(name: str) -> str:
    """The module that a dotted import means; a package's face stands for nothing of its own."""
    if name in _KNOWN and not (SOURCE.parent / name.replace(".", "/")).is_dir():
        return name
    parent = name.rpartition(".")[0]
    return parent if parent in _KNOWN and not (SOURCE.parent / parent.replace(".", "/")).is_dir() else ""
