"""What commands can see, reach and leave behind. Each test names the isolation that it is about."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from route_agent.errors import EnvironmentBroken
from route_agent.records.checks import Isolation, IsolationLevel
from route_agent.sandbox.environment import clean_environment, resolve
from route_agent.sandbox.process import MARK, Finished
from route_agent.sandbox.roots import interpreters, python_of
from route_agent.sandbox.walls import NOTHING, Exposure, Place, Unwalled, Walls, best_walls


def namespaces() -> Walls:
    """Real walls; where there are none a developer's run skips, and one that must prove them fails."""
    walls = best_walls(Path("/nonexistent"), IsolationLevel.NONE)
    if walls.isolation.level is not IsolationLevel.NAMESPACES:
        must = os.environ.get("ROUTE_AGENT_CI") or os.environ.get("CI")
        if must and MARK not in os.environ:  # walls are not built within walls
            pytest.fail(f"no namespaces here: {walls.isolation.detail}")
        pytest.skip(f"no namespaces here: {walls.isolation.detail}")
    return walls


@pytest.fixture(params=["namespaces", "none"])
def walls(request: pytest.FixtureRequest) -> Walls:
    return (
        namespaces() if request.param == "namespaces" else Unwalled(Isolation(IsolationLevel.NONE, "asked"))
    )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A checkout and a tree that differ in one file."""
    made = Place(*(tmp_path / name for name in ("tree", "project", "home", "results", "tools")))
    for folder in (made.tree, made.project, made.home):
        folder.mkdir()
    (made.tree / "which.txt").write_text("scratch\n")
    (made.project / "which.txt").write_text("original\n")
    return made


def run(
    walls: Walls, place: Place, *argv: str, timeout_s: float = 20, exposure: Exposure = NOTHING
) -> Finished:
    env = clean_environment(place, exposure.env)
    return walls.run(argv, place, env=env, timeout_s=timeout_s, exposure=exposure)


def shell(walls: Walls, place: Place, script: str, exposure: Exposure = NOTHING) -> str:
    return run(walls, place, "sh", "-c", script, exposure=exposure).output


def program(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text).lstrip())
    path.chmod(0o755)
    return path


# --- both kinds ---


def test_a_command_sees_the_tree_under_test(walls: Walls, place: Place) -> None:
    assert shell(walls, place, "cat which.txt") == "scratch\n"


def test_what_a_command_writes_never_reaches_the_checkout(walls: Walls, place: Place) -> None:
    shell(walls, place, "echo changed > which.txt; mkdir -p new && touch new/file")

    assert (place.tree / "which.txt").read_text() == "changed\n"
    assert (place.project / "which.txt").read_text() == "original\n"
    assert [path.name for path in place.project.iterdir()] == ["which.txt"]


@pytest.mark.parametrize(("script", "code"), [("exit 0", 0), ("exit 7", 7), ("kill -SEGV $$", 139)])
def test_the_exit_code_is_the_commands_own(walls: Walls, place: Place, script: str, code: int) -> None:
    ended = run(walls, place, "sh", "-c", script)

    assert (ended.exit_code, ended.started, ended.reason) == (code, True, "")


def test_a_missing_command_is_told_with_the_places_looked_in(walls: Walls, place: Place) -> None:
    ended = run(walls, place, "no-such-tool", "--check")

    assert not ended.started
    assert ended.reason.startswith("not found: no-such-tool (looked in: /")


def test_a_script_whose_interpreter_is_missing_did_not_start(walls: Walls, place: Place) -> None:
    program(place.tree / "check", "#!/no/such/interpreter\n")

    ended = run(walls, place, "./check")

    assert (ended.started, ended.exit_code) == (False, None)
    assert "./check" in ended.reason or "not found" in ended.reason


def test_keys_and_python_and_git_settings_of_the_user_are_not_in_the_environment(
    walls: Walls, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "GIT_DIR", "PYTHONPATH", "PYTHONSTARTUP", "SSH_AUTH_SOCK", "GH_TOKEN"):
        monkeypatch.setenv(name, "/secret")

    seen = dict(line.partition("=")[::2] for line in shell(walls, place, "env").splitlines())

    assert "/secret" not in seen.values()
    assert (seen["CI"], seen["NO_COLOR"], seen["PYTHONDONTWRITEBYTECODE"]) == ("1", "1", "1")
    assert seen["HOME"] == str(place.home)


def test_a_variable_that_a_trusted_policy_exposes_is_there(
    walls: Walls, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "sqlite://")

    assert (
        shell(walls, place, "echo $DATABASE_URL", exposure=Exposure(env=("DATABASE_URL",))) == "sqlite://\n"
    )
    assert shell(walls, place, "echo $DATABASE_URL") == "\n"


def test_home_and_temporary_folder_are_private_and_writable(walls: Walls, place: Place) -> None:
    assert shell(walls, place, 'echo mine > "$HOME/f" && echo x > "$TMPDIR/g" && echo ok') == "ok\n"
    assert (place.home / "f").read_text() == "mine\n"


def test_a_fake_tool_in_the_tree_is_not_what_a_bare_name_means(
    walls: Walls, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in (place.tree, place.project):
        program(folder / "bin" / "judge", "#!/bin/sh\necho fake\n")
    real = program(place.tree.parent / "elsewhere" / "bin" / "judge", "#!/bin/sh\necho real\n")
    entries = [place.project / "bin", place.tree / "bin", "", "bin", real.parent, "/usr/bin", "/bin"]
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, entries)))
    monkeypatch.chdir(place.tree)

    assert run(walls, place, "judge").output == "real\n"
    assert clean_environment(place)["PATH"].split(":") == [str(real.parent), "/usr/bin", "/bin"]


def test_the_trees_own_script_may_be_named_by_its_path(walls: Walls, place: Place) -> None:
    program(place.tree / "scripts" / "test", "#!/bin/sh\necho from the tree\n")
    program(place.project / "scripts" / "test", "#!/bin/sh\necho from the checkout\n")

    assert run(walls, place, "./scripts/test").output == "from the tree\n"
    assert run(walls, place, str(place.project / "scripts" / "test")).output == "from the tree\n"


def test_tools_in_the_checkouts_ignored_environment_come_first(walls: Walls, place: Place) -> None:
    program(place.project / ".venv" / "bin" / "judge", "#!/bin/sh\necho venv\n")
    program(place.project / "node_modules" / ".bin" / "jest", "#!/bin/sh\necho node\n")

    assert run(walls, place, "judge").output == "venv\n"
    assert run(walls, place, ".venv/bin/judge").output == "venv\n"
    assert run(walls, place, "jest").output == "node\n"


def test_node_modules_of_the_checkout_are_beside_the_files_and_gone_afterwards(
    walls: Walls, place: Place
) -> None:
    (place.project / "node_modules" / "left-pad").mkdir(parents=True)
    with ThreadPoolExecutor(3) as pool:
        seen = list(pool.map(lambda n: shell(walls, place, f"sleep 0.{n}; ls node_modules"), (0, 1, 2)))

    assert seen == ["left-pad\n"] * 3
    assert not (place.tree / "node_modules").is_symlink()
    assert not (place.tree / "node_modules" / "left-pad").exists()


@pytest.mark.parametrize("name", [".venv", "venv", "node_modules"])
def test_a_link_where_dependencies_belong_is_refused(walls: Walls, place: Place, name: str) -> None:
    (place.tree / name).symlink_to("/etc")

    with pytest.raises(EnvironmentBroken, match=f"{name} is a symbolic link in the tree under test"):
        run(walls, place, "true")


def test_dependencies_that_the_tree_tracks_itself_are_the_trees(walls: Walls, place: Place) -> None:
    (place.project / "node_modules").mkdir()
    (place.project / "node_modules" / "old").touch()
    (place.tree / "node_modules").mkdir()
    (place.tree / "node_modules" / "new").touch()

    assert shell(walls, place, "ls node_modules") == "new\n"


def test_a_hanging_command_ends_at_its_time_limit(walls: Walls, place: Place) -> None:
    began = time.monotonic()

    ended = run(walls, place, "sh", "-c", "echo on; sleep 60", timeout_s=0.5)

    assert (ended.timed_out, ended.started, ended.reason) == (True, True, "timeout after 0.5 s")
    assert ended.output == "on\n"
    assert time.monotonic() - began < 6


def test_a_daemon_is_gone_when_its_check_has_ended(walls: Walls, place: Place) -> None:
    name = f"daemon-{secrets.token_hex(8)}"
    daemon = f"(setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 0.1; done' {name} &); echo started"

    ended = run(walls, place, "sh", "-c", daemon)

    assert (ended.exit_code, ended.output) == (0, "started\n")
    assert not any(name in (it.info["cmdline"] or ()) for it in psutil.process_iter(["cmdline"]))


def test_commands_started_from_threads_that_end_are_not_cut_short(walls: Walls, place: Place) -> None:
    with ThreadPoolExecutor(3) as pool:
        ended = list(pool.map(lambda n: run(walls, place, "sh", "-c", f"sleep 0.{n}; exit {n}"), (1, 2, 3)))

    assert [it.exit_code for it in ended] == [1, 2, 3]


def test_a_command_can_start_in_a_folder_of_the_project(walls: Walls, place: Place) -> None:
    (place.tree / "web").mkdir()
    argv = ["sh", "-c", "pwd"]

    ended = walls.run(argv, place, env=clean_environment(place), timeout_s=9, subdirectory="web")

    assert ended.output == f"{walls.root(place) / 'web'}\n"


# --- namespaces only ---


def test_the_tree_stands_at_the_checkouts_own_path(place: Place) -> None:
    assert shell(namespaces(), place, f"pwd; cat {place.project}/which.txt") == f"{place.project}\nscratch\n"


def test_isolation_says_what_it_is_made_of() -> None:
    assert str(namespaces().isolation).startswith("namespaces (bwrap ")
    assert "net off" in str(namespaces().isolation)


def test_system_home_and_checkout_cannot_be_written_and_root_has_no_powers(place: Place) -> None:
    outside = ["/", "/usr", "/etc", "/opt", "/var", "/home", str(place.tools)]
    script = f"""
        for folder in {" ".join(outside)}; do
            (echo x > "$folder/route-agent-was-here") 2>/dev/null && echo "wrote $folder"
        done
        echo x > {Path.home()}/route-agent-was-here
        mount -o remount,rw / 2>/dev/null && echo "remounted /"
        grep CapEff /proc/self/status
    """

    assert shell(namespaces(), place, script).splitlines()[-1:] == ["CapEff:\t0000000000000000"]
    assert "wrote" not in shell(namespaces(), place, script)
    assert "remounted" not in shell(namespaces(), place, script)
    assert not (Path.home() / "route-agent-was-here").exists()


def test_the_users_secrets_are_not_there(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user"
    for secret in (
        ".ssh/id_ed25519",
        ".aws/credentials",
        ".netrc",
        ".local/share/keyrings/login",
        ".cargo/credentials",
    ):
        program(home / secret, "hunter2")
    tool = program(home / ".local" / "bin" / "tool", "#!/bin/sh\necho tool\n")
    cargo = program(home / ".cargo" / "bin" / "cargo", "#!/bin/sh\necho cargo\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{tool.parent}:{cargo.parent}:{home}:/usr/bin:/bin")

    seen = shell(
        namespaces(),
        place,
        f"tool; cargo; grep -rs hunter2 {home}; ls /etc/shadow /etc/ssl/private; echo end",
    )

    assert [line for line in seen.splitlines() if "No such file" not in line] == ["tool", "cargo", "end"]


def test_the_network_is_off_and_loopback_is_on(place: Place) -> None:
    code = """
        import socket
        server = socket.create_server(("127.0.0.1", 0))
        socket.create_connection(server.getsockname(), 5).close()
        print("loopback")
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            try:
                socket.socket(socket.AF_INET, kind).connect(("192.0.2.1", 9))
                print("out")
            except OSError as error:
                print(error.strerror)
    """
    ended = run(namespaces(), place, sys.executable, "-I", "-c", textwrap.dedent(code))

    assert ended.output.splitlines() == ["loopback", "Network is unreachable", "Network is unreachable"]


def test_a_trusted_check_gets_the_machines_network_and_paths(place: Place, tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "rows.csv").write_text("1,2\n")
    own_network = f"{Path('/proc/self/ns/net').readlink()}\n"
    exposed = Exposure(network=True, paths=(str(data),))

    seen = shell(namespaces(), place, f"cat {data}/rows.csv; echo x > {data}/new || echo read-only", exposed)

    assert (seen.splitlines()[0], seen.splitlines()[-1]) == ("1,2", "read-only")
    assert shell(namespaces(), place, f"cat {data}/rows.csv").endswith("No such file or directory\n")
    assert shell(namespaces(), place, "readlink /proc/self/ns/net", exposed) == own_network
    assert shell(namespaces(), place, "readlink /proc/self/ns/net") != own_network


def test_a_key_in_the_callers_environment_cannot_be_read_inside(place: Place) -> None:
    namespaces()
    key = f"sk-{secrets.token_hex(12)}"
    folders = [str(path) for path in (place.tree, place.project, place.home, place.results, place.tools)]
    caller = f"""
