"""What a source file defines and imports, with the grammars and without them."""

from __future__ import annotations

import pytest

from route_agent.symbols import Paths, _by_words, imports_in, symbols_in

PYTHON = "import os\n\nLIMIT = 3\n\n\nclass Till(Base):\n    def add(self):\n        def inner(): ...\n\n    async def close(self): ...\n\n\ndef total(x):\n    return x\n"
SCRIPT = "export class Till extends Base {\n  add(n) {\n    const inner = 1;\n  }\n}\n\nexport function total(x) {\n  return x;\n}\n\nconst limit = 3;\nexport default async function main() {}\n"
TYPED = "export interface Price { amount: number }\n\nexport type Id = string;\n\nexport abstract class Till {\n  private add(n: number): void {}\n}\n\nexport enum Kind { A }\n\nexport const total = (x: number): number => x;\n"
GO = 'package till\n\nimport "fmt"\n\ntype Till struct {\n\tx int\n}\n\nfunc (t *Till) Add(n int) error {\n\treturn nil\n}\n\nfunc Total() int { return 1 }\n\nconst Limit = 3\n'
JAVA = "package a.b;\n\npublic class Till extends Base {\n    private int x;\n\n    public Till(int x) {}\n\n    public static List<String> add(int n) {\n        return null;\n    }\n}\n\ninterface Price {}\n"
RUST = "pub struct Till {\n    x: u32,\n}\n\nimpl Till {\n    pub fn add(&mut self, n: u32) {}\n}\n\npub(crate) fn total() -> u32 {\n    1\n}\n\nenum Kind { A }\n\ntrait Priced {}\n"


TREE = """
src/shop/__init__.py src/shop/till.py src/shop/money.py src/shop/tax.py tests/test_till.py
web/app/main.ts web/app/view.tsx web/lib/util.ts
cmd/main.go internal/store/store.go internal/store/rows.go
src/main/java/a/b/Till.java src/main/java/a/b/money/Price.java
rs/src/lib.rs rs/src/till.rs rs/src/money.rs
"""


def names(path: str, text: str) -> list[tuple[str, int]]:
    return [(it.name, it.line) for it in symbols_in(path, text)]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("a.py", PYTHON, [("LIMIT", 3), ("Till", 6), ("add", 7), ("close", 10), ("total", 13)]),
        ("a.js", SCRIPT, [("Till", 1), ("add", 2), ("total", 7), ("limit", 11), ("main", 12)]),
        ("a.ts", TYPED, [("Price", 1), ("Id", 3), ("Till", 5), ("add", 6), ("Kind", 9), ("total", 11)]),
        ("a.go", GO, [("Till", 5), ("Add", 9), ("Total", 13), ("Limit", 15)]),
        ("a.java", JAVA, [("Till", 3), ("Till", 6), ("add", 8), ("Price", 13)]),
        ("a.rs", RUST, [("Till", 1), ("Till", 5), ("add", 6), ("total", 9), ("Kind", 13), ("Priced", 15)]),
    ],
    ids=lambda value: value if isinstance(value, str) and "\n" not in value else "",
)
def test_a_file_is_read_for_what_it_defines(path: str, text: str, expected: list[tuple[str, int]]) -> None:
    assert names(path, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (PYTHON, ["Till", "add", "inner", "close", "total"]),
        (SCRIPT, ["Till", "total", "limit", "main"]),
        (TYPED, ["Price", "Id", "Till", "add", "Kind", "total"]),
        (GO, ["Till", "Add", "Total", "Limit"]),
        (JAVA, ["Till", "Till", "add", "Price"]),
        (RUST, ["Till", "Till", "add", "total", "Kind", "Priced"]),
    ],
    ids=["python", "script", "typed", "go", "java", "rust"],
)
def test_without_a_grammar_the_words_tell_nearly_the_same(text: str, expected: list[str]) -> None:
    assert [it.name for it in _by_words(text)] == expected


def test_a_python_file_that_does_not_parse_is_read_by_its_words() -> None:
    assert names("a.py", "def one(:\n    pass\n\nclass Two:\n") == [("one", 1), ("Two", 4)]


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("src/shop/till.py", "from .money import Price\nfrom . import tax\n", ["src/shop/money.py", "src/shop/__init__.py", "src/shop/tax.py"]),
        ("tests/test_till.py", "import shop.money as m\nfrom shop.tax import (\n    rate,\n)\n", ["src/shop/money.py", "src/shop/tax.py"]),
        ("src/shop/till.py", "import till, json\n", []),  # never itself
        ("web/app/main.ts", 'import { a } from "./view";\nimport x from "../lib/util.js";\nconst y = require("react")\n', ["web/app/view.tsx", "web/lib/util.ts"]),
        ("cmd/main.go", 'import (\n\t"fmt"\n\n\tstore "example.com/shop/internal/store"\n)\n', ["internal/store/store.go", "internal/store/rows.go"]),
        ("src/main/java/a/b/Till.java", "import a.b.money.Price;\nimport java.util.List;\n", ["src/main/java/a/b/money/Price.java"]),
        ("rs/src/lib.rs", "mod till;\nuse crate::money::Price;\n", ["rs/src/till.rs", "rs/src/money.rs"]),
    ],
)  # fmt: skip
def test_an_import_names_files_of_the_tree(path: str, text: str, expected: list[str]) -> None:
    known = Paths(TREE.split())

    assert sorted(imports_in(path, text, known)) == sorted(expected)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("/tmp/scratch/tree/src/shop/till.py", "src/shop/till.py"),
        ("./src/shop/till.py", "src/shop/till.py"),
        ("src\\shop\\till.py", "src/shop/till.py"),
        ("till.py", "src/shop/till.py"),
        ("/usr/lib/python3.11/json/__init__.py", ""),
        ("other.py", ""),
    ],
)
def test_a_tracebacks_path_is_found_in_the_tree(told: str, meant: str) -> None:
    assert Paths(["src/shop/till.py", "src/shop/__init__.py"]).tail_of(told) == meant
