"""What no patch may do, judged on the tree that came out of it: real git trees, whoever made them."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
import time
import unicodedata
import zlib
from collections.abc import Mapping
from pathlib import Path

import pytest
from sandpit import FIX, Sandpit, replies

from route_agent.errors import BadPatch, HostilePatch, UsageError
from route_agent.patch import guard
from route_agent.policy import PathRules
from route_agent.records.change import EXECUTABLE, GITLINK, REGULAR, SYMLINK, Change, FileChange
from route_agent.repo.apply import judge_patch
from route_agent.repo.folder import apply_to_folder
from route_agent.repo.repository import Repository
from route_agent.repo.trees import Trees

NFC = unicodedata.normalize("NFC", "é.py")
NFD = unicodedata.normalize("NFD", "é.py")
SECRET = "AKIA" + "ABCDEFGHIJKLMNOP"

Files = Mapping[str, str | tuple[str, str]]


class Ground:
    """A repository in which any tree can be made, also those that git's own commands refuse to make."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir()
        identity = ("-c", "user.name=t", "-c", "user.email=t@example.com")
        for command in (("init", "-q"), (*identity, "commit", "-q", "--allow-empty", "-m", "start")):
            subprocess.run(["git", *command], cwd=root, check=True)
        self.trees = Trees(Repository.open(root), root.parent / "private")
        self.trees.prepare()

    def tree(self, files: Files) -> str:
        """A tree of files by path: text, or a mode and text; of a submodule the text is a commit."""
        found: dict[str, tuple[str, str]] = {}
        folders: dict[str, dict[str, str | tuple[str, str]]] = {}
        for path, content in files.items():
            top, inside, rest = path.partition("/")
            if inside:
                folders.setdefault(top, {})[rest] = content
            else:
                mode, text = content if isinstance(content, tuple) else (REGULAR, content)
                found[top] = (mode, text if mode == GITLINK else self._store("blob", encoded(text)))
        found |= {name: ("40000", self.tree(inner)) for name, inner in folders.items()}
        rows = sorted(found.items(), key=lambda row: encoded(row[0] + "/" * (row[1][0] == "40000")))
        listed = (
            f"{mode} ".encode() + encoded(name) + b"\0" + bytes.fromhex(id_) for name, (mode, id_) in rows
        )
        return self._store("tree", b"".join(listed))

    def _store(self, kind: str, data: bytes) -> str:
        whole = f"{kind} {len(data)}\0".encode() + data
        name = hashlib.sha1(whole, usedforsecurity=False).hexdigest()
        file = self.root / ".git" / "objects" / name[:2] / name[2:]
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(zlib.compress(whole, 1))
        return name

    def change(self, start: Files, patched: Files) -> Change:
        return self.trees.change(self.tree(start), self.tree(patched))

    def judge(self, start: Files, patched: Files, rules: PathRules | None = None) -> tuple[str, ...]:
        """What is remarked about the one tree becoming the other."""
        change = self.change(start, patched)
        judge_patch(self.trees, change, rules or PathRules())
        return guard.remarks(change, self.trees.diff(change.old_tree, change.new_tree))

    def refusal(self, start: Files, patched: Files) -> str:
        with pytest.raises(HostilePatch, match=r"^patch refused: .*Nothing was applied$") as caught:
            self.judge(start, patched)
        assert caught.value.exit_code == 4
        return caught.value.what


def encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    return Ground(tmp_path_factory.mktemp("guard") / "repository")


# --- twins -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "new"),
    [
        ("calc.py", "Calc.py"),
        (f"a/{NFC}", f"a/{NFD}"),
        (f"a/{NFD}", f"a/{NFC}"),
        ("src/y.py", "SRC/x.py"),
        ("a/src/y.py", "a/Src/deep/x.py"),
        ("src/y.py", "Src"),
        ("Src", "src/y.py"),
        ("stra\u00dfe.py", "STRASSE.py"),
        ("\u03c3.py", "\u03a3.py"),
        ("e\u0301tude/a", "\u00c9TUDE/b"),
    ],
)
def test_a_name_that_is_another_one_elsewhere_is_refused(ground: Ground, there: str, new: str) -> None:
    told = ground.refusal({there: "1\n", "b": "2\n"}, {there: "1\n", "b": "2\n", new: "3\n"})

    assert "are one file on macOS or Windows" in told


