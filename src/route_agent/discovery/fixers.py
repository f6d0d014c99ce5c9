"""The commands by which a project's own tools mend what they find."""

from __future__ import annotations

from collections.abc import Iterator

from route_agent.discovery.project import Project

# by the check that is turned green; a formatter only where the project is known to be formatted by it
_OF_CHECK = {
    "ruff": ("ruff", "check", "--fix", "."),
    "isort": ("isort", "."),
    "ruff-format": ("ruff", "format", "."),
    "black": ("black", "."),
    "golangci-lint": ("golangci-lint", "run", "--fix"),
    # the scratch has no history that cargo could ask about
    "cargo-clippy": ("cargo", "clippy", "--fix", "--allow-no-vcs", "--allow-dirty", "--quiet"),
    "rubocop": ("rubocop", "--autocorrect"),
}
_STYLES = (".css", ".scss", ".sass", ".less")


def fixers(project: Project, found: set[str]) -> Iterator[tuple[str, ...]]:
    """Linters before formatters, which put in order what those leave."""
    yield from (command for check, command in _OF_CHECK.items() if check in found)
    needs = {
        name
        for key in ("dependencies", "devDependencies", "optionalDependencies")
        for name in project.table("package.json", key)
    }
    if "eslint" in needs:
        yield ("eslint", "--fix", ".")
    if "stylelint" in needs and (globs := _stylesheets(project)):
        yield ("stylelint", "--fix", *globs)
    if "prettier" in needs:
        yield ("prettier", "--write", ".")
    if "go.mod" in project.texts:
        yield ("goimports" if _sorts_imports(project) else "gofmt", "-w", ".")
    if "Cargo.toml" in project.texts:
        yield ("cargo", "fmt")


def _stylesheets(project: Project) -> list[str]:
    return [f"**/*{end}" for end in _STYLES if any(path.endswith(end) for path in project.paths)]


def _sorts_imports(project: Project) -> bool:
    files = ("go.mod", ".golangci.yml", ".golangci.yaml", ".golangci.toml")
    return any("goimports" in project.texts.get(file, "") for file in files)
