"""The checks of projects in JavaScript, Go and Rust, and of makefiles."""

from __future__ import annotations

import re
from collections.abc import Iterator

from route_agent.discovery.project import MAKEFILES, Hit, Project, at, placed
from route_agent.records.checks import CheckKind

_LOCK_FILES = {
    "package-lock.json": "npm",
    "npm-shrinkwrap.json": "npm",
    "pnpm-lock.yaml": "pnpm",
    "yarn.lock": "yarn",
    "bun.lock": "bun",
    "bun.lockb": "bun",
}
_SCRIPTS = (
    (CheckKind.TEST, ("test",)),
    (CheckKind.LINT, ("lint",)),
    (CheckKind.FORMAT, ("format:check", "check:format", "format-check", "prettier:check")),
    (CheckKind.TYPECHECK, ("typecheck", "type-check", "check-types")),
)
_UNFIT = (
    (re.compile(r"no test specified"), "the placeholder of npm init"),
    (re.compile(r"\s--watch(?:All)?(?!\S)"), "it watches and never ends"),
    (re.compile(r"\s--(?:fix|write)(?!\S)"), "it edits files"),
)


def _package_manager(project: Project) -> str:
    for file, manager in _LOCK_FILES.items():
        if file in project.path_set:
            return manager
    named = str(at(project.data.get("package.json"), "packageManager")).partition("@")[0]
    return named if named in _LOCK_FILES.values() else "npm"


def _scripts(project: Project) -> Iterator[tuple[CheckKind, str, str]]:
    """Kind, name and why it is unfit (or nothing) of the package scripts that could be checks."""
    scripts = project.table("package.json", "scripts")
    for kind, names in _SCRIPTS:
        for name in names:
            command = scripts.get(name)
            if isinstance(command, str) and command.strip():
                yield kind, name, next((why for sign, why in _UNFIT if sign.search(command)), "")
                break


def package_scripts(project: Project) -> Iterator[Hit]:
    manager = _package_manager(project)
    for kind, name, unfit in _scripts(project):
        if not unfit:
            text = project.texts["package.json"]
            place = placed("package.json", text, rf'"{name}"\s*:', max(text.find('"scripts"'), 0))
            # `bun test` and `yarn test` may be other things than the script: `run` never is
            called = f"{manager}-{name.replace(':', '-')}"
            yield Hit(called, kind, (manager, "run", name), f"{place} scripts.{name}")


def unfit_scripts(project: Project) -> Iterator[str]:
    for _, name, unfit in _scripts(project):
        if unfit:
            yield f"package.json: scripts.{name} skipped, {unfit}"


def go(project: Project) -> Iterator[Hit]:
    if "go.mod" in project.texts:
        if any(path.endswith("_test.go") for path in project.paths):
            yield Hit("go-test", CheckKind.TEST, ("go", "test", "./..."), "go.mod")
        yield Hit("go-vet", CheckKind.LINT, ("go", "vet", "./..."), "go.mod")
        if settings := project.first_file(".golangci.yml", ".golangci.yaml", ".golangci.toml"):
            yield Hit("golangci-lint", CheckKind.LINT, ("golangci-lint", "run"), settings)


def cargo(project: Project) -> Iterator[Hit]:
    if "Cargo.toml" not in project.texts:
        return
    yield Hit("cargo-test", CheckKind.TEST, ("cargo", "test", "--quiet"), "Cargo.toml")
    configured = (
        project.first_file("clippy.toml", ".clippy.toml")
        or project.section("Cargo.toml", "lints", "clippy")
        or project.section("Cargo.toml", "workspace", "lints", "clippy")
    )
    if configured:
        yield Hit("cargo-clippy", CheckKind.LINT, ("cargo", "clippy", "--quiet"), configured)
    if style := project.first_file("rustfmt.toml", ".rustfmt.toml"):
        yield Hit("cargo-fmt", CheckKind.FORMAT, ("cargo", "fmt", "--check"), style)


def rubocop(project: Project) -> Iterator[Hit]:
    if ".rubocop.yml" in project.texts:
        yield Hit("rubocop", CheckKind.LINT, ("rubocop",), ".rubocop.yml")


_TARGETS = (
    (CheckKind.TEST, ("test", "tests", "check")),
    (CheckKind.LINT, ("lint",)),
    (CheckKind.TYPECHECK, ("typecheck", "type-check")),
)


def make(project: Project) -> Iterator[Hit]:
    file = project.first_file(*MAKEFILES)
    text = project.texts.get(file, "")
    for kind, names in _TARGETS:
        for name in names:
            target = rf"^(?:[\w.-]+[ \t]+)*{name}(?:[ \t]+[\w.-]+)*[ \t]*:(?!:?=)"
            if re.search(target, text, re.MULTILINE):
                yield Hit(f"make-{name}", kind, ("make", name), f"{placed(file, text, target)} {name}")
                break
