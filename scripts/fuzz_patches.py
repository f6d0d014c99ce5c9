"""Fuzz the way from a reply to fitted files: any text gives edits, or is refused in our own words, and soon.

Usage: python scripts/fuzz_patches.py [--minutes 10] [--corpus PATH] [--out DIR]

With atheris (no dependency of ours: `pip install atheris`) the code that a reply reaches guides what is tried
next; without it, and with `--blind`, replies are mutated at random for as long. Either way a mutation knows
what replies are made of: lines, marks, headers, fences.

A finding is an exception that is none of ours, a result that breaks a promise, or a reply below 100 kB that
takes more than a second of the processor's time. Each is tried again without instruments, shrunk and printed.
Exit code 1 if there is one. `--replay FILE` tries one reply, for instance a finding, and shows its traceback.
"""

from __future__ import annotations

import argparse
import hashlib
import html
import importlib
import importlib.util
import random
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, MappingProxyType, TracebackType

from bench_patches import load

MAX_BYTES = 100_000
SLOW_SECONDS, STUCK_SECONDS, SECONDS_TO_SHRINK = 1.0, 20, 60
SLOW, STUCK, MAX_SLOW = f"more than {SLOW_SECONDS:g} s", f"no answer after {STUCK_SECONDS} s", 5
MAX_MEMORY_MB = 2_048
MAX_REFUSAL_CHARACTERS = 20_000
MAX_SEEDS = 150

CODE = "import os\n\n\ndef a():\n    return 1\n\n\ndef b():\n    return 1\n"
FILES = {
    "m.py": CODE,
    "src/pkg/m.py": CODE.replace("    ", "\t"),
    "crlf.txt": CODE.replace("\n", "\r\n"),
    "long.txt": "".join(f"line {number % 97}\n" for number in range(600)),
    "same.txt": "x = 1\n" * 600,
    "blank.txt": "\n" * 500,
    "empty.txt": "",
}
CHANGE = "@@ -4,2 +4,2 @@ def a\n def a():\n-    return 1\n+    return 2\n"
DIFF = f"--- a/m.py\n+++ b/m.py\n{CHANGE}"
SEEDS = (
    f"Here it is:\n```diff\n{DIFF}```\nDone.\n",
    f"diff --git a/m.py b/src/new.py\nsimilarity index 90%\nrename from m.py\nrename to src/new.py\n{DIFF}",
    "diff --git a/m.py b/m.py\nold mode 100644\nnew mode 100755\n",
    "diff --git a/m.py b/m.py\ndeleted file mode 100644\n--- a/m.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n",
    "--- /dev/null\n+++ b/n.py\n@@ -0,0 +1,2 @@\n+x = 1\n+y = 2\n\\ No newline at end of file\n",
    "m.py\n```python\n<<<<<<< SEARCH\ndef b():\n    return 1\n=======\ndef b(x):\n>>>>>>> REPLACE\n```",
    "*** Begin Patch\n*** Update File: m.py\n@@ def a():\n-    return 1\n+    return 2\n*** End Patch\n",
    "*** Begin Patch\n*** Add File: n.py\n+x = 1\n*** Delete File: m.py\n*** End Patch\n",
    '```json\n[{"path": "m.py", "search": "import os\\n", "replace": "import sys\\n"}]\n```\n',
    '{"edits": [{"file": "n.py", "content": "x = 1\\n"}, {"path": "m.py", "delete": true}]}',
    f"`m.py`\n```python\n{CODE}```\n",
    f"<patch>\n{html.escape(DIFF)}</patch>\n",
    "long.txt\n<<<<<<< SEARCH\nline 5\nline 6\n=======\nline five\n>>>>>>> REPLACE\n",
    "--- a/same.txt\n+++ b/same.txt\n@@ @@\n x = 1\n-x = 1\n+x = 2\n",
)
TOKENS = (
    *("--- a/m.py\n", "+++ b/m.py\n", "--- /dev/null\n", "+++ /dev/null\n", "@@\n", "@@ -1 +1 @@\n", "@@ "),
    *("diff --git a/m.py b/m.py\n", "rename from m.py\n", "new file mode 100644\n", "GIT binary patch\n"),
    *("```\n", "```diff\n", "~~~\n", "m.py\n", "src/pkg/m.py", "long.txt", "same.txt", "../m.py", ".git/x"),
    *("<<<<<<< SEARCH\n", "=======\n", ">>>>>>> REPLACE\n", "*** Begin Patch\n", "*** End Patch\n"),
    *("*** Update File: m.py\n", "*** Add File: n.py\n", "*** Move to: k.py\n", "*** End of File\n"),
    *('{"path": "m.py"', '"search": "', "[", "{", "]", "}", '"', "\\", "<patch>\n", "</patch>\n", "&lt;"),
    *("\\ No newline at end of file\n", "-- \n2.39.5\n", "...\n", "# ...\n", "\t", "    ", "\r\n", "\0"),
    *("9" * 5_000, " " * 20_000, "[" * 5_000, '{"a":' * 2_000, "... " * 4_000),
    *("x = 1\n", "line 5\n", "    return 1\n", " ", "+", "-", "9" * 40, "\u2019", "\u202e", "\ufeff"),
)  # fmt: skip


