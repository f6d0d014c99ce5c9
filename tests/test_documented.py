"""Every command block of README and docs is run, and prints what the page says."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from documented import Block, Command, Shell, blocks, commands, is_as_told
from loopback import Loopback, Reply
from sandpit import FIX, POLICY, Sandpit, replies

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "ROUTING.md", ROOT / "CONTRIBUTING.md", *ROOT.glob("docs/*.md")])
BLOCKS = [
    block for page in PAGES for block in blocks(page.relative_to(ROOT).as_posix(), page.read_text("utf-8"))
]
COMMANDS = [block for block in BLOCKS if block.is_commands]
# what is not run here, and where it is; anything else is run
ELSEWHERE = {
    "installs from a package registry": "scripts/demo and .ci/run do, on a fresh checkout",
    "is the gate itself": ".ci/run calls both scripts",
    "the demo prints it": "tests/test_demo.py compares the two",
    "changes the machine": "a setting of the kernel, for runners that are thrown away",
}
README = """\
SUMMARY: a page about the shop

```diff
--- /dev/null
+++ b/README.md
@@ -0,0 +1,3 @@
+# Shop
+
+`total` adds prices in cents and takes a voucher off; the sum is never below 0.
```
"""
NEVER_NEGATIVE = """\
SUMMARY: a total is never negative
shop.py
<<<<<<< SEARCH
    return sum(prices) - voucher
=======
    return max(sum(prices) - voucher, 0)
>>>>>>> REPLACE
"""
ANSWERS = {"docs/tutorial.md": README, "docs/receptions.md": FIX}
SHOP = {
    "shop.py": "def total(prices, voucher=0):\n    return sum(prices) - voucher\n",
    "test_shop.py": "from shop import total\n\n\ndef test_a_voucher():\n    assert total([5], voucher=2) == 3\n",
}
OUTCOMES = "model,instance_id,resolved,cost_usd\n" + "".join(
    f"{model},o__r{number % 6}-{number},{int(number % often != 0)},{cost}\n"
    for model, often, cost in (("small-1", 3, 0.02), ("other-1", 4, 0.03), ("large-1", 9, 0.4))
    for number in range(1, 61)
)


def pages() -> dict[str, list[Block]]:
    """The blocks to run, by page: one after another where they go on."""
    found: dict[str, list[Block]] = {}
    for block in COMMANDS:
        if not block.not_run:
            found.setdefault(block.page, []).append(block)
    return found


def empty(place: Path) -> Path:
    place.mkdir(parents=True)
    return place


def project(place: Path) -> Path:
    """A repository with a policy and an upstream, one commit ahead of it, and files that pages speak of."""
    pit = Sandpit(place / "project", {"tests/__init__.py": ""})
    shutil.copytree(pit.root / ".git", place / "origin.git")
    pit.git("remote", "add", "origin", str(place / "origin.git"))
    pit.git("fetch", "--quiet", "origin")
    pit.git("branch", "--quiet", "--set-upstream-to=origin/main")
    pit.write("calc.py", "def add(a, b):\n    return a + b\n\n\ndef twice(a):\n    return a + a\n")
    pit.commit("add adds")
    (pit.root / ".git/info/exclude").write_text("/*.csv\n/*.md\n/*.yaml\n/out\n")
    for name in ("outcomes.csv", "ours.csv", "later.csv"):
        pit.write(name, OUTCOMES)
    pit.write(
        "reply.md",
        FIX.replace("return a - b", "return a + b").replace("+    return a + b", "+    return b + a"),
    )
    pit.write("policy.yaml", POLICY)
    return pit.root


def faulty(place: Path) -> Path:
    """A repository in which `add` does not add, and a recorded reply that mends it."""
    pit = Sandpit(place / "project")
    replies(pit.root, ("fast", FIX))
    (pit.root / ".git/info/exclude").write_text("/*.yaml\n")
    return pit.root


def own(place: Path) -> Path:
    """Somebody's repository, as it is before route-agent comes."""
    return Sandpit(place / "project", SHOP, policy=None).root


SCENES: dict[str, Callable[[Path], Path]] = {
    "tutorial": empty,
    "own": own,
    "project": project,
    "faulty": faulty,
}


@pytest.fixture
def shell(tmp_path: Path, apart: Path, request: pytest.FixtureRequest) -> Iterator[Shell]:
    called = getattr(request.node, "callspec", None)
    answer = ANSWERS.get(called.params["page"]) if called else None
    with Loopback() as server:
        for model in ("claude-haiku-5-5", "claude-opus-5-5", "small-1"):
            server.script(model, *(Reply(answer or NEVER_NEGATIVE) for _ in range(4)))
        providers = {
            "anthropic": {
                "wire": "anthropic",
                "base_url": server.anthropic_url,
                "key_env": "ANTHROPIC_API_KEY",
            },
            "openai": {"base_url": server.openai_url, "key_env": "OPENAI_API_KEY", "free": True},
        }
        config = apart / "config" / "route-agent"
        config.mkdir(parents=True)
        (config / "config.yaml").write_text(yaml.safe_dump({"providers": providers}))
        made = Shell(tmp_path / "shell", {**os.environ, "HOME": str(apart)})
        yield made
        made.close()


def perform(shell: Shell, block: Block, command: Command) -> None:
    """Run one command and compare what it does with the page."""
    script = command.text.replace("API_KEY=…", "API_KEY=a-key")
    code, out, err = shell.run(script)
    assert code == command.exit_code, f"{block}: exit {code}\n$ {script}\n{out}{err}"
    if command.printed is not None:
        assert is_as_told(out, command.printed), (
            f"{block} shows\n{command.printed}\nand it printed\n{out}\n{err}"
        )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", pages())
def test_the_commands_of_a_page_do_what_it_says(page: str, shell: Shell, tmp_path: Path) -> None:
    for number, block in enumerate(pages()[page]):
        if not block.goes_on:
            shell.go(SCENES[block.scene or "project"](tmp_path / f"place-{number}"))
        for command in commands(block):
            perform(shell, block, command)


def test_every_block_says_what_it_is() -> None:
    assert [str(block) for block in BLOCKS if not block.language] == []


def test_what_is_not_run_here_is_run_elsewhere() -> None:
    assert {block.not_run for block in COMMANDS if block.not_run} <= ELSEWHERE.keys()


def test_a_page_that_shows_something_else_is_noticed(shell: Shell, tmp_path: Path) -> None:
    page = "```console\n$ echo one; echo two 2.5 s\none\ntwo … s\n$ false # exit 1\n```\n"
    told = next(blocks("page", page))
    for command in commands(told):
        perform(shell, told, command)

    wrong = next(blocks("page", page.replace("one\ntwo", "one\nthree")))
    with pytest.raises(AssertionError, match="page:1 shows"):
        perform(shell, wrong, commands(wrong)[0])

    with pytest.raises(AssertionError, match="exit 1"):
        perform(shell, told, Command("false; true"))


@pytest.mark.parametrize(
    ("printed", "told", "expected"),
    [
        ("a\nb\nc\n", "a\n…\nc", True),
        ("a\nc\n", "a\n…\nc", True),
        ("a\nb\n", "a\n…\nc", False),
        ("took 3 s\n", "took … s", True),
        ("a\nb\n", "a", False),
    ],
)
def test_dots_stand_for_any_text(printed: str, told: str, expected: bool) -> None:
    assert is_as_told(printed, told) is expected
