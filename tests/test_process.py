"""Commands that hang, hide, flood and lie: nothing of them may stay behind."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import textwrap
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from route_agent.sandbox.process import KEEP, MARK, STOPPED, Finished, clean, run

ENV = {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}

DAEMON = """
import os, signal, sys, time
if os.fork():
    sys.exit(0)
os.setsid()
if os.fork():
    os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
time.sleep(60)
"""


def python(code: str, tmp_path: Path, timeout_s: float = 20, marker: str = "", keep: int = KEEP) -> Finished:
    command = [sys.executable, "-I", "-S", "-c", textwrap.dedent(code)]
    return run(command, cwd=tmp_path, env=ENV, timeout_s=timeout_s, marker=marker, keep=keep)


def alive_with(marker: str) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            marked = process.environ().get(MARK) == marker and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            continue
        found += [process.pid] if marked else []
    return found


def test_a_command_tells_its_exit_code_and_both_streams(tmp_path: Path) -> None:
    ended = python(
        "import sys; print('out', flush=True); print('err', file=sys.stderr); sys.exit(3)", tmp_path
    )

    assert (ended.exit_code, ended.output, ended.started, ended.reason) == (3, "out\nerr\n", True, "")


def test_a_signal_becomes_128_and_its_number(tmp_path: Path) -> None:
    assert python("import os; os.kill(os.getpid(), 11)", tmp_path).exit_code == 128 + signal.SIGSEGV


def test_a_missing_command_did_not_start(tmp_path: Path) -> None:
    ended = run(["no-such-tool", "-q"], cwd=tmp_path, env=ENV, timeout_s=5)

    assert (ended.started, ended.exit_code, ended.reason) == (False, None, "not found: no-such-tool")


def test_a_missing_folder_is_not_called_a_missing_command(tmp_path: Path) -> None:
    ended = run(["true"], cwd=tmp_path / "gone", env=ENV, timeout_s=5)

    assert ended.reason == f"the folder {tmp_path / 'gone'} does not exist"


def test_a_file_without_the_executable_bit_is_said_to_be_that(tmp_path: Path) -> None:
    script = tmp_path / "check.sh"
    script.write_text("#!/bin/sh\n")

    assert run([str(script)], cwd=tmp_path, env=ENV, timeout_s=5).reason == f"not executable: {script}"


def test_standard_input_is_empty_and_no_descriptor_is_inherited(tmp_path: Path) -> None:
    kept = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(kept, True)
    try:
        ended = python(
            "import os, sys; print(repr(sys.stdin.read()), sorted(os.listdir('/proc/self/fd')))", tmp_path
        )
    finally:
        os.close(kept)

    assert ended.output.startswith("'' ['0', '1', '2', '3']")  # 3 is the folder being listed


def test_a_hanging_command_is_killed_at_its_time_limit_with_its_children(tmp_path: Path) -> None:
    marker = secrets.token_hex(8)
    code = """
        import subprocess, time
        subprocess.Popen(['sleep', '60'])
        print('on', flush=True)
        time.sleep(60)
    """
    began = time.monotonic()

    ended = python(code, tmp_path, timeout_s=0.5, marker=marker)

    assert (ended.timed_out, ended.exit_code, ended.reason) == (True, None, "timeout after 0.5 s")
    assert ended.output == "on\n"
    assert time.monotonic() - began < 5
    assert alive_with(marker) == []


def test_a_daemon_that_holds_the_pipe_neither_hangs_us_nor_survives(tmp_path: Path) -> None:
    marker = secrets.token_hex(8)
    began = time.monotonic()

    ended = python(DAEMON, tmp_path, marker=marker)

    assert ended.exit_code == 0
    assert time.monotonic() - began < 5
    assert alive_with(marker) == []


def test_a_daemon_still_alive_at_the_time_limit_is_killed_too(tmp_path: Path) -> None:
    marker = secrets.token_hex(8)
    code = DAEMON.replace("    sys.exit(0)", "    time.sleep(60)")

    assert python(code, tmp_path, timeout_s=0.5, marker=marker).timed_out
    assert alive_with(marker) == []


def test_a_flood_is_stopped_and_its_first_and_last_bytes_are_kept(tmp_path: Path) -> None:
    ended = run(
        ["sh", "-c", "echo first; yes middle"],
        cwd=tmp_path,
        env=ENV,
        timeout_s=60,
        output_limit=3 * 1024 * 1024,
        keep=1024,
    )

    assert (ended.exit_code, ended.timed_out, ended.reason) == (None, False, "printed more than 3 MiB")
    assert ended.output.startswith("first\nmiddle\n")
    assert "bytes left out …" in ended.output
    assert len(ended.output) < 2200


def test_long_output_below_the_limit_is_cut_in_the_middle_and_counted(tmp_path: Path) -> None:
    ended = python("print('a' * 100 + 'b' * 300 + 'c' * 99)", tmp_path, keep=100)

    assert ended.output == f"{'a' * 100}\n… 300 bytes left out …\n{'c' * 99}\n"
    assert ended.exit_code == 0


def test_output_is_cleaned_of_everything_that_could_move_the_terminal() -> None:
    colours = "\x1b[31mred\x1b[0m \x1b]52;c;ZXZpbA==\x07ok\x1b]0;title\x1b\\"
    movement = " 50%\r100%\r\nabc\x00\x08\x9b2Jz\u202etxt"

    assert clean(colours + movement) == "red ok 50%\n100%\nabc2Jztxt"


def test_an_unended_escape_sequence_does_not_swallow_the_next_lines() -> None:
    assert clean("a\x1b]0;never ended\nFAILED test_b") == "a\nFAILED test_b"


def test_bytes_that_are_no_text_are_replaced(tmp_path: Path) -> None:
    ended = python(r"import sys; sys.stdout.buffer.write(b'caf\xe9 \xff\n')", tmp_path)

    assert ended.output == "caf\ufffd \ufffd\n"


def test_another_thread_can_stop_a_command(tmp_path: Path) -> None:
    stop = threading.Event()
    threading.Timer(0.3, stop.set).start()
    began = time.monotonic()

    ended = run(["sleep", "60"], cwd=tmp_path, env=ENV, timeout_s=60, stop=stop)

    assert (ended.reason, ended.exit_code, ended.timed_out) == (STOPPED, None, False)
    assert time.monotonic() - began < 5


def test_commands_run_side_by_side_without_killing_each_other(tmp_path: Path) -> None:
    code = "import subprocess, sys; sys.exit(subprocess.call(['sleep', '{}']) or 5)"
    with ThreadPoolExecutor(4) as pool:
        ended = list(pool.map(lambda n: python(code.format(0.1 + n / 20), tmp_path), range(8)))

    assert [it.exit_code for it in ended] == [5] * 8


def test_ctrl_c_in_the_caller_leaves_no_process(tmp_path: Path) -> None:
    marker = secrets.token_hex(8)
    code = DAEMON.replace("    sys.exit(0)", "    open('up', 'w').close(); time.sleep(60)")
    caller = f"""
import sys, pathlib
from route_agent.sandbox.process import run
command = [sys.executable, '-c', {code!r}]
try:
    run(command, cwd=pathlib.Path({str(tmp_path)!r}), env={ENV!r}, timeout_s=60, marker={marker!r})
except KeyboardInterrupt:
    print('interrupted')
"""
    process = subprocess.Popen([sys.executable, "-c", caller], stdout=subprocess.PIPE, text=True)
    try:
        wait_for(tmp_path / "up")
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=20)
    finally:
        process.kill()

    assert output == "interrupted\n"
    assert alive_with(marker) == []


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 15
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not appear"
        time.sleep(0.02)


@pytest.mark.parametrize("bad", ["a\0b"])
def test_a_command_that_cannot_be_given_to_the_system_did_not_start(bad: str, tmp_path: Path) -> None:
    ended = run(["echo", bad], cwd=tmp_path, env=ENV, timeout_s=5)

    assert not ended.started
    assert "null byte" in ended.reason
