"""May this change be made at all? Judged on the tree that came out, never on what a patch's headers say.

The rules follow what git itself lets through: names that other file systems read as `.git` or as another
file, links that leave the tree, submodules, odd modes, text that reads otherwise than it runs. What is refused
ends the run; what is only odd is remarked, and belongs to the highest lane and before a person's eyes.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from route_agent.errors import HostilePatch
from route_agent.globs import any_match
from route_agent.records.change import EXECUTABLE, GITLINK, REGULAR, SYMLINK
from route_agent.redaction import is_secret_name, redact

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from route_agent.policy import PathRules
    from route_agent.records.change import Change, FileChange

MAX_FILES = 500
MAX_ADDED_LINES = 50_000
MAX_ADDED_CHARACTERS = 10_000_000
MAX_PATH_BYTES = 1024
MAX_NAME_BYTES = 255
MAX_DEPTH = 40
MAX_HOPS = 40  # as the kernel follows links
MAX_REMARKS = 10

OWN_FOLDER = ".route-agent"

_DRIVE = re.compile(r"^[A-Za-z]:")
# what a person cannot see in a file's name: controls, bidirectional marks, zero-width and tag characters,
# and letters that are drawn as nothing
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_BLANK = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
# `.git` and `.gitmodules`, and the short names that Windows gives them (gi7eba is a hash of the latter)
_GIT = re.compile(r"\.git|git~\d+|\.gitmodules|gitmod~\d+|gi7eb?a?~\d+")
_SHORT = re.compile(r"[^.~]{1,6}~[1-9]\d{0,5}(\.[^.]{0,3})?")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE)
# secrets may lie in these, and settings as often: judged by what is added to them
_SETTINGS = frozenset({".envrc", ".npmrc"})


@dataclass(frozen=True, slots=True)
class Start:
    """What stands before a change: the object id of each file, and where each symbolic link points to."""

    ids: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


def judge(
    change: Change, links: Mapping[str, str], start: Start | None = None, rules: PathRules | None = None
) -> None:
    """Refuse a change that leaves its bounds.

    Args:
        change: what the patched tree differs in from start.
        links: where the symbolic links of the patched tree point to, at least those that it writes.
        start: what stands in the start tree. Without it, twins and copies are only looked for in the change.
        rules: which paths the policy lets a patch touch.

    Raises:
        HostilePatch: names the path and the reason; of paths outside the rules, all.
    """
    start = start or Start()
    if len(change.files) > MAX_FILES or change.added > MAX_ADDED_LINES:
        raise HostilePatch(f"patch refused: it is too large ({change.summary}). Nothing was applied")
    judge_paths(change.paths)
    if rules:
        _judge_rules(change.paths, rules)
    for file in change.files:
        if reason := _bad_file(file):
            raise HostilePatch(f"patch refused: {file.path!r} {reason}. Nothing was applied")
    _judge_links(change, links, start.links)
    _judge_copies(change, start.ids)
    gone = {file.path for file in change.files if file.is_deleted}
    new = [file.path for file in change.files if file.is_new]
    judge_twins(new, (path for path in start.ids if path not in gone) if new else ())


def judge_paths(paths: Iterable[str]) -> None:
    """Refuse names before anything is written under them.

    Raises:
        HostilePatch: names the path, escaped.
    """
    for path in paths:
        if reason := _bad_name(path):
            raise HostilePatch(f"patch refused: it names {path!r}, {reason}. Nothing was applied")


def _bad_name(path: str) -> str:
    parts = path.split("/")
    if not path or path.startswith("/") or _DRIVE.match(path):
        return "which is not a path inside the tree"
    if any(part in ("", ".", "..") for part in parts):
        return "which leaves the tree or goes around in it"
    if "\\" in path or _is_unseen(path):
        return "which holds a backslash or an invisible character"
    if any(_is_git(part) for part in parts):
        return "which is git's own folder"
    raw = path.encode("utf-8", "surrogateescape")
    if len(raw) > MAX_PATH_BYTES or len(parts) > MAX_DEPTH:
        return "which is too long or too deep"
    if any(len(part.encode("utf-8", "surrogateescape")) > MAX_NAME_BYTES for part in parts):
        return "which has too long a part"
    return ""


def _is_unseen(path: str) -> bool:
    if path.isascii():
        return not path.isprintable()
    return any(letter in _BLANK or unicodedata.category(letter) in _UNSEEN for letter in path)


def _is_git(part: str) -> bool:
    """Whether any common file system would read this name as `.git` or `.gitmodules`."""
    return bool(_GIT.fullmatch(_plain(part)))


def _plain(part: str) -> str:
    """A name as the most forgiving of file systems reads it: no case, stream, marks, or dots at the end."""
    name = part.partition(":")[0]
    if not name.isascii():
        letters = unicodedata.normalize("NFKD", name)
        name = "".join(it for it in letters if unicodedata.category(it) not in ("Mn", "Cf")).upper()
    return name.rstrip(". ").casefold()


def _judge_rules(paths: Iterable[str], rules: PathRules) -> None:
    allow, deny = ([_composed(it) for it in patterns] for patterns in (rules.allow, rules.deny))
    outside = [
        path
        for path in paths
        if any_match(_composed(path), deny) or (allow and not any_match(_composed(path), allow))
    ]
    if outside:
        told = ", ".join(map(repr, outside))
        raise HostilePatch(
            f"patch refused: the policy's paths do not let a patch touch {told}. Nothing was applied"
        )


def _composed(text: str) -> str:
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _bad_file(file: FileChange) -> str:
    if GITLINK in (file.new_mode, file.old_mode):
        return "is a submodule"
    if not file.is_deleted and file.new_mode not in (REGULAR, EXECUTABLE, SYMLINK):
        return f"gets the file mode {file.new_mode}"
    if file.binary:
        return "is binary"
    top = _plain(file.path.partition("/")[0])
    if top == OWN_FOLDER or re.fullmatch(r"route-~\d+", top):
        return "belongs to the policy that judges it"
    return _bad_new_name(file.path) if file.is_new else ""


def _bad_new_name(path: str) -> str:
    """What no new file may be called. A file that was there may be edited: its name is not the patch's."""
    for part in path.split("/"):
        if part[-1] in ". ":
            return "ends in a dot or a blank, which Windows drops"
        if ":" in part:
            return "holds a colon, with which Windows names a drive or a stream of another file"
        if _SHORT.fullmatch(part):
            return "is what Windows calls the short name of another file"
    if is_secret_name(path) and posixpath.basename(path) not in _SETTINGS:
        return "is new, and files of that name hold secrets"
    return ""