def test_the_refusal_shows_which_two_names_it_is_about(ground: Ground) -> None:
    start = {NFC: "1\n"}

    assert r"'e\u0301.py' and '\xe9.py' are one file" in ground.refusal(start, {**start, NFD: "2\n"})


@pytest.mark.parametrize(
    "pair", [("x.py", "X.py"), (NFC, NFD), ("p/a", "P/b"), ("p/q/a", "p/Q"), ("q", "Q/r/s")]
)
def test_two_new_names_that_are_one_elsewhere_are_refused(ground: Ground, pair: tuple[str, str]) -> None:
    assert "are one file" in ground.refusal({"b": "2\n"}, {"b": "2\n", pair[0]: "3\n", pair[1]: "4\n"})


@pytest.mark.parametrize(
    ("start", "patched"),
    [
        ({"Calc.py": "1\n"}, {"calc.py": "1\n"}),
        ({NFD: "1\n"}, {NFC: "1\n"}),
        ({"SRC/a": "1\n", "SRC/b": "2\n"}, {"src/a": "1\n", "src/b": "2\n"}),
        # twins that were there before are nobody's fault
        ({"x.h": "1\n", "X.h": "2\n"}, {"x.h": "1\n", "X.h": "3\n"}),
        ({"x.h": "1\n", "X.h": "2\n"}, {"x.h": "1\n", "X.h": "2\n", "y.h": "3\n"}),
        ({"src/a": "1\n", "SRC/b": "2\n"}, {"src/a": "1\n", "SRC/b": "2\n", "SRC/c": "3\n"}),
        ({"src/a": "1\n"}, {"src/a": "1\n", "src/b": "2\n"}),
    ],
)
def test_a_rename_and_what_was_so_before_are_no_twins(ground: Ground, start: Files, patched: Files) -> None:
    assert ground.judge(start, patched) == ()


def test_a_new_file_between_twins_that_were_there_is_refused_where_it_would_be_one_with_a_file(
    ground: Ground,
) -> None:
    start = {"src/a": "1\n", "SRC/b": "2\n"}

    assert "'SRC/a' and 'src/a' are one file" in ground.refusal(start, {**start, "SRC/a": "3\n"})


def test_a_tree_of_ten_thousand_files_is_judged_in_a_few_milliseconds() -> None:
    ids = {f"src/package{n % 97}/part{n % 31}/module_{n}.py": f"{n:040x}" for n in range(10_000)}
    new = tuple(FileChange(f"src/new{n}/m.py", "000000", REGULAR, "0", "1" * 40, 3, 0) for n in range(5))
    took = []
    for _ in range(15):
        began = time.process_time()
        guard.judge(Change("a", "b", new), {}, guard.Start(ids), PathRules(deny=("vendor",)))
        took.append(time.process_time() - began)

    assert min(took) < 0.010
    with pytest.raises(HostilePatch, match="are one file"):
        guard.judge_twins(["src/package5/PART5/x"], ids)


# --- names -------------------------------------------------------------------------------------------------

GIT_FOLDER = [
    ".git", ".GIT", ".Git", ".git.", ".git ", ".git . .", "git~1", "GIT~1", "git~2", ".git::$INDEX_ALLOCATION",
    ".git:x", "git~1::$DATA", ".g\u200cit", ".\u200dgit", ".git\ufeff", ".g\u202eit", ".git\u206f", "\uff0egit",
    ".g\u0131t", ".g\u0130t", ".gi\u0301t",
]  # fmt: skip
GIT_MODULES = [
    ".gitmodules", ".GITMODULES", ".gitmodules.", ".gitmodules ", ".gitmodules::$DATA", "gitmod~1", "GITMOD~4",
    "gi7eba~1", "gi7eb~10", ".gitmodule\u017f", ".git\u200dmodules", "\uff0egitmodules",
]  # fmt: skip