# --- what must hold ----------------------------------------------------------------------------------------


class Broken(Exception):
    """A promise that a result does not keep."""


def check(reply: str, files: Mapping[str, bytes]) -> None:
    """Fit a reply. What it may raise is answered here, all else is a finding."""
    from route_agent.errors import BadPatch, HostilePatch
    from route_agent.patch.fit import fit
    from route_agent.patch.formats import read_reply
    from route_agent.patch.guard import judge_paths

    try:
        fitted = fit(read_reply(reply), files)
    except (BadPatch, HostilePatch) as refusal:
        if len(str(refusal)) > MAX_REFUSAL_CHARACTERS:
            raise Broken(f"a refusal of {len(str(refusal)):,} characters") from refusal
        return
    judge_paths((*fitted.contents, *fitted.modes))
    if not fitted.contents and not fitted.modes:
        raise Broken("fitted, and nothing changes")
    for path, data in fitted.contents.items():
        if data == files.get(path, b"\0"):
            raise Broken(f"{path} is said to change and does not")


def text_of(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")[:MAX_BYTES]


# --- mutation ----------------------------------------------------------------------------------------------

Mutation = Callable[[str, str, random.Random], str]


def _cut(text: str, _: str, rng: random.Random) -> str:
    first, last = sorted(rng.randrange(len(text) + 1) for _ in range(2))
    return rng.choice((text[:first], text[last:], text[:first] + text[last:]))


def _shuffled(text: str, _: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True)
    first, last = sorted(rng.randrange(len(lines) + 1) for _ in range(2))
    part = lines[first:last]
    rng.shuffle(part)
    return "".join(lines[:first] + part + lines[last:])


def _spliced(text: str, other: str, rng: random.Random) -> str:
    return text[: rng.randrange(len(text) + 1)] + other[rng.randrange(len(other) + 1) :]


def _repeated(text: str, _: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [text]
    first = rng.randrange(len(lines))
    part = lines[first : first + rng.randint(1, 8)]
    return "".join(
        lines[:first] + part * rng.choice((2, 2, 2, 3, 3, 3, 20, 300)) + lines[first + len(part) :]
    )


def _inserted(text: str, _: str, rng: random.Random) -> str:
    at = rng.randrange(len(text) + 1)
    return text[:at] + rng.choice(TOKENS) * rng.choice((1, 1, 1, 2, 50)) + text[at:]


def _marked(text: str, _: str, rng: random.Random) -> str:
    lines = text.splitlines(keepends=True) or [text]
    at = rng.randrange(len(lines))
    lines[at] = (
        rng.choice(("", " ", "+", "-", "@", "\\", "`", "*", "<", "> ")) + lines[at][rng.randint(0, 1) :]
    )
    return "".join(lines)


def _renumbered(text: str, _: str, rng: random.Random) -> str:
    return re.sub(r"\d+", lambda found: str(rng.choice((0, 1, int(found[0][:9]) + 1, 10**30))), text)


def _dressed(text: str, _: str, rng: random.Random) -> str:
    ways: tuple[Callable[[str], str], ...] = (
        lambda it: "".join(f"    {line}" for line in it.splitlines(keepends=True)),
        lambda it: "".join(f"> {line}" for line in it.splitlines(keepends=True)),
        lambda it: it.replace("\n", "\r\n"),
        lambda it: f"```\n{it}\n```\n",
        html.escape,
        lambda it: it.replace("\n ", "\n"),
        lambda it: it.replace("    ", "\t"),
        lambda it: "\ufeff" + it,
    )
    return rng.choice(ways)(text)


MUTATIONS: tuple[Mutation, ...] = (
    *(_cut, _shuffled, _spliced, _repeated, _inserted),
    *(_inserted, _marked, _marked, _renumbered, _dressed),
)


def mutated(text: str, other: str, rng: random.Random) -> str:
    """The text after one to four mutations."""
    for _ in range(rng.randint(1, 4)):
        text = rng.choice(MUTATIONS)(text, other, rng)[:MAX_BYTES]
    return text


# --- engines -----------------------------------------------------------------------------------------------


class Watched:
    """Keeps the reply of an exception that nobody expected, and of a result that took too long."""

    def __init__(self, data: bytes, out: Path) -> None:
        self._data, self._out = data, out

    def __enter__(self) -> None:
        self._began = time.process_time()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        slow = time.process_time() - self._began > SLOW_SECONDS
        if kind is not None or slow:
            name = f"{'slow' if kind is None else 'crash'}-{hashlib.sha256(self._data).hexdigest()[:12]}"
            (self._out / name).write_bytes(self._data)


def fuzz_guided(files: Mapping[str, bytes], seeds: Sequence[str], out: Path, seconds: float) -> None:
    """Coverage-guided, until time is up or something raises; does not return."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["route_agent.patch"]):
        for name in ("fit", "formats", "guard"):
            importlib.import_module(f"route_agent.patch.{name}")
    corpus = out / "inputs"
    corpus.mkdir(exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(bytes_of(seed))

    def target(data: bytes) -> None:
        with Watched(data, out):
            check(text_of(data), files)

    def mutator(data: bytes, max_size: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if rng.random() < 0.3:
            return bytes(atheris.Mutate(data, max_size))
        return bytes_of(mutated(text_of(data), rng.choice(seeds), rng))[:max_size]

    options = (
        f"-max_total_time={seconds:.0f}",
        f"-max_len={MAX_BYTES}",
        f"-timeout={STUCK_SECONDS}",
        f"-rss_limit_mb={MAX_MEMORY_MB}",
        f"-artifact_prefix={out}/stuck-",
        "-print_final_stats=1",
    )
    atheris.Setup([sys.argv[0], *options, str(corpus)], target, custom_mutator=mutator)
    atheris.Fuzz()


def fuzz_blind(
    files: Mapping[str, bytes], seeds: Sequence[str], out: Path, seconds: float, seed: int
) -> None:
    """Random mutation of the seeds and of what came of them, until time is up or something raises."""
    rng, pool, tried = random.Random(seed), list(seeds), 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        text = mutated(rng.choice(pool), rng.choice(pool), rng)
        with Watched(bytes_of(text), out), stuck_after(STUCK_SECONDS):
            check(text_of(bytes_of(text)), files)
        tried += 1
        if rng.random() < 0.02:
            pool = [*seeds, *pool[len(seeds) :][-MAX_SEEDS:], text]
    print(f"{tried:,} replies were tried", file=sys.stderr)


class Stuck(Exception):
    """A reply took so long that it was given up."""


@contextmanager
def stuck_after(seconds: int) -> Iterator[None]:
    def give_up(number: int, frame: FrameType | None) -> None:
        raise Stuck(f"no answer after {seconds} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# --- findings ----------------------------------------------------------------------------------------------


def replay(file: Path, files: Mapping[str, bytes]) -> int:
    """Try one reply in this process: a traceback, or the seconds that it took."""
    began = time.process_time()
    with stuck_after(STUCK_SECONDS):
        check(text_of(file.read_bytes()), files)
    print(f"{time.process_time() - began:.2f}")
    return 0


def trouble(data: bytes, command: Sequence[str]) -> str:
    """What is wrong with a reply, as one line, from a process without instruments; empty if nothing is."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        done = subprocess.run((*command, "--replay", file.name), capture_output=True, text=True)
    if not done.returncode:
        return SLOW if float(done.stdout) > SLOW_SECONDS else ""
    where = re.findall(r'File "([^"]*)", line (\d+)', done.stderr)[-1]
    error = done.stderr.strip().splitlines()[-1]
    if error.startswith(Stuck.__name__) or "Stuck" in error.split(":")[0]:
        return STUCK
    return f"{re.sub(r'[0-9]+', 'N', error)[:150]} ({':'.join(where)})"


def shrunk(data: bytes, wrong: Callable[[bytes], bool], seconds: float) -> bytes:
    """A smaller reply with the same trouble: parts are left out while it stays and time is left."""
    end = time.monotonic() + seconds
    size = len(data) // 2
    while size and time.monotonic() < end:
        at = 0
        while at < len(data) and time.monotonic() < end:
            less = data[:at] + data[at + size :]
            if wrong(less):
                data = less
            else:
                at += size
        size //= 2
    return data


def tell(findings: Sequence[Path], command: Sequence[str]) -> int:
    """Print each kind of finding that is one without instruments, shrunk; how many kinds there are."""
    seen: dict[str, int] = {}
    for finding in findings:
        told = trouble(finding.read_bytes(), command)
        if not told or seen.get(told, 0) >= (MAX_SLOW if told in (SLOW, STUCK) else 1):
            continue
        seen[told] = seen.get(told, 0) + 1
        small = shrunk(finding.read_bytes(), lambda data: bool(trouble(data, command)), SECONDS_TO_SHRINK)
        finding.with_name(f"{finding.name}.min").write_bytes(small)
        print(f"{told}\n  {finding}.min, {len(small):,} bytes: {small[:200]!r}", flush=True)
    return len(seen)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="fuzz_patches",
        description=(__doc__ or "").strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--corpus", type=Path, metavar="PATH", help="cases whose replies and files are seeds")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where findings are kept")
    parser.add_argument("--seed", type=int, default=0, help="of the random mutation")
    parser.add_argument("--blind", action="store_true", help="without atheris")
    parser.add_argument("--replay", type=Path, metavar="FILE")
    parser.add_argument("--engine", choices=("guided", "blind"), help=argparse.SUPPRESS)
    return parser.parse_args()


def material(corpus: Path | None) -> tuple[Mapping[str, bytes], list[str]]:
    """The files that replies are fitted to, and the replies to start from."""
    files, seeds = dict(FILES), list(SEEDS)
    if corpus:
        cases = [case for case in load(corpus) if len(case.patch) < MAX_BYTES // 5]
        for case in random.Random(0).sample(cases, min(MAX_SEEDS, len(cases))):
            files.update(case.files)
            seeds.append(case.patch)
    return MappingProxyType({path: text.encode() for path, text in files.items()}), seeds


def main() -> int:
    options = parse()
    files, seeds = material(options.corpus)
    if options.replay:
        return replay(options.replay, files)
    seconds = options.minutes * 60
    if options.engine == "guided":
        fuzz_guided(files, seeds, options.out, seconds)
    elif options.engine == "blind":
        fuzz_blind(files, seeds, options.out, seconds, options.seed)
    else:
        return conduct(options, seconds)
    return 0


def conduct(options: argparse.Namespace, seconds: float) -> int:
    """Fuzz in a process of its own, again after each crash, until time is up; then tell what was found."""
    out: Path = options.out or Path(tempfile.mkdtemp(prefix="fuzz-patches-"))
    out.mkdir(parents=True, exist_ok=True)
    guided = not options.blind and importlib.util.find_spec("atheris") is not None
    script = [sys.executable, str(Path(__file__).resolve())]
    script += ["--corpus", str(options.corpus.resolve())] if options.corpus else []
    print(f"fuzzing {'with atheris' if guided else 'blindly'}, findings in {out}", flush=True)
    end, rounds = time.monotonic() + seconds, 0
    while (left := end - time.monotonic()) > 1:
        more = ("--engine", "guided" if guided else "blind", "--minutes", str(left / 60), "--out", str(out))
        with (out / f"log-{rounds}").open("wb") as log:
            subprocess.run((*script, *more, "--seed", str(options.seed + rounds)), stdout=log, stderr=log)
        rounds += 1
    findings = sorted(path for kind in ("crash", "stuck", "slow") for path in out.glob(f"{kind}-*[!n]"))
    count = tell(findings, script)
    print(f"{count} kinds of findings in {options.minutes:g} minutes and {rounds} rounds")
    return int(count > 0)


if __name__ == "__main__":
    sys.exit(main())
