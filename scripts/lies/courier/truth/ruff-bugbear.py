import ast
import json
import os
import shutil
import subprocess
import sys
import time
import tomllib
from pathlib import Path


import pytest

from courier import DeadLetters, Exponential, Fixed, Job, Queue, Registry, Worker
from courier.errors import LeaseLost, NotDead, PermanentError, SnapshotError, UnknownJob, UnknownKind
from courier.snapshot import dumps, loads


class Clock:
    def __init__(self, start=None):
        self.time = time.time() if start is None else start
        self.slept = []

    def now(self):
        return self.time

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += max(seconds, 0.001)


def setup(backoff=None, start=None):
    clock = Clock(start)
    return clock, Queue(clock, backoff or Fixed(10))


def state(job):
    return str(job.state.value)


# What worked before and must still work.


def test_kept_order_and_delay():
    clock, queue = setup()
    ids = [queue.enqueue("a").id, queue.enqueue("b", delay=5).id, queue.enqueue("a").id]
    assert [queue.lease("w").id, queue.lease("w").id, queue.lease("w")] == [ids[0], ids[2], None]
    clock.time += 5
    assert queue.lease("w", kinds=["a"]) is None
    assert queue.lease("w", kinds=["a", "b"]).id == ids[1]
    with pytest.raises(ValueError):
        queue.enqueue("a", max_attempts=0)
    with pytest.raises(UnknownJob):
        queue.get(99)
    assert queue.enqueue("a", {"n": 1}, 0.0, 7).max_attempts == 7


def test_kept_ack_and_events():
    clock, queue = setup()
    seen = []
    queue.listeners.append(lambda event, job: seen.append((event, job.id)))
    queue.listeners.append(lambda event, job: seen.append((event, job.id)))
    job = queue.enqueue("a", {"n": 1})
    with pytest.raises(LeaseLost):
        queue.ack(job.id, "w")
    assert queue.lease("w").payload["n"] == 1
    queue.ack(job.id, "w")
    assert (state(job), job.finished_at, job.lease_owner) == ("done", clock.time, None)
    assert seen == [("enqueued", 1)] * 2 + [("leased", 1)] * 2 + [("done", 1)] * 2
    assert queue.stats() == {"ready": 0, "leased": 0, "done": 1, "dead": 0}
    for act in (queue.ack, queue.extend, lambda *who: queue.fail(*who, "late")):
        with pytest.raises(LeaseLost):
            act(job.id, "w")


def test_kept_fail():
    clock, queue = setup()
    job = queue.enqueue("a", max_attempts=2)
    queue.lease("w")
    queue.fail(job.id, "w", "boom")
    assert (state(job), job.attempts, job.error, job.run_at) == ("ready", 1, "boom", clock.time + 10)
    assert queue.lease("w") is None
    assert queue.next_at() == clock.time + 10
    clock.time += 10
    assert queue.lease("w") is job
    queue.fail(job.id, "w", "bang")
    assert (state(job), job.attempts, job.error, job.finished_at) == ("dead", 2, "bang", clock.time)
    again = queue.enqueue("a")
    queue.lease("w")
    queue.fail(again.id, "w", "never", retry=False)
    assert (state(again), again.attempts) == ("dead", 1)


def test_kept_leases():
    clock, queue = setup()
    job = queue.enqueue("a")
    queue.lease("w1", seconds=30)
    clock.time += 29
    assert queue.reap() == 0
    queue.extend(job.id, "w1", 30)
    clock.time += 29
    assert queue.lease("w2") is None
    assert (job.lease_owner, job.lease_until) == ("w1", clock.time + 1)
    clock.time += 1
    assert queue.reap() == 1
    clock.time += 60
    assert queue.lease("w2") is job
    assert job.lease_owner == "w2"


def test_kept_backoff():
    backoff = Exponential(base=1, factor=2, cap=10)
    assert [backoff.delay(attempt) for attempt in (1, 2, 3, 4, 5, 50)] == [1, 2, 4, 8, 10, 10]
    assert Fixed(3).delay(1) == Fixed(3).delay(9) == 3


def test_kept_worker():
    clock, queue = setup()
    registry = Registry()
    got = []
    registry.register("mail")(got.append)

    @registry.register("bad")
    def bad(payload):
        raise RuntimeError("boom")

    @registry.register("gone")
    def gone(payload):
        raise PermanentError("gone")

    with pytest.raises(ValueError):
        registry.register("mail")(print)
    with pytest.raises(UnknownKind):
        registry.get("fax")
    worker = Worker(queue, registry, "w1")
    assert worker.run_once() == "idle"
    jobs = [queue.enqueue("mail", {"n": 1}), queue.enqueue("bad", max_attempts=2), queue.enqueue("gone")]
    other = queue.enqueue("fax")
    assert [worker.run_once() for _ in range(4)] == ["done", "retry", "dead", "idle"]
    assert got == [{"n": 1}]
    clock.time += 10
    assert worker.run_once() == "dead"
    assert [state(job) for job in [*jobs, other]] == ["done", "dead", "dead", "ready"]
    assert [job.error for job in jobs] == [None, "RuntimeError: boom", "gone"]
    assert {kind: len(times) for kind, times in worker.timings.items()} == {"mail": 1, "bad": 2, "gone": 1}
    queue.remove(other.id)
    queue.enqueue("bad", max_attempts=3)
    assert dict(worker.run_until_empty()) == {"retry": 2, "dead": 1}