@pytest.mark.parametrize("name", GIT_FOLDER)
def test_no_spelling_of_gits_folder_is_written(ground: Ground, name: str) -> None:
    path = f"{name}/hooks/pre-commit"

    assert repr(path) in ground.refusal({"b": "1\n"}, {"b": "1\n", path: "x\n"})
    ground.refusal({"b": "1\n"}, {"b": "1\n", f"sub/{name}/config": "x\n"})
    ground.refusal({"b": "1\n"}, {"b": "1\n", f"sub/{name}": "gitdir: /elsewhere\n"})


@pytest.mark.parametrize("name", GIT_MODULES)
def test_no_spelling_of_gitmodules_is_written_or_edited(ground: Ground, name: str) -> None:
    ground.refusal({"b": "1\n"}, {"b": "1\n", name: "[submodule]\n"})
    ground.refusal({name: "1\n"}, {name: "[submodule]\n"})


@pytest.mark.parametrize(
    "name", [".gitignore", ".github/x", "git/x", "a.git/x", "x.gitmodules", "git-1/x", "gi"]
)
def test_names_that_only_begin_like_gits_are_fine(ground: Ground, name: str) -> None:
    assert ground.judge({"b": "1\n"}, {"b": "1\n", name: "x\n"}) == ()


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("app:b.txt", "holds a colon"),
        ("app.py:stream", "holds a colon"),
        ("x.", "ends in a dot or a blank"),
        ("x ", "ends in a dot or a blank"),
        ("d. /x", "ends in a dot or a blank"),
        ("a/progra~1", "short name of another file"),
        ("CONFTE~1.PY", "short name of another file"),
        ("C:/x", "not a path inside the tree"),
        ("..\\x", "backslash"),
        ("a\nb", "invisible"),
        ("a\x1b[31mb", "invisible"),
        ("a\u202eb", "invisible"),
        ("a\u200bb", "invisible"),
        ("a\u3164b", "invisible"),
        ("a\U000e0041", "invisible"),
        ("n" * 256, "too long"),
        ("/".join("d" * 41), "too deep"),
        ("/".join(["d" * 200] * 6), "too long"),
    ],
)
def test_a_new_name_that_other_systems_read_otherwise_is_refused(
    ground: Ground, name: str, told: str
) -> None:
    assert told in ground.refusal({"b": "1\n"}, {"b": "1\n", name: "x\n"})


@pytest.mark.parametrize("name", ["Foo::Bar.3", "ends.", "odd~1.txt", ".env", "id_rsa"])
def test_what_is_there_already_may_be_edited_and_removed_whatever_it_is_called(
    ground: Ground, name: str
) -> None:
    start = {name: "1\n", "b": "1\n"}

    assert ground.judge(start, {**start, name: "2\n"}) == ()
    assert ground.judge(start, {"b": "1\n"}) == ()


@pytest.mark.parametrize("name", ["aux.py", "CON", "src/nul", "com1.txt", "lpt\u00b9", "prn .c", "CONIN$"])
def test_a_device_of_windows_is_remarked_and_not_refused(ground: Ground, name: str) -> None:
    remarked = ground.judge({"b": "1\n"}, {"b": "1\n", name: "x\n"})

    assert remarked == (f"{name} is the name of a device on Windows",)


@pytest.mark.parametrize(
    "name", ["console.py", "auxiliary", "com10", "null", "icon", "notes.", "naïve.py", "日本.md"]
)
def test_names_that_only_look_like_it_are_fine(ground: Ground, name: str) -> None:
    name = name.rstrip(".")

    assert ground.judge({"b": "1\n"}, {"b": "1\n", name: "x\n"}) == ()


@pytest.mark.parametrize("name", [".route-agent/policy.yaml", ".ROUTE-AGENT/x", ".route-agent", "route-~1/x"])
def test_the_policy_is_not_the_patchs_to_change(ground: Ground, name: str) -> None:
    ground.refusal({"b": "1\n"}, {"b": "1\n", name: "x\n"})


# --- secrets -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [".env", ".env.local", "deploy/id_rsa", "a.pem", "certs/a.p12", ".netrc", "credentials.json",
     "service-account-prod.json", ".PYPIRC"],
)  # fmt: skip
def test_a_new_file_with_a_secrets_name_is_refused_by_name(ground: Ground, name: str) -> None:
    told = ground.refusal({"b": "1\n"}, {"b": "1\n", name: "x\n"})

    assert f"{name!r} is new, and files of that name hold secrets" in told


