"""May this change be made at all? Judged on the tree that came out, never on what a patch's headers say.

The rules follow what git itself lets through: names that other file systems read as `.git` or as another
file, links that leave the tree, submodules, odd modes, text that reads otherwise than it runs. What is
refused ends the run. What is only odd is remarked, and is for the highest lane and a person's eyes.
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
_DEVICE = re.compile(
    r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3]) *(\..*)?", re.IGNORECASE
)
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
    # one fold of all names: a call for each would take ten times as long
    folded = _folded("\0".join(there)).split("\0")
    if not brought.keys().isdisjoint(folded):
        raise _twins(
            *next((brought[twin], path) for path, twin in zip(there, folded, strict=True) if twin in brought)
        )


def _twins(path: str, other: str) -> HostilePatch:
    # escaped: composed otherwise, they would be printed alike
    told = f"{path!a} and {other!a} are one file on macOS or Windows"
    return HostilePatch(f"patch refused: {told}. Nothing was applied")


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
    known, known_before = _by_folded(links), _by_folded(before)
    for path in (*sorted(written), *links):
        if _leaves(path, known) and (path in written or not _leaves(path, known_before)):
            raise HostilePatch(f"patch refused: {path!r} is a link that leaves the tree. Nothing was applied")


def leaves(path: str, links: Mapping[str, str]) -> bool:
    """Whether a link leads out of its tree or into git's folder, followed link by link as a system does.

    Args:
        path: the link.
        links: where each link of the tree points to; a link that is not in it is not trusted.
    """
    return _leaves(path, _by_folded(links))


def _by_folded(links: Mapping[str, str]) -> dict[str, str]:
    return {_folded(path): target for path, target in links.items()}


def _leaves(path: str, links: Mapping[str, str]) -> bool:
    at = path.split("/")[:-1]
    ahead = [posixpath.basename(path)]
    hops = 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            if not at:
                return True
            at.pop()
        elif part not in ("", "."):
            at.append(part)
            target = links.get(_folded("/".join(at)), "/" if not hops else None)
            hops += target is not None
            if _is_git(part) or (target is not None and (hops > MAX_HOPS or _is_elsewhere(target))):
                return True
            if target is not None:
                at.pop()
                ahead.extend(reversed(target.split("/")))
    return False


def _is_elsewhere(target: str) -> bool:
    return target.startswith("/") or "\\" in target or bool(_DRIVE.match(target))


def judge_added(diff: str) -> None:
    """Refuse added lines that hold a secret, or characters that show other code than they are.

    Args:
        diff: as git prints it. Its lines are counted as its headers say, since text may look like a header.

    Raises:
        HostilePatch: names the file.
    """
    size = 0
    for path, text in _added(diff):
        size += len(text)
        if size > MAX_ADDED_CHARACTERS:
            raise HostilePatch(
                f"patch refused: it adds more than {MAX_ADDED_CHARACTERS} characters. Nothing was applied"
            )
        judge_text(path, text)


def judge_text(path: str, text: str) -> None:
    """The same for added lines of one file.

    Raises:
        HostilePatch: names the file.
    """
    if redact(text) != text:
        raise HostilePatch(f"patch refused: a line added to {path!r} holds a secret. Nothing was applied")
    if not text.isascii() and (found := _HIDING.search(_FLAGS.sub("", text))):
        raise HostilePatch(
            f"patch refused: {path!r} gets text that hides what it says: {_code_point(found[0][0])}. "
            "Nothing was applied"
        )


_HUNK = re.compile(r"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def _added(diff: str) -> Iterator[tuple[str, str]]:
    """The added lines of each hunk, with the path of their file."""
    path = ""
    lines = iter(diff.split("\n"))
    for line in lines:
        if line.startswith("+++ "):
            path = line[4:].rstrip("\t").removeprefix("b/")
        elif found := _HUNK.match(line):
            yield path, "\n".join(_lines_added(lines, int(found[1] or 1), int(found[2]), int(found[3] or 1)))


def _lines_added(lines: Iterator[str], old: int, number: int, new: int) -> Iterator[str]:
    """The added lines of a hunk of so many old and new lines, the first new one of that number."""
    end = number + new
    while old > 0 or number < end:
        line = next(lines, None)
        if line is None:
            return
        if line.startswith("+"):
            # at the beginning of a file, and nowhere else, a byte order mark is what it says
            yield line[1:].removeprefix("\ufeff") if number == 1 else line[1:]
        old -= line[:1] in (" ", "-")
        number += line[:1] in (" ", "+")


# zero-width characters, marks of direction, fillers: legitimate in some scripts, never inside a Latin word
_JOINERS = "\u200c\u200d"
_BREAKS = "\u200b\u2060"
_MARKS = "\u200e\u200f\u061c"
_WIDTHLESS = f"{_JOINERS}{_BREAKS}{_MARKS}\u034f\u115f\u1160\u180e\u2061-\u2064\u3164\ufeff\uffa0"
_HIDING = re.compile(
    # overrides, embeddings and isolates of direction, and their obsolete kin: "Trojan Source"
    "[\u202a-\u202e\u2066-\u206f]"
    # tags, and selectors that select nothing: text in them is read by machines and seen by nobody
    "|[\U000e0000-\U000e007f]|[\ufe00-\ufe0f\U000e0100-\U000e01ef]{2}"
    # two names that look the same
    f"|(?<=[A-Za-z0-9_])[{_WIDTHLESS}]+(?=[A-Za-z0-9_])"
)
# the flags of England, Scotland and Wales are written in tags
_FLAGS = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)
_ODD = re.compile(f"[{_WIDTHLESS}\x00-\x08\x0b\x0e-\x1f\x7f-\x9f\u2028\u2029]|\r(?!\n|\\Z)")
# Cyrillic and Greek letters that are drawn as Latin ones, beside a Latin one
_ALIKE = (
    "\u0405\u0406\u0408\u0410\u0412\u0415\u041a\u041c-\u041e\u0420-\u0423\u0425\u0430\u0435\u043e\u0440\u0441\u0443"
    "\u0445\u0455\u0456\u0458\u04bb\u0501\u051b\u051d\u0391\u0392\u0395-\u0397\u0399\u039a\u039c\u039d\u039f\u03a1"
    "\u03a4\u03a5\u03a7\u03bf\u03f2"
)
_MIXED = re.compile(f"(?<=[A-Za-z])[{_ALIKE}]|[{_ALIKE}](?=[A-Za-z])")


def remarks(change: Change, diff: str) -> tuple[str, ...]:
    """What is odd about a change and no reason to refuse it, in words for a person.

    Args:
        change: what was judged.
        diff: the same as text.
    """
    found = [told for file in change.files if (told := _remark(file))]
    for path, text in _added(diff):
        found += [f"{path} gets {_code_point(letter)}" for letter in _odd_letters(text)]
        if not text.isascii() and (mixed := _MIXED.search(text)):
            found.append(f"{path} gets {_code_point(mixed[0])} in a Latin word")
    return tuple(dict.fromkeys(found))[:MAX_REMARKS]


def _remark(file: FileChange) -> str:
    if file.new_mode == SYMLINK:
        return f"{file.path} is a link"
    if file.new_mode == EXECUTABLE != file.old_mode:
        return f"{file.path} becomes executable"
    if file.is_new and any(map(_DEVICE.fullmatch, file.path.split("/"))):
        return f"{file.path} is the name of a device on Windows"
    return ""


def _odd_letters(text: str) -> set[str]:
    """Invisible and control characters, except where their script needs them."""
    return {
        found[0]
        for found in _ODD.finditer(text)
        if not _is_at_home(
            found[0], text[found.start() - 1 : found.start()], text[found.end() : found.end() + 1]
        )
    }


def _is_at_home(letter: str, before: str, after: str) -> bool:
    if letter in _JOINERS:  # in emoji, Persian, and the scripts of India
        return not before.isascii()
    if letter in _BREAKS:  # where words are not parted by blanks
        return not (before.isascii() or after.isascii())
    if letter in _MARKS:
        return any(unicodedata.bidirectional(it) in ("R", "AL", "AN") for it in before + after)
    return False


def _code_point(letter: str) -> str:
    return f"U+{ord(letter):04X} {unicodedata.name(letter, '')}".rstrip()
