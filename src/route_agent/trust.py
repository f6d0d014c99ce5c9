"""Which policy files may ask for more than a check gets: looked at and allowed by the user, one by one.

The list lives in the user's configuration file, which people write by hand: it is edited as text, so that
comments and order stay, and each edit is proved to change nothing but the list before the file is replaced.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from route_agent import places
from route_agent.config import Config, Trust, load_config
from route_agent.errors import ConfigError
from route_agent.policy import COMMAND

if TYPE_CHECKING:
    from route_agent.policy import LaneSpec, Policy

_NEW_FILE = "# route-agent's own settings; `route-agent config show` prints what is in force.\n"


def lane_word(lane: str) -> str:
    """What a lane is called among the checks that ask for something; no check's name has a space."""
    return f"lane {lane}"


def asked(policy: Policy) -> dict[str, str]:
    """What a policy's checks and lanes ask for beyond the walls, in words, by `<check>` and `lane <lane>`."""
    words = {check.name: ", ".join(check.exposures) for check in policy.checks if check.exposures}
    for lane, specs in policy.models.items():
        runs = [_agent_asks(spec) for spec in specs if spec.provider == COMMAND]
        if runs:
            words[lane_word(lane)] = "; or ".join(dict.fromkeys(runs))
    return words


def _agent_asks(spec: LaneSpec) -> str:
    shown = spec.preset or shlex.join(spec.run[0])
    return f"runs {shown} with {' and '.join(('network', *spec.env))}"


def allowed_by_name(config: Config, policy: Policy) -> frozenset[str]:
    """The lanes whose every agent the user lets any policy run with what it asks for, by `lane <lane>`."""
    found = set()
    for lane, specs in policy.models.items():
        agents = [spec for spec in specs if spec.provider == COMMAND]
        if agents and all(_is_allowed(config, spec) for spec in agents):
            found.add(lane_word(lane))
    return frozenset(found)


def _is_allowed(config: Config, spec: LaneSpec) -> bool:
    """Whether a known agent is named, and with it every variable that it would get.

    A command of the policy's own is never allowed by a name: its options could send a key anywhere.
    """
    variables = config.commands.get(spec.preset) if spec.preset else None
    return variables is not None and set(spec.env) <= set(variables)


def is_trusted(config: Config, repository: Path, content: bytes) -> bool:
    """Whether this very content was allowed for this repository (its top folder)."""
    return _entry(repository, content) in config.trust


def record(repository: Path, content: bytes) -> None:
    """Allow a policy file's exposures by noting its hash in the user's configuration file.

    Args:
        repository: the checkout's top folder.
        content: the policy file, byte for byte.

    Raises:
        ConfigError: the file cannot be read, written or edited without touching something else.
    """
    entry = _entry(repository, content)
    _edit(
        lambda text, trust: _with_entry(text, entry),
        lambda trust: trust if entry in trust else (*trust, entry),
    )


def forget(repository: Path) -> None:
    """Take back what was allowed for a repository.

    Raises:
        ConfigError: as for `record`.
    """
    name = _name(repository)
    _edit(
        lambda text, trust: _without_entries(text, [entry.repository == name for entry in trust]),
        lambda trust: tuple(entry for entry in trust if entry.repository != name),
    )


def _entry(repository: Path, content: bytes) -> Trust:
    return Trust(repository=_name(repository), sha256=hashlib.sha256(content).hexdigest())


def _name(repository: Path) -> str:
    # YAML holds no bytes that are not UTF-8, a path may
    return str(repository.resolve()).encode("utf-8", "backslashreplace").decode()


# --- replacing the file ------------------------------------------------------------------------------------


_Entries = tuple[Trust, ...]


def _edit(change: Callable[[str, _Entries], str], wanted: Callable[[_Entries], _Entries]) -> None:
    shown = places.config_file()
    file = shown.resolve()  # a configuration folder is often made of links: the link stays
    try:
        with _locked():
            before = _load(file)
            after = before.model_copy(update={"trust": wanted(before.trust)})
            if after == before:
                return
            text = file.read_bytes().decode() if file.exists() else _NEW_FILE
            _replace(file, change(text, before.trust), after)
    except OSError as error:
        raise ConfigError(f"{shown}: {error.strerror or error}", hint="route-agent doctor") from error