@pytest.mark.parametrize(
    "name", [".env.example", ".env.sample", ".envrc", ".npmrc", "credentials.py", "pem.md"]
)
def test_templates_and_settings_are_not_secrets(ground: Ground, name: str) -> None:
    assert ground.judge({"b": "1\n"}, {"b": "1\n", name: "x\n"}) == ()
    assert "holds a secret" in ground.refusal({"b": "1\n"}, {"b": "1\n", name: f"token={SECRET}\n"})


def test_the_content_of_a_file_of_secrets_appears_under_no_other_name(ground: Ground) -> None:
    start = {".env": "PLAIN=hunter2\n", "b": "1\n"}

    copied = ground.refusal(start, {**start, "public/notes.txt": "PLAIN=hunter2\n"})
    moved = ground.refusal(start, {"b": "1\n", "env.txt": "PLAIN=hunter2\n"})

    assert "'public/notes.txt' is a copy of '.env', which holds secrets" in copied
    assert "'env.txt' is a copy of '.env'" in moved
    assert ground.judge({".env": "", "b": "1\n"}, {".env": "", "b": "1\n", "pkg/__init__.py": ""}) == ()


@pytest.mark.parametrize(
    "text",
    [
        f"key = '{SECRET}'\n",
        f"++ {SECRET}\n",  # with the plus of a diff in front it looks like the header of a file
        f"x = 1\u2028{SECRET}\n",  # what some take for a line break and a diff does not
        f"x = 1\x0c{SECRET}\n",
        f"x = 1\r{SECRET}\n",
        "-----BEGIN RSA PRIVATE KEY-----\nabc\n",
        "aws_secret_access_key =\n  " + "A" * 40 + "\n",
    ],
)
def test_a_secret_in_an_added_line_is_refused_and_not_repeated(ground: Ground, text: str) -> None:
    start = {"a.txt": "one\ntwo\n"}
    for patched in ({"a.txt": f"one\n{text}two\n"}, {**start, "n.txt": text}):
        told = ground.refusal(start, patched)
        assert "holds a secret" in told
        assert SECRET not in told


def test_a_secret_that_stands_beside_the_change_or_is_removed_is_not_the_patchs(ground: Ground) -> None:
    start = {"a.txt": f"one\n{SECRET}\ntwo\n"}

    assert ground.judge(start, {"a.txt": f"one\n{SECRET}\nthree\n"}) == ()
    assert ground.judge(start, {"a.txt": "one\ntwo\n"}) == ()


# --- text that hides ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        *(
            (f"ok = 'a{chr(mark)}b'", f"U+{mark:04X}")
            for mark in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
        ),
        ("x = '\u206a'", "U+206A"),
        ("x = 'a\U000e0041\U000e007f'", "U+E0041 TAG LATIN CAPITAL LETTER A"),
        ("x = '\ufe01\ufe02\ufe03'", "U+FE01"),
        ("x = 'a\U000e0101\U000e0102'", "U+E0101"),
        ("is\u200badmin = 1", "U+200B ZERO WIDTH SPACE"),
        ("is\u200dadmin = 1", "U+200D"),
        ("is_\ufeffadmin = 1", "U+FEFF"),
        ("is\u3164admin = 1", "U+3164"),
        ("is\u200eadmin = 1", "U+200E"),
        ("\U0001f3f4\U000e0072\U000e006d\U000e007f", "U+E0072"),
    ],
)
def test_text_that_hides_what_it_says_is_refused_with_its_code_point(
    ground: Ground, text: str, told: str
) -> None:
    start = {"a.py": "one\ntwo\n"}

    assert told in ground.refusal(start, {"a.py": f"one\n{text}\ntwo\n"})
    assert told in ground.refusal(start, {**start, "n.py": f"{text}\n"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("user = 'admin\u200b'", "U+200B ZERO WIDTH SPACE"),
        ("x = 1\u00a0", ""),
        ("x = '\u2060'", "U+2060 WORD JOINER"),
        ("x = 'a\u200e '", "U+200E LEFT-TO-RIGHT MARK"),
        ("const \u3164 = 1", "U+3164 HANGUL FILLER"),
        ("p\u0430ypal = 1", "U+0430 CYRILLIC SMALL LETTER A in a Latin word"),
        ("\u0391dmin = 1", "U+0391 GREEK CAPITAL LETTER ALPHA in a Latin word"),
        ("print('\x1b[2K')", "U+001B"),
        ("harmless\rrm -rf", "U+000D"),
        ("// comment\u2028evil()", "U+2028 LINE SEPARATOR"),
        ("x\ufeff = 1", "U+FEFF ZERO WIDTH NO-BREAK SPACE"),
    ],
)
def test_odd_text_is_remarked_and_not_refused(ground: Ground, text: str, told: str) -> None:
    start = {"a.py": "one\ntwo\n"}

    remarked = ground.judge(start, {"a.py": f"one\n{text}\ntwo\n"})

    assert remarked == ((f"a.py gets {told}",) if told else ())