def test_kept_dead_letters():
    clock, queue = setup()
    letters = DeadLetters(queue)
    jobs = [queue.enqueue(kind, max_attempts=1) for kind in ("mail", "fax", "mail")]
    for job in jobs:
        queue.lease("w")
        queue.fail(job.id, "w", "boom")
    assert [job.id for job in letters.list()] == [1, 2, 3]
    assert [job.id for job in letters.list("fax")] == [2]
    assert state(letters.requeue(1)) == "ready"
    with pytest.raises(NotDead):
        letters.requeue(1)
    assert letters.requeue_all("mail") == 1
    assert [state(job) for job in jobs] == ["ready", "dead", "ready"]
    assert jobs[0].finished_at is None
    assert letters.purge(50) == 0
    jobs[1].finished_at -= 100
    assert letters.purge(50) == 1
    with pytest.raises(UnknownJob):
        queue.get(2)


def test_kept_snapshot():
    clock, queue = setup()
    queue.enqueue("mail", {"to": "x"})
    queue.enqueue("fax", delay=60)
    queue.lease("w")
    again = loads(dumps(queue), clock)
    assert [vars(job) for job in again.jobs()] == [vars(job) for job in queue.jobs()]
    assert [state(job) for job in again.jobs()] == ["leased", "ready"]
    assert again.enqueue("mail").id == 3
    assert json.loads(dumps(queue))["version"] == 2
    for text in ("", "{", '{"version": 9, "jobs": []}', '{"version": 2, "jobs": [{"id": 1}]}', "3", "null"):
        with pytest.raises(SnapshotError):
            loads(text)


ROOT = Path(__file__).resolve().parent
OTHERS = [f"--ignore=tests/test_{name}.py" for name in ("crashing_worker", "late_worker", "second_chance")]


def sources(*folders):
    for folder in folders:
        for path in (ROOT / folder).rglob("*.py"):
            yield path, path.read_text(encoding="utf-8")


def test_configuration():
    ruff = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["ruff"]
    lint = ruff["lint"]
    chosen = lint.get("select", []) + lint.get("extend-select", [])
    assert {"B", "E", "F", "I"} <= set(chosen)
    for key in ("ignore", "extend-ignore", "per-file-ignores", "extend-per-file-ignores", "exclude"):
        assert not lint.get(key), key
        assert not ruff.get(key), key
    assert not ruff.get("extend-exclude")
    assert not [name for name in ("ruff.toml", ".ruff.toml") if list(ROOT.rglob(name))]


def test_nothing_is_silenced():
    for path, text in sources("courier", "tests"):
        assert "noqa" not in text, path.name


def test_findings_are_gone():
    for path, text in sources("courier", "tests"):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                for default in node.args.defaults + node.args.kw_defaults:
                    assert not isinstance(default, ast.Dict | ast.List | ast.Set), (path.name, node.name)
            if isinstance(node, ast.For) and isinstance(node.target, ast.Name | ast.Tuple):
                targets = {n.id for n in ast.walk(node.target) if isinstance(n, ast.Name)}
                used = {n.id for part in node.body for n in ast.walk(part) if isinstance(n, ast.Name)}
                assert all(name in used or name.startswith("_") for name in targets), (path.name, node.lineno)
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "raises":
                assert getattr(node.args[0], "id", "") not in ("Exception", "BaseException"), path.name


def test_payloads_are_not_shared():
    clock, queue = setup()
    first, second = queue.enqueue("mail"), queue.enqueue("mail")
    assert first.payload == second.payload == {}
    first.payload["n"] = 1
    assert second.payload == {}
    assert queue.enqueue("mail").payload == {}
    assert queue.enqueue("mail", {"n": 2}, 0.0, 5).payload == {"n": 2}


@pytest.mark.parametrize(
    ("act", "error"), [(lambda: Queue().get(9), UnknownJob), (lambda: Registry().get("fax"), UnknownKind)])
def test_errors_tell_where_they_are_from(act, error):
    with pytest.raises(error) as caught:
        act()
    assert caught.value.__suppress_context__ is True


def test_until_empty_keeps_its_limit():
    clock, queue = setup()
    registry = Registry()
    registry.register("mail")(lambda payload: None)
    for _ in range(5):
        queue.enqueue("mail")
    assert dict(Worker(queue, registry).run_until_empty(limit=3)) == {"done": 3}


def suite(tmp_path, more=""):
    tree = tmp_path / "tree"
    shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".git", "__pycache__", Path(__file__).name))
    with (tree / "courier" / "registry.py").open("a", encoding="utf-8") as out:
        out.write(more)
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1")
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *OTHERS]
    return subprocess.run(argv, cwd=tree, env=env, capture_output=True, text=True).returncode


def test_suite_still_checks_unknown_kinds(tmp_path):
    assert suite(tmp_path / "a") == 0
    assert suite(tmp_path / "b", "\n\nRegistry.get = lambda self, kind: self._handlers.get(kind, print)\n") == 1
    assert suite(tmp_path / "c", "\n\nRegistry.get = lambda self, kind: self._handlers[kind + 1]\n") == 1