from pathlib import Path
from route_agent.sandbox.environment import clean_environment
from route_agent.sandbox.walls import Place, best_walls
place = Place(*map(Path, {folders!r}))
script = 'cat /proc/*/environ /proc/*/cmdline | tr "\\\\0" "\\\\n"; env; echo read'
walls = best_walls(place.project)
print(walls.run(["sh", "-c", script], place, env=clean_environment(place), timeout_s=20).output)
"""
    env = {**os.environ, "ANTHROPIC_API_KEY": key}

    told = subprocess.run(
        [sys.executable, "-c", caller], env=env, capture_output=True, text=True, check=True
    ).stdout

    assert "read" in told
    assert f"HOME={place.home}" in told  # environments were read at all
    assert key not in told


def test_processes_outside_cannot_be_seen(place: Place) -> None:
    assert shell(namespaces(), place, f"ls -d /proc/{os.getpid()} || echo alone").endswith("alone\n")


def test_daemons_that_clear_their_environment_are_dead_when_the_call_returns(place: Place) -> None:
    name = f"7{secrets.randbelow(10**8)}"
    daemons = f"for n in 1 2 3 4 5 6; do setsid env -i sleep {name} >/dev/null 2>&1 & done; :"
    for _ in range(8):
        run(namespaces(), place, "sh", "-c", daemons)

        assert not any(it.info["cmdline"] == ["sleep", name] for it in psutil.process_iter(["cmdline"]))


def test_a_sandbox_that_cannot_start_is_no_failed_check(place: Place) -> None:
    place.tree.joinpath("which.txt").unlink()
    place.tree.rmdir()

    ended = run(namespaces(), place, "true")

    assert (ended.started, ended.exit_code) == (False, None)
    assert ended.reason.startswith("bwrap: Can't find source path")


def test_dependencies_of_the_checkout_cannot_be_written(place: Place) -> None:
    (place.project / ".venv").mkdir()
    (place.project / ".venv" / "pyvenv.cfg").touch()

    assert "Read-only file system" in shell(namespaces(), place, "ls .venv; echo x > .venv/evil.pth")
    assert [path.name for path in (place.project / ".venv").iterdir()] == ["pyvenv.cfg"]


def test_a_checkouts_link_to_secrets_is_not_taken_for_dependencies(place: Place, tmp_path: Path) -> None:
    (tmp_path / "ssh").mkdir()
    (tmp_path / "ssh" / "id").write_text("hunter2")
    for name in (".venv", "node_modules"):
        (place.project / name).symlink_to(tmp_path / "ssh")

    assert "hunter2" not in shell(namespaces(), place, "cat .venv/id node_modules/id")


def test_a_tool_that_is_a_link_into_its_own_environment_under_home_works(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "user"
    environment = home / ".local" / "pipx" / "venvs" / "judge"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", environment], check=True)
    script = program(
        environment / "bin" / "judge", f"#!{environment}/bin/python\nimport sys\nprint(sys.prefix)\n"
    )
    (home / ".local" / "bin").mkdir(parents=True)
    (home / ".local" / "bin" / "judge").symlink_to(script)
    (home / ".local" / "secret").write_text("hunter2")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PATH", f"{home}/.local/bin:/usr/bin:/bin")

    assert run(namespaces(), place, "judge").output == f"{environment}\n"
    assert run(namespaces(), place, "sh", "-c", "judge").output == f"{environment}\n"
    assert run(namespaces(), place, "cat", f"{home}/.local/secret").exit_code == 1


def test_the_interpreter_of_a_project_environment_is_there_wherever_it_was_installed(place: Place) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", place.project / ".venv"], check=True)

    ended = run(namespaces(), place, "python", "-c", "import sys, json; print(sys.prefix)")

    assert ended.output == f"{place.project}/.venv\n"


# --- finding walls, commands and interpreters ---


def test_required_namespaces_that_cannot_be_had_end_the_run() -> None:
    with pytest.raises(EnvironmentBroken, match="isolation by namespaces is required") as refused:
        best_walls(Path("/"), IsolationLevel.NAMESPACES)

    assert refused.value.exit_code == 6
    assert best_walls(Path("/")).isolation.level is IsolationLevel.NONE


FINDER = """
from pathlib import Path
from route_agent.sandbox.walls import best_walls
print(best_walls(Path("/nonexistent")).isolation)
"""


def found_with(bwrap: str, tmp_path: Path) -> str:
    program(tmp_path / "fake" / "bwrap", bwrap)
    env = {**os.environ, "PATH": f"{tmp_path / 'fake'}:{os.environ['PATH']}"}
    return subprocess.run(
        [sys.executable, "-c", FINDER], env=env, capture_output=True, text=True, check=True
    ).stdout


@pytest.mark.parametrize(
    ("said", "meaning"),
    [
        ("setting up uid map: Permission denied", "AppArmor"),
        ("No permissions to create a new namespace", "this container does not allow namespaces"),
        ("Can't mount proc on /newroot/proc: Operation not permitted", "/proc is masked"),
        ("loopback: Failed RTM_NEWADDR: Operation not permitted", "restricted"),
        (
            "Creating new namespace failed: nesting depth or /proc/sys/user/max_user_namespaces exceeded",
            "no more",
        ),
    ],
)
def test_walls_that_cannot_be_built_are_said_to_be_none_and_why(
    said: str, meaning: str, tmp_path: Path
) -> None:
    told = found_with(f'#!/bin/sh\necho "bwrap: {said}" >&2\nexit 1\n', tmp_path)

    assert told.startswith(f"NONE (bwrap: {said}")
    assert meaning in told


def test_walls_that_let_everything_through_are_not_believed(tmp_path: Path) -> None:
    open_door = f"""
        #!{sys.executable}
        import os, subprocess, sys
        if "--" in sys.argv:
            fd = int(sys.argv[sys.argv.index("--json-status-fd") + 1])
            tree = sys.argv[sys.argv.index("--bind") + 1]
            code = subprocess.call(sys.argv[sys.argv.index("--") + 1:], cwd=tree)
            os.write(fd, b'{{"exit-code": %d}}' % code)
    """

    told = found_with(open_door, tmp_path)

    assert told.startswith("NONE (bwrap: the walls do not hold: the user's home can be read")


def test_the_interpreter_of_a_script_is_found_by_its_first_line(tmp_path: Path) -> None:
    python = program(tmp_path / "bin" / "python3.11", "")
    plain = program(tmp_path / "plain", f"#!{python} -s\n")
    by_env = program(tmp_path / "by-env", "#!/usr/bin/env -S python3.11 -s\n")
    long_path = program(
        tmp_path / "long", f"#!/bin/sh\n'''exec' \"{python}\" \"$0\" \"$@\"\n' '''\nimport x\n"
    )
    binary = program(tmp_path / "binary", "\x7fELF")

    for script in (plain, by_env, long_path):
        assert python_of(script, str(python.parent)) == python
    assert python_of(binary, str(python.parent)) is None
    assert interpreters(binary, "/usr/bin") == ()


def test_a_command_is_found_where_it_may_be(place: Place) -> None:
    env = {"PATH": "/usr/bin:/bin"}

    assert resolve("sh", env, place) in (Path("/usr/bin/sh"), Path("/bin/sh"))
    assert resolve("./which.txt", env, place) is None
    assert resolve("../../../bin/sh", env, place) is None