@pytest.mark.parametrize(
    "text",
    [
        "family = '\U0001f468\u200d\U0001f469\u200d\U0001f467', heart = '\u2764\ufe0f\u200d\U0001f525'",
        "england = '\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f'",
        "persian = '\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645'",
        "hindi = '\u0915\u094d\u200d\u0937'",
        "hebrew = '\u05e9\u05dc\u05d5\u05dd\u200f!'",
        "thai = '\u0e01\u0e32\u0e23\u200b\u0e17\u0e33'",
        "greek = '\u03bb\u03cc\u03b3\u03bf\u03c2', delta_\u03b1 = \u0394x",
        "russian = '\u043f\u0440\u0438\u0432\u0435\u0442'",
        "windows = 1\r",
        "page\x0c",
        "tab\tand caf\u00e9",
    ],
)
def test_the_worlds_scripts_are_neither_refused_nor_remarked(ground: Ground, text: str) -> None:
    start = {"a.py": "one\ntwo\n"}

    assert ground.judge(start, {"a.py": f"one\n{text}\ntwo\n"}) == ()
    assert ground.judge(start, {**start, "n.py": f"{text}\n"}) == ()


def test_a_byte_order_mark_belongs_at_the_beginning_of_a_file_alone(ground: Ground) -> None:
    start = {"a.py": "\ufeffone\ntwo\n"}

    assert ground.judge(start, {"a.py": "\ufeff1\ntwo\n"}) == ()
    assert ground.judge(start, {**start, "b.py": "\ufeff1\n"}) == ()
    assert ground.judge(start, {"a.py": "\ufeffone\n\ufefftwo\n"}) == (
        "a.py gets U+FEFF ZERO WIDTH NO-BREAK SPACE",
    )


# --- links, modes, submodules, sizes -----------------------------------------------------------------------


def link(target: str) -> tuple[str, str]:
    return SYMLINK, target


@pytest.mark.parametrize(
    ("start", "written", "blamed"),
    [
        ({}, {"l": link("/etc/passwd")}, "l"),
        ({}, {"l": link("..")}, "l"),
        ({}, {"a/b/l": link("../../../x")}, "a/b/l"),
        ({}, {"l": link("x/../../y")}, "l"),
        ({}, {"l": link(".git/hooks")}, "l"),
        ({}, {"l": link("x/.GIT")}, "l"),
        ({}, {"l": link("..\\x")}, "l"),
        ({}, {"l": link("C:/x")}, "l"),
        ({}, {"l": link("l")}, "l"),
        # each of these stays inside by its own text, and not with the other one
        ({"d/x": "1\n"}, {"d/b": link(".."), "a": link("d/b/..")}, "a"),
        ({"d/b": link("..")}, {"a": link("d/b/../x")}, "a"),
        ({"d/b": link("..")}, {"a": link("D/B/..")}, "a"),
        ({"data": link("/mnt/data")}, {"x": link("data/y")}, "x"),
        ({"data": link("/mnt/data")}, {"x": link("y"), "y": link("data")}, "x"),
        ({}, {"a": link("b"), "b": link("..")}, "a"),
        ({"d/e/f": "1\n", "a": link("d/e/..")}, {"d/e/f": None, "d/e": link("..")}, "a"),
        ({"l": link("d/e"), "d/e/f": "1\n", "a": link("l/../..")}, {"l": None}, "a"),
    ],
)
def test_a_link_that_leaves_the_tree_is_refused_also_by_way_of_others(
    ground: Ground, start: Files, written: dict[str, str | tuple[str, str] | None], blamed: str
) -> None:
    whole: dict[str, str | tuple[str, str]] = {"b.py": "1\n", **start}
    patched = {path: data for path, data in {**whole, **written}.items() if data is not None}

    assert f"{blamed!r} is a link that leaves the tree" in ground.refusal(whole, patched)