def _load(file: Path) -> Config:
    return load_config((file,))


def _replace(file: Path, text: str, wanted: Config) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # of mode 0600
    candidate = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
        if file.exists():
            candidate.chmod(file.stat().st_mode & 0o7777)
        if not _says(candidate, wanted):
            raise ConfigError(
                f"{places.config_file()}: its trust list cannot be edited without touching the rest",
                hint="write it as a plain list, one entry a line",
            )
        candidate.replace(file)
    finally:
        candidate.unlink(missing_ok=True)


def _says(file: Path, wanted: Config) -> bool:
    try:
        return _load(file) == wanted
    except ConfigError:
        return False


@contextmanager
def _locked() -> Iterator[None]:
    from filelock import FileLock

    folder = places.state_dir()
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with FileLock(folder / "config.lock"):
        yield


# --- editing the text --------------------------------------------------------------------------------------


def _trust_nodes(text: str) -> tuple[Any, Any] | None:
    """The key and the value of `trust` with their places in the text, or None where it is not there."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return None
    return next((pair for pair in root.value if pair[0].value == "trust"), None)


def _with_entry(text: str, entry: Trust) -> str:
    written = f"{{repository: {_quoted(entry.repository)}, sha256: {_quoted(entry.sha256)}}}"
    newline = "\r\n" if "\r\n" in text else "\n"
    nodes = _trust_nodes(text)
    if nodes is None:
        joint = "" if not text or text.endswith("\n") else newline
        return f"{text}{joint}trust:{newline}  - {written}{newline}"
    value = nodes[1]
    if not value.value:
        head = text[: value.start_mark.index].rstrip(" ")
        return _on_a_line(head + text[value.end_mark.index :], len(head), f"  - {written}", newline)
    last = _end(value.value[-1])
    if value.flow_style:
        close = value.end_mark.index - 1
        comma = "" if _comma(text, last, close) else ","
        return f"{text[:last]}{comma}{text[last:close].rstrip(' ')} {written}{text[close:]}"
    return _on_a_line(text, last, f"{' ' * value.start_mark.column}- {written}", newline)


def _on_a_line(text: str, position: int, line: str, newline: str) -> str:
    """The text with one more line, below the one that holds the position."""
    after = _next_line(text, position)
    joint = "" if text[:after].endswith("\n") else newline
    return f"{text[:after]}{joint}{line}{newline}{text[after:]}"


def _without_entries(text: str, dropped: list[bool]) -> str:
    nodes = _trust_nodes(text)
    if nodes is None:
        return text
    key, value = nodes
    items = list(zip(value.value, dropped, strict=True))
    ends = [item.start_mark.index for item in value.value[1:]] + [value.end_mark.index - 1]
    for (item, gone), end in reversed([*zip(items, ends, strict=True)]):
        start, stop = item.start_mark.index, _end(item)
        if gone and value.flow_style:
            text = text[:start] + text[_comma(text, stop, end) or stop :]
        elif gone:
            text = text[: text.rfind("\n", 0, start) + 1] + text[_next_line(text, stop) :]
    if value.flow_style or not all(dropped):
        return text
    colon = text.index(":", key.end_mark.index) + 1
    return f"{text[:colon]} []{text[colon:]}"


def _comma(text: str, start: int, end: int) -> int:
    """Where the comma between two entries ends, comments left aside; 0 where there is none."""
    while start < end and text[start] != ",":
        start = text.find("\n", start, end) if text[start] == "#" else start + 1
        if start < 0:
            return 0
    return start + 1 if start < end else 0


def _quoted(text: str) -> str:
    return yaml.safe_dump(text, default_style='"', width=2**31 - 1).rstrip("\n")


def _next_line(text: str, position: int) -> int:
    return text.find("\n", position) + 1 or len(text)


def _end(node: Any) -> int:
    """Where a node's text ends: a block's own mark stands only where the next one begins."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    return _end(last[1] if isinstance(last, tuple) else last)
