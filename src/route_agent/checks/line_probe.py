# ruff: noqa: PTH100, PTH113, PTH118, PTH119, PTH120, PTH122, PTH123, UP
"""Records which lines of a few files are executed, in every Python process that a check starts.

It is copied as `sitecustomize.py` into a folder of its own that stands first on `PYTHONPATH`. There it begins
before anything of the project is imported, and then steps aside: its folder leaves `sys.path`, and the real
`sitecustomize` is imported as if there had never been another. Beside it lie copies of coverage.py's compiled
tracer, ours and that of the project's environment; a Python that neither fits gets a slower tracer, written
here. Nothing that is called `coverage` is imported, or can be found, because of us.

In a process of pytest it waits for the first import of one of the files, or for the plugin's word.

Where somebody else traces (a debugger, the project's own coverage) it gives way and says so. A process that
pytest does not run tells its lines at its end, for the test during which it was started.

It runs on the project's own Python (3.8 or later) and needs few modules, since it runs very often. `settings`
beside it holds texts with NUL between them: the name under which this module can be found, the beginning of
files to write, and pairs of a file's real path and the name it is told by.
"""

from __future__ import annotations

import atexit
import os
import sys
import threading
from importlib import import_module
from importlib.machinery import EXTENSION_SUFFIXES, ExtensionFileLoader, ModuleSpec

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))
_COVERAGE_TOOL = 1  # sys.monitoring's number for it


def begin() -> Lines | None:
    """Start to record in this process; None where the settings cannot be read."""
    try:
        with open(os.path.join(_HERE, "settings"), encoding="utf-8", errors="surrogateescape") as file:
            name, results, *pairs = file.read().split("\0")
    except (OSError, ValueError):
        return None
    lines = Lines(results, dict(zip(pairs[::2], pairs[1::2])))  # noqa: B905  (not in 3.8)
    sys.modules[name] = sys.modules.pop(__name__)
    if _is_pytest(getattr(sys, "orig_argv", [])):
        sys.meta_path.insert(0, lines)
    else:
        lines.start()
    atexit.register(lines.tell_at_end)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=lines.before_fork, after_in_child=lines.after_fork)
    return lines