def test_a_link_inside_the_tree_is_shown_and_one_that_left_before_is_nobodys_fault(ground: Ground) -> None:
    start: Files = {"a/b": "1\n", "data": link("/mnt/data"), "loop": link("loop")}

    assert ground.judge(start, {**start, "a/l": link("../a/b")}) == ("a/l is a link",)
    assert ground.judge(start, {**start, "deep/l": link("../a")}) == ("deep/l is a link",)
    assert ground.judge(start, {"a/b": "1\n", "loop": link("loop")}) == ()


def test_submodules_are_refused_whether_they_come_or_go(ground: Ground) -> None:
    start: Files = {"b": "1\n"}
    with_module: Files = {"b": "1\n", "lib": (GITLINK, "1" * 40)}

    assert "'lib' is a submodule" in ground.refusal(start, with_module)
    assert "'lib' is a submodule" in ground.refusal(with_module, start)


def test_binary_content_and_odd_modes_are_refused_and_a_new_right_to_execute_is_shown(ground: Ground) -> None:
    start: Files = {"b": "1\n"}

    assert "'x' is binary" in ground.refusal(start, {"b": "1\n", "x": "a\0b"})
    assert ground.judge(start, {"b": (EXECUTABLE, "1\n")}) == ("b becomes executable",)
    assert ground.judge({"b": (EXECUTABLE, "1\n")}, start) == ()
    for mode in ("104755", "100600", "102644", "100666"):
        with pytest.raises(HostilePatch, match=f"'x' gets the file mode {mode}"):
            guard.judge(Change("a", "b", (FileChange("x", REGULAR, mode, "0", "1"),)), {})


@pytest.mark.parametrize(
    ("patched", "told"),
    [
        ({f"f{n}": f"{n}\n" for n in range(guard.MAX_FILES + 1)}, "too large"),
        ({"f": "x\n" * (guard.MAX_ADDED_LINES + 1)}, "too large"),
        ({"f": "x" * (guard.MAX_ADDED_CHARACTERS + 1)}, "adds more than 10000000 characters"),
    ],
)
def test_a_patch_beyond_the_limits_is_refused(ground: Ground, patched: Files, told: str) -> None:
    assert told in ground.refusal({"b": "1\n"}, {"b": "1\n", **patched})


# --- a whole run -------------------------------------------------------------------------------------------


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Sandpit(tmp_path / "pit")


def new_file(path: str, text: str = "x = 1") -> str:
    return f"--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{text}\n"


def test_a_run_ends_at_a_twin_and_the_next_lane_is_not_asked(pit: Sandpit, tmp_path: Path) -> None:
    before = pit.state()
    file = replies(tmp_path, ("fast", FIX + new_file("CALC.py")), ("strong", FIX))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")

    assert done.exit_code == 4
    assert [it["failure"] for it in done.json["attempts"]] == ["hostile"]
    assert "'CALC.py' and 'calc.py' are one file" in done.json["attempts"][0]["reason"]
    assert pit.state() == before


def test_what_is_odd_belongs_to_the_highest_lane_and_is_said_with_the_evidence(
    pit: Sandpit, tmp_path: Path
) -> None:
    odd = FIX.replace("return a + b\n", "return a + b  # \u200b\n")
    file = replies(tmp_path, ("fast", odd), ("strong", odd))

    done = pit.run("--task", "sums must be right", "--replay", str(file), "--json")

    assert [it["failure"] for it in done.json["attempts"]] == ["raised", None]
    assert "belongs to strong: calc.py gets U+200B" in done.json["attempts"][0]["reason"]
    assert "calc.py gets U+200B ZERO WIDTH SPACE" in done.json["attempts"][1]["reason"]