def judge_twins(new: Iterable[str], standing: Iterable[str]) -> None:
    """Refuse names that macOS or Windows takes for another one of the same tree.

    Args:
        new: paths that the change brings in.
        standing: paths of start that are still there.

    Raises:
        HostilePatch: names both.
    """
    there = _with_folders(standing)
    brought: dict[str, str] = {}
    for path in _with_folders(new) - there:
        if (other := brought.setdefault(_folded(path), path)) != path:
            raise _twins(*sorted((path, other)))
    if not brought:
        return
    # one fold of all names: a call for each would take ten times as long
    for path, folded in zip(there, _folded("\0".join(there)).split("\0"), strict=True):
        if folded in brought:
            raise _twins(brought[folded], path)


def _twins(path: str, other: str) -> HostilePatch:
    return HostilePatch(
        f"patch refused: {ascii(path)} and {ascii(other)} are one file on macOS or Windows. Nothing was applied"
    )


def _with_folders(paths: Iterable[str]) -> set[str]:
    """The paths, and every folder above them."""
    found = set(paths)
    above = {path.rpartition("/")[0] for path in found}
    while above := above - found - {""}:
        found |= above
        above = {path.rpartition("/")[0] for path in above}
    return found


def _folded(text: str) -> str:
    """Equal for texts that differ in case or in how their letters are composed (Unicode D145)."""
    if text.isascii():
        return text.casefold()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", text).casefold())


def _judge_copies(change: Change, ids: Mapping[str, str]) -> None:
    """Refuse the content of a file of secrets under a name at which nobody looks for them."""
    written = {file.new_id: file.path for file in change.files if file.added}
    for path, identity in ids.items():
        if identity in written and is_secret_name(path) and written[identity] != path:
            raise HostilePatch(
                f"patch refused: {written[identity]!r} is a copy of {path!r}, which holds secrets. "
                "Nothing was applied"
            )


def _judge_links(change: Change, links: Mapping[str, str], before: Mapping[str, str]) -> None:
    """Refuse links that lead out of the tree: those written, and those for which another one was bent."""
    if not any(SYMLINK in (file.old_mode, file.new_mode) for file in change.files):
        return
    written = {file.path for file in change.files if file.new_mode == SYMLINK}
    for path in (*sorted(written), *links):
        if leaves(path, links) and (path in written or not leaves(path, before)):
            raise HostilePatch(
                f"patch refused: {path!r} is a link that leaves the tree. Nothing was applied"
            )


def leaves(path: str, links: Mapping[str, str]) -> bool:
    """Whether a link leads out of the tree or into git's folder, followed link by link as a system does.

    Args:
        path: the link.
        links: where the tree's links point to.
    """
    known = {_folded(link): target for link, target in links.items()}
    at = path.split("/")[:-1]
    ahead = [known.get(_folded(path), "/")]
    hops = 0
    while ahead:
        part, _, rest = ahead.pop().partition("/")
        ...
    return False
