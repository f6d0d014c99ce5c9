"""A repository in every state in which one can be found: it works, or one line says why not."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from refusals import TASK, Place, fixing, refused, untouched
from sandpit import ADD, FIX, LIGHT, PROGRAM, Sandpit

HERE = ("explain", "--task", "x")
NEW = "--- /dev/null\n+++ b/{}\n@@ -0,0 +1 @@\n+x\n"


class Light(Sandpit):
    """A repository whose check only looks whether the patched file is there: what is shown counts, not a proof."""

    def __init__(self, root: Path, files: dict[str, str] | None = None) -> None:
        super().__init__(root, files, LIGHT)


@pytest.fixture
def pit(tmp_path: Path) -> Sandpit:
    return Light(tmp_path / "pit")


@pytest.fixture
def forked(pit: Sandpit) -> Sandpit:
    """Two branches that changed the same line."""
    pit.git("checkout", "-q", "-b", "other")
    pit.write("calc.py", ADD.replace("a - b", "a - b - 1"))
    pit.commit("one way")
    pit.git("checkout", "-q", "main")
    pit.write("calc.py", ADD.replace("a - b", "a - b - 2"))
    pit.commit("the other way")
    return pit


def attempt(pit: Sandpit, *arguments: str) -> None:
    """A git command that ends in a conflict."""
    done = subprocess.run(["git", *arguments], cwd=pit.root, capture_output=True, check=False)
    assert done.returncode != 0


COMMANDS = (
    ("--task", "x"), HERE, ("gate", "--base", "HEAD"), ("init",), ("trust",), ("hook", "install"),
    ("hook", "uninstall"),
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_works_outside_a_repository(tmp_path: Path, command: tuple[str, ...]) -> None:
    place = Place(tmp_path / "plain")
    place.root.mkdir()

    refused(place, *command, code=6, says="is not in a git repository")


@pytest.mark.parametrize("command", [*COMMANDS[:3], COMMANDS[5]], ids=" ".join)
def test_a_bare_repository_has_no_files_to_judge(tmp_path: Path, command: tuple[str, ...]) -> None:
    place = Place(tmp_path / "bare.git")
    subprocess.run(["git", "init", "-q", "--bare", place.root], check=True)

    refused(place, *command, code=6, says="is a bare repository")


@pytest.mark.parametrize("inner", ["", "refs"])
def test_inside_the_git_folder_there_is_no_checkout(pit: Sandpit, inner: str) -> None:
    refused(Place(pit.root / ".git" / inner), *TASK, code=6, says="lies inside a git folder")


@pytest.mark.parametrize("command", [*COMMANDS[:3], COMMANDS[5]], ids=" ".join)
def test_without_a_commit_there_is_nothing_to_compare_with(tmp_path: Path, command: tuple[str, ...]) -> None:
    place = Place(tmp_path / "new")
    subprocess.run(["git", "init", "-q", place.root], check=True)

    refused(place, *command, code=6, says="this repository has no commits")


@pytest.mark.parametrize(
    ("begin", "name"),
    [
        (("merge", "other"), "a merge"),
        (("rebase", "other"), "a rebase"),
        (("cherry-pick", "other"), "a cherry-pick"),
        (("revert", "--no-edit", "HEAD~1"), "a revert"),
    ],
    ids=lambda it: it[0] if isinstance(it, tuple) else "",
)
def test_an_unfinished_operation_is_named(forked: Sandpit, begin: tuple[str, ...], name: str) -> None:
    attempt(forked, *begin)

    refused(forked, *TASK, code=6, says=f"{name} is under way")


def test_an_unfinished_bisect_is_named(forked: Sandpit) -> None:
    forked.git("bisect", "start")

    refused(forked, *TASK, code=6, says="a bisect is under way")


def test_unmerged_files_are_refused_although_no_merge_is_under_way(forked: Sandpit) -> None:
    forked.write("calc.py", ADD.replace("a - b", "a - b - 3"))
    forked.git("stash")
    forked.write("calc.py", ADD.replace("a - b", "a - b - 4"))
    forked.commit("in the way of the stash")
    attempt(forked, "stash", "pop")

    refused(forked, *TASK, code=6, says="has unmerged files")


def test_a_detached_head_works_but_takes_no_commit(pit: Sandpit) -> None:
    pit.git("checkout", "-q", "--detach")

    assert untouched(pit, *fixing(pit)).exit_code == 0
    refused(pit, *fixing(pit), "--commit", code=2, says="HEAD is detached")


def test_a_shallow_clone_works_and_says_how_to_get_a_base_that_is_missing(
    pit: Sandpit, tmp_path: Path
) -> None:
    first = pit.git("rev-parse", "HEAD").strip()
    pit.commit("second")
    clone = Place(tmp_path / "clone")
    subprocess.run(["git", "clone", "-q", "--depth", "1", f"file://{pit.root}", clone.root], check=True)

    assert untouched(clone, *fixing(clone)).exit_code == 0
    for command in ((*TASK, "--base", first), ("gate", "--base", first)):
        assert "fetch-depth: 0" in refused(clone, *command, code=6, says="there is no commit").stderr


def test_a_partial_clone_works_and_says_how_to_get_what_is_missing(tmp_path: Path) -> None:
    origin = Light(tmp_path / "origin", files={"text.txt": "one\n"})
    origin.write("text.txt", "two\n")
    origin.commit("second")
    origin.git("config", "uploadpack.allowFilter", "true")
    clone = Place(tmp_path / "clone")
    command = ["git", "clone", "-q", "--filter=blob:none", f"file://{origin.root}", str(clone.root)]
    subprocess.run(command, check=True)

    assert untouched(clone, *fixing(clone)).exit_code == 0
    missing = refused(clone, *TASK, "--base", "HEAD~1", code=6, says="unable to read")
    assert "git fetch --refetch" in missing.stderr


def test_a_linked_worktree_is_a_checkout_of_its_own(pit: Sandpit, tmp_path: Path) -> None:
    pit.git("worktree", "add", "-q", str(tmp_path / "linked"), "-b", "linked")
    linked = Place(tmp_path / "linked")
    before = pit.state()

    assert untouched(linked, *fixing(linked)).exit_code == 0

    assert pit.state() == before
    assert linked.run(*fixing(linked), "--commit").exit_code == 0
    assert linked.git("log", "--format=%s").split("\n")[0] == "add adds again"
    assert pit.git("log", "--format=%s").split() == ["start"]
    assert (pit.git("status", "--porcelain"), linked.git("status", "--porcelain")) == ("", "")


def test_a_submodule_is_judged_alone_and_a_patch_cannot_reach_into_one(tmp_path: Path) -> None:
    inner, outer = Light(tmp_path / "inner"), Light(tmp_path / "outer")
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(inner.root), "lib")
    outer.commit("with a submodule")
    module = Place(outer.root / "lib")
    before = outer.state()

    assert outer.run(*fixing(outer), "-C", "lib").exit_code == 0
    assert outer.state() == before
    reaching = untouched(outer, *fixing(outer, ("fast", NEW.format("lib/x"))), "--only-lane", "fast")
    assert reaching.exit_code == 1
    assert "lib/x cannot be written: lib is a submodule" in reaching.stdout
    module.write("calc.py", "# the submodule's own business\n")
    assert untouched(outer, *fixing(outer)).exit_code == 0


@pytest.mark.parametrize(
    "name",
    ["with space", "-dash", "ünï 漢字", 'quo"te', "#hash", "$HOME", "$(touch x)", "%s{}", "a'b:c;d", "ta\tb"],
)
def test_any_name_of_the_checkout_works(tmp_path: Path, name: str) -> None:
    # what puts files beside a check, and lists of paths, are tried with the oddest
    pit = Sandpit(tmp_path / name) if {*name} & {*":漢"} else Light(tmp_path / name)
    pit.write("calc.py", ADD + "# mine\n")

    done = untouched(pit, *fixing(pit))

    assert done.exit_code == 0, done.stdout + done.stderr
    command = next(line for line in done.stdout.splitlines() if line.startswith("next")).split(maxsplit=1)[1]
    subprocess.run(["sh", "-c", command], cwd=pit.root, check=True)
    assert "return a + b" in (pit.root / "calc.py").read_text()


def test_a_commit_works_where_the_path_looks_like_a_variable(tmp_path: Path) -> None:
    pit = Light(tmp_path / "$HOME")

    assert pit.run(*fixing(pit), "--commit").exit_code == 0
    assert pit.git("log", "-1", "--format=%s").strip() == "add adds again"


def test_a_checkout_whose_path_is_not_utf8_works_and_its_json_is_valid(tmp_path: Path) -> None:
    pit = Sandpit(Path(os.fsdecode(os.fsencode(tmp_path) + b"/lat\xe9in")))

    done = untouched(pit, *fixing(pit), "--json")

    assert done.exit_code == 0, done.stderr
    assert done.json["repository"] == str(pit.root)
    assert pit.run("show", "--json").json["verdict"] == "accepted"
    assert "accepted" in pit.run("show").stdout


def test_a_path_with_a_line_break_is_refused(tmp_path: Path) -> None:
    refused(Light(tmp_path / "two\nlines"), *TASK, code=6, says="a path with a line break")


def test_a_current_folder_that_was_removed_is_refused(pit: Sandpit, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()

    done = subprocess.run(
        ["sh", "-c", f'rmdir "$PWD"; exec {PROGRAM} --task x'], cwd=gone, capture_output=True, text=True
    )

    assert done.returncode == 6
    assert done.stderr.startswith("error: git cannot read .")


def test_variables_that_point_git_elsewhere_are_not_followed(pit: Sandpit, tmp_path: Path) -> None:
    other = Light(tmp_path / "other")
    elsewhere = {
        "GIT_DIR": str(other.root / ".git"),
        "GIT_INDEX_FILE": str(other.root / ".git" / "index"),
        "GIT_WORK_TREE": str(other.root),
        "GIT_OBJECT_DIRECTORY": str(other.root / ".git" / "objects"),
        "GIT_COMMON_DIR": str(other.root / ".git"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.bare",
        "GIT_CONFIG_VALUE_0": "true",
        "GIT_PREFIX": "x/",
    }
    before = other.state()
    task = fixing(pit)

    assert untouched(pit, *task, env=elsewhere).exit_code == 0
    branched = pit.run(*task, "--branch", "fix/add", env=elsewhere)
    committed = pit.run(*task, "--commit", env=elsewhere)

    assert (branched.exit_code, committed.exit_code) == (0, 0), branched.stderr + committed.stderr
    assert pit.git("log", "--all", "--format=%s").splitlines() == [
        "add adds again",
        "add adds again",
        "start",
    ]
    assert pit.git("status", "--porcelain") == ""
    assert other.state() == before


def test_a_stale_index_lock_hinders_only_who_must_write_the_index(pit: Sandpit) -> None:
    (pit.root / ".git" / "index.lock").touch()
    task = fixing(pit)

    assert untouched(pit, *task).exit_code == 0
    commit = untouched(pit, *task, "--commit")
    assert commit.exit_code == 6
    assert "not delivered: another git is at work here (index.lock exists)" in commit.stdout
    assert "the patch is saved" in commit.stdout


def test_a_sparse_checkout_is_judged_whole_and_without_a_false_notice(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit", files={"deep/a.txt": "a\n", "other/b.txt": "b\n"})
    pit.git("sparse-checkout", "set", "deep")
    pit.write("deep/a.txt", "changed\n")

    done = untouched(pit, *fixing(pit), "--json")

    assert done.exit_code == 0, done.stderr
    assert done.json["notices"] == []
    assert done.json["attempts"][0]["files"] == ["calc.py"]


def test_carriage_returns_are_kept_as_the_repository_wants_them(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit")
    pit.git("config", "core.autocrlf", "true")
    for name, text in (("calc.py", ADD), (".route-agent/policy.yaml", LIGHT)):
        pit.write(name, text.replace("\n", "\r\n"))
    pit.git("add", "--all")
    assert pit.git("status", "--porcelain") == ""

    done = untouched(pit, *fixing(pit), "--json")

    assert done.json["notices"] == []
    assert pit.run(*fixing(pit), "--commit").exit_code == 0
    assert pit.git("show", "HEAD:calc.py") == ADD.replace("a - b", "a + b")
    assert (pit.root / "calc.py").read_bytes() == ADD.replace("a - b", "a + b").replace("\n", "\r\n").encode()
    assert pit.git("status", "--porcelain") == ""


def test_files_with_carriage_returns_in_the_repository_keep_them(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit", files={"calc.py": ADD.replace("\n", "\r\n")})

    assert pit.run(*fixing(pit), "--apply").exit_code == 0

    assert (pit.root / "calc.py").read_bytes() == ADD.replace("a - b", "a + b").replace("\n", "\r\n").encode()


def test_intent_to_add_is_part_of_the_start_tree(pit: Sandpit) -> None:
    pit.write("new.py", "NEW = 1\n")
    pit.git("add", "--intent-to-add", "new.py")
    edit = FIX + "\n--- a/new.py\n+++ b/new.py\n@@ -1 +1 @@\n-NEW = 1\n+NEW = 2\n"

    done = untouched(pit, *fixing(pit, ("fast", edit)), "--json")

    assert done.json["attempts"][0]["files"] == ["calc.py", "new.py"], done.json["attempts"][0]


def test_staged_and_unstaged_work_in_one_file_is_kept_as_it_is(pit: Sandpit) -> None:
    pit.write("calc.py", ADD + "# staged\n")
    pit.git("add", "calc.py")
    pit.write("calc.py", ADD + "# staged\n# unstaged\n")

    commit = untouched(pit, *fixing(pit), "--commit")
    applied = pit.run(*fixing(pit), "--apply")

    assert commit.exit_code == 6
    assert "not delivered" in commit.stdout
    assert applied.exit_code == 0
    assert pit.git("show", ":calc.py") == ADD + "# staged\n"
    assert (pit.root / "calc.py").read_text() == ADD.replace("a - b", "a + b") + "# staged\n# unstaged\n"


def test_links_pipes_and_nested_repositories_stop_nothing_and_nothing_is_written_through_a_link(
    pit: Sandpit, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name, target in (("out", str(outside)), ("loop", "loop"), ("dangling", "nowhere")):
        (pit.root / name).symlink_to(target)
    (pit.root / "nested").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=pit.root / "nested", check=True)
    pit.write("nested/x.py", "X = 1\n")

    through = untouched(pit, *fixing(pit, ("fast", NEW.format("out/x"))), "--json", "--only-lane", "fast")
    accepted = untouched(pit, *fixing(pit))

    assert through.exit_code == 4
    assert "'out/x' leads through 'out', a link that leaves the tree" in through.json["attempts"][0]["reason"]
    assert list(outside.iterdir()) == []
    assert accepted.exit_code == 0
    assert "nested/" in next(line for line in accepted.stdout.splitlines() if line.startswith("note"))
    os.mkfifo(pit.root / "pipe")
    assert pit.run(*HERE, timeout=20).exit_code == 0


@pytest.mark.parametrize("name", ["calc.py/x", "deep"])
def test_a_patch_cannot_replace_a_file_by_a_folder_without_saying_so(tmp_path: Path, name: str) -> None:
    pit = Light(tmp_path / "pit", files={"deep/a.txt": "a\n"})

    done = untouched(
        pit, *fixing(pit, ("fast", FIX + "\n" + NEW.format(name))), "--json", "--only-lane", "fast"
    )

    assert done.exit_code == 1
    assert done.json["attempts"][0]["failure"] == "unappliable"


def test_what_a_tracked_file_became_is_seen_as_it_is(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit", files={"file": "x\n", "folder/x": "x\n", "kept": "x\n"})
    task = (*fixing(pit), "--lane", "fast")
    (pit.root / "file").unlink()
    pit.write("file/inner", "y\n")
    (pit.root / "folder" / "x").unlink()
    (pit.root / "folder").rmdir()
    pit.write("folder", "y\n")
    (pit.root / "kept").unlink()
    (pit.root / "kept").symlink_to("/etc/hostname")

    assert untouched(pit, *task).exit_code == 0
    (pit.root / "kept").unlink()
    os.mkfifo(pit.root / "kept")
    done = pit.run(*task, timeout=20)
    assert done.exit_code == 6
    assert done.stderr.startswith("error: the working tree cannot be read: kept:")


def test_names_and_contents_that_are_not_utf8_are_carried_and_shown_escaped(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit")
    (pit.root / "latin.py").write_bytes(b"# caf\xe9\nx = 1\n")
    odd = Path(os.fsdecode(os.fsencode(pit.root) + b"/n\xe9.py"))
    odd.write_text("N = 1\n")
    secret = Path(os.fsdecode(os.fsencode(pit.root) + b"/.env.\xe9"))
    secret.write_text("N = 1\n")
    edit = FIX + "\n--- a/latin.py\n+++ b/latin.py\n@@ -2 +2 @@\n-x = 1\n+x = 2\n"

    done = untouched(pit, *fixing(pit, ("fast", edit)), "--json")
    explained = untouched(pit, *HERE, "--json")

    assert done.exit_code == 0, done.stderr
    assert done.json["attempts"][0]["files"] == ["calc.py", "latin.py"]
    assert any(".env." in notice for notice in explained.json["notices"])
    pit.git("add", "latin.py")
    pit.git("commit", "-q", "-m", "latin")
    assert pit.run(*fixing(pit, ("fast", edit)), "--apply").exit_code == 0
    assert (pit.root / "latin.py").read_bytes() == b"# caf\xe9\nx = 2\n"


def test_case_twins_live_side_by_side(tmp_path: Path) -> None:
    pit = Light(tmp_path / "pit", files={"Readme": "x\n", "README": "y\n"})
    if len(list(pit.root.glob("[Rr][Ee]*"))) < 2:
        pytest.skip("this file system does not tell case apart")

    assert untouched(pit, *fixing(pit)).exit_code == 0


def test_settings_that_change_the_shape_of_the_index_are_understood(pit: Sandpit) -> None:
    pit.git("update-index", "--split-index", "--index-version", "4")
    pit.git("config", "core.untrackedCache", "true")
    pit.git("config", "core.worktree", str(pit.root))
    pit.write("new.py", "NEW = 1\n")

    assert untouched(pit, *fixing(pit)).exit_code == 0


def damage(pit: Sandpit, revision: str, content: bytes | None) -> None:
    name = pit.git("rev-parse", revision).strip()
    file = pit.root / ".git" / "objects" / name[:2] / name[2:]
    file.unlink()
    if content is not None:
        file.write_bytes(content)


@pytest.mark.parametrize(
    ("revision", "content", "says"),
    [
        ("HEAD", b"x", "cannot be read here"),
        ("HEAD^{tree}", None, "cannot be read here"),
        (
            "HEAD:calc.py",
            b"x",
            "the content of calc.py is not in this repository|is corrupt|unable to unpack",
        ),
    ],
)
def test_a_damaged_object_is_told_in_gits_words(
    pit: Sandpit, revision: str, content: bytes | None, says: str
) -> None:
    damage(pit, revision, content)

    done = untouched(pit, *fixing(pit))

    assert done.exit_code == 6
    # an overlay shows the checkout's own file: the object is read when a patch is fitted
    told = done.stdout + done.stderr
    assert any(words in told for words in says.split("|")), told


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("index", "garbage", "index file smaller than expected"),
        ("config", "[core\n", "bad config line 1"),
        ("HEAD", "garbage", "is not in a git repository"),
        ("HEAD", "ref: refs/heads/nothing\n", "this repository has no commits"),
    ],
)
def test_a_damaged_git_folder_is_told_in_gits_words(pit: Sandpit, file: str, text: str, says: str) -> None:
    (pit.root / ".git" / file).write_text(text)

    for command in (TASK, HERE):
        refused(pit, *command, code=6, says=says)


def test_a_repository_of_somebody_else_is_not_trusted_behind_the_users_back(pit: Sandpit) -> None:
    if os.geteuid():
        pytest.skip("only root can give files away")
    for folder, _, names in os.walk(pit.root):
        for name in (folder, *(str(Path(folder, name)) for name in names)):
            os.chown(name, 12345, 12345)

    done = refused(pit, *TASK, code=6, says="it belongs to another user")

    assert "safe.directory" in done.stderr