def test_nothing_is_copied_or_moved_from_an_ignored_file(pit: Sandpit, tmp_path: Path) -> None:
    pit.write(".gitignore", "local.txt\n.env\n")
    pit.commit("ignore")
    pit.write("local.txt", "mine\n")
    pit.write(".env", "KEY=1\n")
    before = pit.state()

    for source, verb in (("local.txt", "copy"), (".env", "rename")):
        header = f"diff --git a/{source} b/open.txt\nsimilarity index 100%\n"
        reply = f"{header}{verb} from {source}\n{verb} to open.txt\n"
        file = replies(tmp_path, ("fast", reply))
        assert pit.run("--task", "x", "--replay", str(file), "--only-lane", "fast").exit_code == 1
        with pytest.raises(BadPatch, match="does not exist"):
            apply_to_folder(pit.root, reply)
        assert pit.state() == before


# --- the same for a folder ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        new_file("CALC.py"),
        new_file(NFC) + new_file(NFD),
        new_file("app:b.txt"),
        new_file(".env", "A=1"),
        new_file(".route-agent/x.yaml"),
        new_file("x.py", f"key = '{SECRET}'"),
        new_file("x.py", f"++ {SECRET}"),
        new_file("x.py", "is\u202eadmin = 1"),
        "".join(new_file(f"f{n}") for n in range(guard.MAX_FILES + 1)),
        "diff --git a/calc.py b/calc.py\nold mode 100644\nnew mode 104755\n",
        "diff --git a/l b/l\nnew file mode 120000\n--- /dev/null\n+++ b/l\n@@ -0,0 +1 @@\n+/etc/passwd\n",
        "diff --git a/secret.pem b/open.txt\nsimilarity index 100%\ncopy from secret.pem\ncopy to open.txt\n",
    ],
)  # fmt: skip
def test_what_is_hostile_in_a_tree_is_hostile_in_a_folder(tmp_path: Path, reply: str) -> None:
    (tmp_path / "calc.py").write_text("x\n")
    (tmp_path / "secret.pem").write_text("plain\n")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}

    for check in (True, False):
        with pytest.raises(HostilePatch, match="Nothing was applied"):
            apply_to_folder(tmp_path, reply, check=check)

    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_copies_do_not_get_around_the_limit_of_size(tmp_path: Path) -> None:
    (tmp_path / "big.txt").write_text("x" * 3_000_000)
    copies = (
        f"diff --git a/big.txt b/c{n}\nsimilarity index 100%\ncopy from big.txt\ncopy to c{n}\n"
        for n in range(4)
    )

    with pytest.raises(HostilePatch, match="too large"):
        apply_to_folder(tmp_path, "".join(copies))

    assert [path.name for path in tmp_path.iterdir()] == ["big.txt"]


def test_a_case_rename_in_a_folder_is_no_twin(tmp_path: Path) -> None:
    (tmp_path / "Calc.py").write_text("x\n")

    apply_to_folder(
        tmp_path,
        "diff --git a/Calc.py b/calc.py\nsimilarity index 100%\nrename from Calc.py\nrename to calc.py\n",
    )

    assert [path.name for path in tmp_path.iterdir()] == ["calc.py"]


def test_a_file_that_git_ignores_is_not_overwritten(pit: Sandpit) -> None:
    pit.write(".gitignore", "local.txt\n")
    pit.write("local.txt", "mine\n")
    before = pit.state()

    done = pit.run("patch", "apply", "-", stdin=new_file("local.txt"))

    assert done.exit_code == 1
    assert "local.txt is there already" in done.stderr
    assert pit.state() == before