class Lines:
    """What this process executes of some files.

    Args:
        results: the beginning of the file to write.
        files: by real path, what each is told by.
    """

    def __init__(self, results: str, files: dict[str, str]) -> None:
        self.results = results
        self.files = files
        self.is_foreign = _is_traced()
        self.is_told = False  # by the plugin, or already
        self._during = _current_test()
        self._pid = os.getpid()
        self._basenames = {os.path.basename(path) for path in files}
        self._modules = {_module(path) for path in files}
        self._names: dict[str, str | None] = {}
        self._data: dict[str, Any] = {}
        self._python: dict[str, Callable[..., Any]] = {}
        self._lock = threading.Lock()
        self._compiled = None if self.is_foreign else _compiled_tracer()
        self._greenlets = _greenlets() if self._compiled else None
        self._dispositions: dict[str, Any] = {}
        self._tracers: list[Any] = []
        self._in_threads: Callable[..., Any] | None = None
        self._multiprocessing: Any = None

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Start with the first import that may be of one of the files; it is left to others to find it."""
        if name.rpartition(".")[2] in self._modules:
            self.start()

    def start(self) -> None:
        """Trace this thread and those that it will start, unless somebody else does."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)
        self.is_foreign = self.is_foreign or _is_traced()
        if self.is_foreign:
            return
        if self._compiled:
            self._in_threads = self._begin_thread
            self._start_compiled()
        else:
            self._in_threads = self._call
            sys.settrace(self._call)
        threading.settrace(self._in_threads)

    def stop(self) -> None:
        """Trace no more. What others have put into our place stays there."""
        if self._is_ours(sys.gettrace()):
            sys.settrace(None)
        in_threads = getattr(threading, "gettrace", lambda: self._in_threads)()  # not in 3.9
        if self._in_threads is not None and in_threads == self._in_threads:
            threading.settrace(None)
        self._in_threads = None

    def renew(self) -> None:
        """Go on where a test has switched tracing off; give way where it left something else."""
        current = sys.gettrace()
        if self.is_foreign:
            return
        if current is None:
            self.start()
        elif not self._is_ours(current):
            self.give_way()

    def give_way(self) -> None:
        """Leave tracing to somebody else: what follows is not known."""
        self.is_foreign = True
        self.stop()

    def take(self) -> dict[str, set[int]]:
        """The lines executed since they were last taken, by name."""
        taken: dict[str, set[int]] = {}
        for name, data in list(self._data.items()):
            seen = set(data)
            if isinstance(data, set):
                data.difference_update(seen)
            else:  # tracers of old
                data.clear()
            if seen:
                taken[name] = seen
        return taken

    # --- processes that pytest does not run ---

    def tell_at_end(self) -> None:
        """Tell what has been executed, in one write, which those of other processes do not split."""
        if self.is_told or self._pid != os.getpid():
            return
        self.is_told = True
        lines = {name: sorted(seen) for name, seen in self.take().items()}
        if not lines or self.is_foreign:
            return
        import json

        fact = json.dumps({"during": self._during, "lines": lines}) + "\n"
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        try:
            descriptor = os.open(self.results + "others.jsonl", flags, 0o600)
        except OSError:
            return
        try:
            os.write(descriptor, fact.encode("ascii"))
        finally:
            os.close(descriptor)

    def before_fork(self) -> None:
        """A child of multiprocessing ends without `atexit`; it has finalizers of its own."""
        util = sys.modules.get("multiprocessing.util")
        if util is not None and self._multiprocessing is None:
            self._multiprocessing = util
            util.register_after_fork(self, Lines._in_multiprocessing)

    def _in_multiprocessing(self) -> None:
        self._multiprocessing.Finalize(None, self.tell_at_end, exitpriority=0)

    def after_fork(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self.is_told = False
        self._during = _current_test() or self._during
        self.take()

    # --- the tracer in Python ---

    def _call(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        name = self._name(frame.f_code.co_filename)
        if name is None:
            return None
        if name not in self._python:
            self._python[name] = _recorder(self._data.setdefault(name, set()))
        return self._python[name]

    def _name(self, filename: str) -> str | None:
        """What a file is told by; None for one that nobody asked for."""
        try:
            return self._names[filename]
        except KeyError:
            known = os.path.basename(filename) in self._basenames
            name = self.files.get(os.path.realpath(filename)) if known else None
            self._names[filename] = name
            return name

    # --- the compiled tracer ---

    def _start_compiled(self) -> Callable[..., Any]:
        assert self._compiled is not None  # noqa: S101
        tracer = self._compiled.CTracer()
        wanted = {
            "data": self._data,
            "trace_arcs": False,
            "should_trace": self._disposition,
            "should_trace_cache": self._dispositions,
            "lock_data": self._acquire,
            "unlock_data": self._release,
            "file_tracers": {},
            "concur_id_func": self._greenlets,
            "warn": _ignore,
            "check_include": None,
            "should_start_context": None,
            "switch_context": None,
            "disable_plugin": None,
        }
        for name, value in wanted.items():
            if hasattr(tracer, name):
                setattr(tracer, name, value)
        self._tracers.append(tracer)
        trace: Callable[..., Any] = tracer.start()
        return trace

    def _begin_thread(self, frame: FrameType, event: str, arg: object) -> Callable[..., Any] | None:
        """The only code of ours that a new thread runs; it puts a tracer of its own there."""
        sys.settrace(None)
        traced: Callable[..., Any] | None = self._start_compiled()(frame, event, arg)
        return traced

    def _disposition(self, filename: str, frame: FrameType) -> object:
        assert self._compiled is not None  # noqa: S101
        name = self._name(filename)
        told = self._compiled.CFileDisposition()
        told.original_filename = told.canonical_filename = filename
        told.source_filename = name
        told.trace = name is not None
        told.reason = ""
        told.file_tracer = None
        told.has_dynamic_filename = False
        return told

    def _acquire(self) -> None:
        self._lock.acquire()

    def _release(self) -> None:
        self._lock.release()

    def _is_ours(self, trace: object) -> bool:
        return trace == self._call or any(trace is tracer for tracer in self._tracers)


def _is_pytest(argv: list[str]) -> bool:
    """Whether the process will surely load our plugin, which starts to record before any `conftest.py`.

    To trace what pytest itself does until then would double the time that it takes.
    """
    names = [os.path.basename(word) for word in argv[1:3]]
    return bool(names) and (names[0] in ("pytest", "py.test") or names == ["-m", "pytest"])


def _module(path: str) -> str:
    """The last part of a module's name."""
    name = os.path.splitext(os.path.basename(path))[0]
    return name if name != "__init__" else os.path.basename(os.path.dirname(path))


def _recorder(lines: set[int]) -> Callable[..., Any]:
    def record(frame: FrameType, event: str, arg: object) -> Callable[..., Any]:
        if event == "line":
            lines.add(frame.f_lineno)
        return record

    return record


def _ignore(*words: object, **more: object) -> None:
    pass


def _current_test() -> str | None:
    """The node id of pytest's current test, which the processes that it starts inherit."""
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0] or None


def _is_traced() -> bool:
    monitoring = getattr(sys, "monitoring", None)
    by_monitoring = monitoring is not None and monitoring.get_tool(_COVERAGE_TOOL) is not None
    return by_monitoring or sys.gettrace() is not None


def _greenlets() -> Callable[[], object] | None:
    """What tells greenlets apart, whose frames would be mixed up otherwise."""
    try:
        current: Callable[[], object] = import_module("greenlet").getcurrent
    except (ImportError, AttributeError):
        return None
    return current


def _compiled_tracer() -> Any:
    """Coverage.py's tracer for this Python, under a name that nobody else imports; None without one.

    It is a copy at a path of its own: the same file cannot be loaded a second time under its real name.
    """
    for suffix in EXTENSION_SUFFIXES:
        path = os.path.join(_HERE, "tracer" + suffix)
        if os.path.isfile(path):
            loader = ExtensionFileLoader("route_agent_lines.tracer", path)
            try:
                module = loader.create_module(ModuleSpec(loader.name, loader, origin=path))
                loader.exec_module(module)
            except ImportError:
                continue
            sys.modules.pop(loader.name, None)
            return module
    return None


def step_aside() -> None:
    """Import the real `sitecustomize`; where there is none, the error says that as it always does."""
    sys.modules.pop("sitecustomize", None)
    sys.path[:] = [entry for entry in sys.path if entry != _HERE]
    import sitecustomize  # type: ignore[import-not-found]  # noqa: F401


lines: Lines | None = None

if __name__ == "sitecustomize":
    lines = begin()
    step_aside()