def test_links_of_a_folder_are_not_written_through_wherever_they_lead(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real").mkdir(parents=True)
    (root / "inner").symlink_to("real")
    (root / "first").symlink_to("second")
    (root / "second").symlink_to("..")
    (root / ".git").mkdir()
    (root / "hooks").symlink_to(".git")
    (root / "file").symlink_to("real/x")

    for path in ("first/x", "second/x", "hooks/x"):
        with pytest.raises(HostilePatch, match=r"leads through .* a link that leaves the folder"):
            apply_to_folder(root, new_file(path))
    for path in ("inner/x", "file"):
        with pytest.raises(BadPatch, match="is a link"):
            apply_to_folder(root, new_file(path))

    assert [it for it in root.rglob("x") if it.is_file()] == []
    assert sorted(it.name for it in tmp_path.iterdir()) == ["root"]


def test_a_repository_inside_a_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "lib" / ".git").mkdir(parents=True)

    with pytest.raises(BadPatch, match="lib is another repository"):
        apply_to_folder(tmp_path, new_file("lib/x.py"))


# --- all or nothing ----------------------------------------------------------------------------------------


def listing(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): f"{path.stat().st_mode:o} {path.read_text() if path.is_file() else ''}"
        for path in root.rglob("*")
    }


def test_a_write_that_fails_leaves_no_folder_no_draft_and_every_mode(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("one\n")
    (tmp_path / "a").chmod(0o640)
    (tmp_path / "gone").write_text("old\n")
    (tmp_path / "gone").chmod(0o751)
    (tmp_path / "run").write_text("x\n")
    before = listing(tmp_path)
    reply = (
        "--- a/a\n+++ b/a\n@@ -1 +1 @@\n-one\n+two\n"
        "--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-old\n"
        "diff --git a/run b/run\nold mode 100644\nnew mode 100755\n" + new_file("new/deep/x")
    )
    long = "".join(f"+line {number}\n" for number in range(100))
    reply += f"--- /dev/null\n+++ b/new/z\n@@ -0,0 +1,100 @@\n{long}"
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200, hard))  # as on a disk that is full
    try:
        with pytest.raises(UsageError, match="nothing was applied"):
            apply_to_folder(tmp_path, reply)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert listing(tmp_path) == before


def test_an_interrupted_write_is_undone_as_well(tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"f{number}").write_text("one\n")
    before = listing(tmp_path)
    reply = "".join(f"--- a/f{n}\n+++ b/f{n}\n@@ -1 +1 @@\n-one\n+two\n" for n in range(300))
    program = (
        "import pathlib, sys\n"
        "from route_agent.repo import folder\n"
        "moves = []\n"
        "def audit(event, arguments):\n"
        "    if event == 'os.rename':\n"
        "        moves.append(1)\n"
        "        if len(moves) == 150: raise KeyboardInterrupt\n"
        "sys.addaudithook(audit)\n"
        "folder.apply_to_folder(pathlib.Path(sys.argv[1]), sys.stdin.read())\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)],
        input=reply,
        text=True,
        capture_output=True,
        check=False,
    )

    assert "KeyboardInterrupt" in done.stderr
    assert listing(tmp_path) == before


def test_modes_and_the_owner_of_a_file_survive_its_edit(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_text("one\n")
    file.chmod(0o664)
    if os.geteuid() == 0:
        os.chown(file, 1234, 1235)
    owner = (file.stat().st_uid, file.stat().st_gid)
    edit = "diff --git a/a b/a\n{}--- a/a\n+++ b/a\n@@ -1 +1 @@\n-{}\n+{}\n"

    apply_to_folder(tmp_path, edit.format("", "one", "two"))
    assert file.stat().st_mode & 0o7777 == 0o664
    apply_to_folder(tmp_path, edit.format("old mode 100644\nnew mode 100755\n", "two", "three"))
    assert file.stat().st_mode & 0o7777 == 0o775
    apply_to_folder(tmp_path, "diff --git a/a b/a\nold mode 100755\nnew mode 100644\n")

    assert file.stat().st_mode & 0o7777 == 0o664
    assert (file.stat().st_uid, file.stat().st_gid) == owner
    assert file.read_text() == "three\n"


def test_a_file_with_the_longest_name_there_can_be_is_patched(tmp_path: Path) -> None:
    name = "n" * 255

    apply_to_folder(tmp_path, new_file(name, "one"))

    assert (tmp_path / name).read_text() == "one\n"
