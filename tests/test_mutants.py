"""Seeded mutants: small mistakes on changed lines only, valid, different from each other, the same for a seed."""

from __future__ import annotations

import ast
import random
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from route_agent.mutants import Mutant, mutants, reverts, sites
from route_agent.mutants.subjects import likely, named_lines

STEADY = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
OWN = Path(sites.__file__)
ALL = 10_000


def every_line(source: bytes) -> frozenset[int]:
    return frozenset(range(1, source.count(b"\n") + 2))


def all_of(
    source: str | bytes, path: str = "m.py", lines: frozenset[int] | None = None
) -> tuple[Mutant, ...]:
    raw = source.encode() if isinstance(source, str) else source
    return mutants(path, raw, lines or every_line(raw), seed="a tree", most=ALL)


def edits(source: str, path: str = "m.py", lines: frozenset[int] | None = None) -> set[tuple[str, str]]:
    """(operator, the lines that are new) of all mutants; sources here have no two lines alike."""
    before = set(source.splitlines())
    return {
        (
            it.operator,
            "|".join(line.strip() for line in it.content.decode().splitlines() if line not in before),
        )
        for it in all_of(source, path, lines)
    }


def inside(body: str) -> str:
    return f"def f(a, b, c):\n    {body}\n"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("g(a < b)", {("boundary", "g(a <= b)"), ("comparison negated", "g(a >= b)")}),
        ("g(a >= b)", {("boundary", "g(a > b)"), ("comparison negated", "g(a < b)")}),
        ("g(a == b)", {("comparison negated", "g(a != b)")}),
        ("g(a in b)", {("comparison negated", "g(a not in b)")}),
        ("g(a not  in b)", {("comparison negated", "g(a in b)")}),
        ("g(a is b)", {("comparison negated", "g(a is not b)")}),
        ("g(a is not b)", {("comparison negated", "g(a is b)")}),
        ("g(a<b is c)", {("boundary", "g(a<=b is c)"), ("comparison negated", "g(a>=b is c)"), ("comparison negated", "g(a<b is not c)")}),
        ("g(a + b)", {("arithmetic", "g(a - b)")}),
        ("g((a)*(b))", {("arithmetic", "g((a)//(b))")}),
        ("g(a ** b)", {("arithmetic", "g(a * b)")}),
        ("a += b", {("arithmetic", "a -= b")}),
        ("g(a and b or c)", {("and/or", "g(a or b or c)"), ("and/or", "g(a and b and c)")}),
        ("g(not a)", {("not removed", "g(a)")}),
        ("g(1 if(a)else 2)", {("condition true", "g(1 if(True)else 2)"), ("condition false", "g(1 if(False)else 2)"),
                              ("constant", "g(2 if(a)else 2)"), ("constant", "g(1 if(a)else 3)")}),
        ("g([x for x in a if b])", {("condition true", "g([x for x in a if True])"), ("condition false", "g([x for x in a if False])")}),
        ("g(-7)", {("constant", "g(-8)")}),
        ("g(0x10, 1.5)", {("constant", "g(17, 1.5)"), ("constant", "g(0x10, 2.5)")}),
        ("g('a' 'b', r'XX', b'c', '')", {("constant", 'g("XX", r\'XX\', b\'c\', \'\')'), ("constant", "g('a' 'b', \"YY\", b'c', '')"),
                                         ("constant", "g('a' 'b', r'XX', b\"XX\", '')")}),
        ("g(True)", {("constant", "g(False)")}),
        ("await_(a); del a[b]", {("statement removed", "pass; del a[b]"), ("statement removed", "await_(a); pass")}),
        ("return g(a)", {("return value", "return None")}),
        ("return-a", {("return value", "return None")}),
        ("yield a", {("yielded value", "yield None")}),
        ("raise ValueError(f'{a}' 'told') from b", {("raise removed", "pass")}),
        ("a = b", {("statement removed", "pass")}),
        ("new = g(a)", {("assigned value", "new = None")}),
        ("a.b = c", {("statement removed", "pass")}),
        ("new, a = b", set()),
    ],
)  # fmt: skip
def test_each_operator_makes_its_mistake(body: str, expected: set[tuple[str, str]]) -> None:
    found = edits(inside(body))

    extra = {("statement removed", "pass")} if body.startswith(("g(", "a +=")) else set()
    assert found == expected | extra


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring, 1 < 2."""\n',
        "import os\nfrom a import b\n",
        inside("assert a < 1, 'told'"),
        inside("logger.info('%d', a + 1)"),
        inside("self._log.debug(a and 'b')"),
        inside("print(a == 1)"),
        inside("if a:\n        print(1)"),
        inside("handle.close()"),
        inside("raise NotImplementedError"),
        inside("return None"),
        inside("return []"),
        inside("return NotImplemented"),
        inside("x: int"),
        inside("g = f'{a < 1}'") + "    return\n",
        "class A:\n    def __repr__(self):\n        return 'A' + self.name\n",
        "@cache(maxsize=3)\ndef f(a: 'B' = None, timeout=3) -> 'C':\n    ...\n",
        "T = TypeVar('T', bound='A')\n",
        "Mode = Literal['a', 'b']\n",
        "__all__ = ['a', 'b']\n",
        "if TYPE_CHECKING:\n    a = 1\n",
        "if __name__ == '__main__':\n    main()\n",
        "if sys.version_info >= (3, 12):\n    a = 1\n",
    ],
)
def test_what_tests_rarely_look_at_is_left_alone(source: str) -> None:
    assert {it for it in edits(source) if it[0] != "assigned value"} == set()


def test_the_other_branch_of_a_type_checking_block_is_code_like_any_other() -> None:
    assert edits("if TYPE_CHECKING:\n    a = 1\nelse:\n    a = 2\n") == {("constant", "a = 3")}


def test_a_default_is_told_apart_from_other_constants() -> None:
    assert edits("def f(a=1, *, timeout=2, b=3):\n    pass\n") == {
        ("default", "def f(a=2, *, timeout=2, b=3):"),
        ("default", "def f(a=1, *, timeout=2, b=4):"),
    }


@pytest.mark.parametrize(
    "source",
    [
        inside("return a if a < b else b"),
        inside("if a > c:\n        a = c"),
        inside("if a.n >= b[0]:\n        return b[0]"),
    ],
)
def test_the_boundary_of_a_minimum_or_maximum_by_hand_is_left_out_as_nobody_could_notice(source: str) -> None:
    found = {operator for operator, _ in edits(source)}

    assert "boundary" not in found
    assert "comparison negated" in found


def test_the_boundary_counts_where_something_else_hangs_on_it() -> None:
    assert "boundary" in {operator for operator, _ in edits(inside("if a < b:\n        return c"))}


def test_a_loop_is_not_made_endless() -> None:
    source = inside("while a < 10:\n        a += 1\n        b.pop()\n        c.add(b)")

    found = edits(source)

    assert ("condition false", "while False:") in found
    assert not {new for _, new in found} & {"while True:", "a -= 1", "a += 2"}
    assert {it.line for it in all_of(source) if it.operator == "statement removed"} == {4, 5}


def test_a_function_that_returns_nothing_by_its_own_word_is_not_asked_for_a_value() -> None:
    assert edits("def f(a) -> None:\n    return g(a)\n") == set()


def test_only_the_given_lines_change_and_the_mutant_says_which() -> None:
    source = "def f(a, b):\n    x = a + 1\n    y = b + 2\n    return (x *\n        y - 3)\n"

    assert edits(source, lines=frozenset({3})) == {
        ("arithmetic", "y = b - 2"), ("constant", "y = b + 3"), ("assigned value", "y = None"),
    }  # fmt: skip
    last = all_of(source, lines=frozenset({5}))
    assert {(it.operator, it.line) for it in last} == {
        ("arithmetic", 5),
        ("constant", 5),
        ("return value", 5),
    }


def test_an_operator_is_found_behind_brackets_and_comments() -> None:
    source = "def f(a, b):\n    return ((a)  # is it < or >?\n        < (b))\n"

    assert ("boundary", "<= (b))") in edits(source)


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (b"", "utf-8"),
        (b"\xef\xbb\xbf", "utf-8"),
        (b"# -*- coding: latin-1 -*-\r\n", "latin-1"),
        (b"# coding: cp1252\n", "cp1252"),
    ],
)
def test_every_other_byte_stays_as_it_is(head: bytes, encoding: str) -> None:
    source = head + "é = 'é\t'; x = (é,\r\n  1) \n\nif x:  \r\n\ty = 'ü' in é\n# end".encode(encoding)

    found = all_of(source)

    assert {it.operator for it in found} >= {"constant", "comparison negated", "condition true"}
    for it in found:
        same_head = next(
            n for n, (one, two) in enumerate(zip(source, it.content, strict=False)) if one != two
        )
        rest = it.content[same_head:]
        assert it.content.startswith(head)
        assert any(rest.endswith(source[cut:]) for cut in range(same_head + 1, same_head + 20))
        assert it.content.count(b"\r\n") == source.count(b"\r\n")


@pytest.mark.parametrize(
    "source",
    [
        b"def f(:\n    return 1\n",
        b"x = 1\0\n",
        b"x = 1\ry = 2\n",
        b"x = '\xff'\n",
        "x = 1\n".encode("utf-16"),
        b"# coding: no-such-thing\nx = 1\n",
        b"# coding: rot13\nx = 1\n",
        b"# coding: utf-7\nx = 1\n",
        b"return 1\n",
        b"x = " + b"(" * 5000 + b"1" + b")" * 5000,
        b"x = " + b"-" * 50_000 + b"1",
        b"x = 1\n" + b"#" * 500_000,
        b"",
    ],
    ids=lambda it: repr(it[:24]),
)
def test_what_cannot_be_read_has_no_mutants(source: bytes) -> None:
    assert all_of(source) == ()


def test_a_very_long_expression_is_read_all_the_same() -> None:
    terms = "+".join(["a"] * 700)

    source = f"def f(a):\n    return a if {terms} < a else {terms}\n".encode()

    assert len(mutants("m.py", source, frozenset({2}), seed="s", most=3)) == 3


def test_unknown_languages_no_lines_and_no_number_give_nothing() -> None:
    assert all_of("x = 1 + 2\n", "notes.txt") == ()
    assert mutants("m.py", b"x = 1\n", frozenset(), seed="s") == ()
    assert mutants("m.py", b"x = 1\n", frozenset({7}), seed="s") == ()
    assert mutants("m.py", b"x = 1\n", frozenset({1}), seed="s", most=0) == ()


def test_a_seed_always_gives_the_same_mutants_and_leaves_chance_at_large_alone() -> None:
    source = OWN.read_bytes()
    state = random.getstate()

    first = mutants("m.py", source, every_line(source), seed="one")

    assert first == mutants("m.py", source, every_line(source), seed="one")
    assert first != mutants("m.py", source, every_line(source), seed="two")
    assert len(first) == 12
    assert random.getstate() == state


def test_each_statement_gets_a_mutant_before_any_gets_a_second() -> None:
    rows = [f"    g(a{n} < {n}, {n} + b, 'text{n}')\n" for n in range(8)]
    source = ("def f():\n" + "".join(rows)).encode()

    for seed in "abcdef":
        found = mutants("m.py", source, every_line(source), seed=seed, most=20)
        assert {it.line for it in found[:8]} == set(range(2, 10))
        assert {it.line for it in found[8:16]} == set(range(2, 10))
        assert found[:8] == mutants("m.py", source, every_line(source), seed=seed, most=8)


def test_within_a_statement_no_operator_comes_again_before_each_had_its_turn() -> None:
    source = b"def f(a):\n    g(a < 1, a > 2, a + 3, a - 4)\n"

    for seed in "abcdef":
        found = [it.operator for it in mutants("m.py", source, frozenset({2}), seed=seed)]
        assert set(found[:5]) == {
            "boundary",
            "comparison negated",
            "arithmetic",
            "constant",
            "statement removed",
        }
        assert found[4] == "constant"


def test_all_mutants_of_a_real_module_compile_and_differ() -> None:
    source = Path(OWN.parent.with_name("globs.py")).read_bytes()

    found = all_of(source)

    assert len(found) > 60
    assert len({it.content for it in found} | {source}) == len(found) + 1
    for it in found:
        ast.parse(it.content)


def test_good_tests_kill_every_mutant_of_a_small_function() -> None:
    source = (
        "def grade(points, late):\n    if late and points > 10:\n        points -= 5\n    return points * 2\n"
    )

    def answers(text: bytes) -> list[int]:
        names: dict[str, object] = {}
        exec(compile(text, "m", "exec"), names)
        grade = names["grade"]
        assert callable(grade)
        return [grade(points, late) for points in (0, 10, 11, 20) for late in (True, False)]

    right = answers(source.encode())
    found = all_of(source)

    assert len(found) >= 10
    assert [it for it in found if answers(it.content) == right] == []


def test_a_projects_odd_escapes_are_no_warnings_of_ours() -> None:
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        assert all_of("x = '\\d' + y\nz = 1 is 1\n")

    assert heard == []


SCRIPT = """\
import { a } from 'a < b';
const re = /"[/]" && x/g; // a < b && "c"
/* a < b
 && c */
const t = `a < ${b ? '}' : "x"} && c`;
class A extends B {
  run(x) {
    if (x < 10 && !this.done) {
      this.count += 1;
      this.tell('done');
    }
    throw new Error('too big: 10');
    console.log(x + 1);
    const quotient = x / 2 / this.n;
    return x === 3;
  }
}
"""


def test_scripts_are_edited_by_their_tokens() -> None:
    assert edits(SCRIPT, "src/a.mjs") == {
        ("boundary", "if (x <= 10 && !this.done) {"),
        ("comparison negated", "if (x >= 10 && !this.done) {"),
        ("constant", "if (x < 11 && !this.done) {"),
        ("and/or", "if (x < 10 || !this.done) {"),
        ("not removed", "if (x < 10 && this.done) {"),
        ("condition true", "if (true) {"),
        ("condition false", "if (false) {"),
        ("arithmetic", "this.count -= 1;"),
        ("constant", "this.count += 2;"),
        ("statement removed", ";"),
        ("constant", "this.tell('XX');"),
        ("raise removed", ";"),
        ("arithmetic", "const quotient = x * 2 / this.n;"),
        ("arithmetic", "const quotient = x / 2 * this.n;"),
        ("constant", "const quotient = x / 3 / this.n;"),
        ("comparison negated", "return x !== 3;"),
        ("constant", "return x === 4;"),
        ("return value", "return undefined;"),
    }


@pytest.mark.parametrize(
    ("path", "source", "expected"),
    [
        ("a.go", "if n <= 3 && ok {\n\ts := `a < 1`\n\tr := '\"'\n\tuse(s, r)\n}\n",
         {("boundary", "if n < 3 && ok {"), ("comparison negated", "if n > 3 && ok {"), ("and/or", "if n <= 3 || ok {"),
          ("constant", "if n <= 4 && ok {")}),
        ("A.java", 'List<Map<String, Integer>> x = f(a);\nString s = """\n  a < 1 "\n  """;\nboolean b = true;\n',
         {("constant", "boolean b = false;")}),
        ("a.c", '#define LESS(a) (a < \\\n  1)\nchar *p = f(q);\nif (n > 1) p = 0;\n',
         {("boundary", "if (n >= 1) p = 0;"), ("comparison negated", "if (n <= 1) p = 0;"), ("constant", "if (n > 2) p = 0;"),
          ("constant", "if (n > 1) p = 1;"), ("condition true", "if (1) p = 0;"), ("condition false", "if (0) p = 0;")}),
        ("a.rs", "#[cfg(feature = \"a\")]\nfn f<'a>(x: &'a str) -> Vec<u8> {\n    let c = '\"';\n    let s = r#\"a \" < 1\"#;\n"
                 "    let g = || x;\n    let k = a - 1;\n    vec![]\n}\n",
         {("arithmetic", "let k = a + 1;"), ("constant", "let k = a - 2;")}),
        ("a.rb", "# it's < 1\nx = a / b\ny = list =~ /'a < 1/\nz = true\n",
         {("arithmetic", "x = a * b"), ("constant", "z = false")}),
    ],
)  # fmt: skip
def test_other_languages_keep_their_strings_comments_and_types(
    path: str, source: str, expected: set[tuple[str, str]]
) -> None:
    assert edits(source, path) == expected


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("a.js", "const a = `${`b`}`;\nlet x = 1 + 2;\n"),
        ("a.js", "let x = 1 + 2; /* never closed\n"),
        ("a.js", "let x = 'never closed\nlet y = 1 + 2;\n"),
        ("a.rs", "/* one /* two */ */ let x = 1 + 2;\n"),
        ("a.rb", "x = <<~END\n  1 + 2\nEND\n"),
        ("a.rb", "x = %w[1 + 2]\n"),
    ],
)
def test_a_scanner_that_may_have_lost_its_way_gives_nothing(path: str, source: str) -> None:
    assert all_of(source, path) == ()


PATHS = st.sampled_from(["m.py", "m.js", "m.ts", "m.go", "M.java", "m.c", "m.rs", "m.rb", "m.txt", "m"])
PIECES = st.sampled_from(
    [
        "def f(a, b=1):\n", "    ", "\n", "\r\n", "\r", "return a\n", "a < b", "not ", " and ", "if a:\n", "(", ")", "'é'",
        '"', "'", "`", "/", "/*", "*/", "#", "{", "}", "${", "x = 1\n", "x += -1\n", "raise X\n", ";", "\\", "\t", "\0",
        "# coding: latin-1\n", "\ufeff", "r#\"", '"""', "=begin\n", "<<~A\n", "while a:\n", "f'{a}'", "match a:\n", "yield",
        "case 1 if a:\n", "lambda: 0", ":=", "[a for a in b if c]", "async ", "await f()\n", "@d\n", "class A(B, c=1):\n",
    ]
)  # fmt: skip
CODE = st.lists(PIECES, max_size=30).map(lambda pieces: "".join(pieces).encode())


@STEADY
@given(
    PATHS, st.one_of(st.binary(max_size=200), CODE), st.frozensets(st.integers(-2, 40)), st.text(max_size=5)
)
@example("m.py", b"def f():\n    if 1if 2else 3:return\n", frozenset({2}), "")
@example("m.py", b"# coding: punycode\nx = 1\n", frozenset({2}), "")
def test_whatever_the_bytes_the_answer_is_mutants_of_those_lines(
    path: str, source: bytes, lines: frozenset[int], seed: str
) -> None:
    found = mutants(path, source, lines, seed=seed, most=6)

    assert found == mutants(path, source, lines, seed=seed, most=6)
    assert len({it.content for it in found} | {source}) == len(found) + 1 <= 7
    for it in found:
        assert it.path == path
        assert it.line in lines
        if path == "m.py":
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                compile(it.content, "m", "exec", dont_inherit=True)


def test_of_very_many_changed_lines_some_are_drawn() -> None:
    source = b"".join(b"x%d = %d\n" % (n, n) for n in range(6000))

    found = mutants("m.py", source, every_line(source), seed="s", most=4)

    assert len({it.line for it in found}) == 4
    assert mutants("m.py", b"x = 1\n", every_line(source), seed="s") != ()
    assert found == mutants("m.py", source, every_line(source), seed="s", most=4)


def test_a_part_of_a_change_is_taken_back_by_itself() -> None:
    before = b"def f(a):\n    return a\n\n\ndef g(a):\n    return a\n"
    after = b"def f(a):\n    return a + 1\n\n\ndef g(a):\n    return a + 2\n"

    found = list(reverts("m.py", before, after, frozenset({2, 6})))

    assert [(it.line, it.operator) for it in found] == [(2, "change taken back"), (6, "change taken back")]
    assert found[0].content == after.replace(b"a + 1", b"a")
    assert found[1].content == after.replace(b"a + 2", b"a")


def test_a_part_without_statements_is_not_taken_back() -> None:
    after = b"# what it does\ndef f(a):\n    return a + 1\n"

    found = list(reverts("m.py", b"# old\ndef f(a):\n    return a\n", after, frozenset({3})))

    assert [it.line for it in found] == [3]


def test_lines_that_are_gone_are_put_back() -> None:
    before, after = b"a()\nb()\nc()\n", b"a()\nc()\n"

    assert [it.content for it in reverts("m.py", before, after, frozenset({2}))] == [before]


def test_what_tests_are_about_is_told_by_the_names_in_them() -> None:
    tests = ["from shop.cart import total\n\ndef test_total():\n    assert total([]) == 0\n"]
    sources = {"shop/cart.py": b"def total(a):\n    return sum(a)\n\n\ndef other():\n    return 1\n"}

    assert likely(tests, ["shop/cart.py", "shop/orders.py"]) == ("shop/cart.py",)
    assert named_lines(tests, sources) == {"shop/cart.py": frozenset({1, 2})}
    assert named_lines(["cart"], {"cart.js": b"a\nb\n"}) == {"cart.js": frozenset({1, 2, 3})}
    assert named_lines(tests, {"broken.py": b"def (:\n"}) == {}


def test_a_call_on_a_private_field_can_be_removed() -> None:
    source = "class A {\n  f(key) {\n    this.#rows.delete(key);\n  }\n}\n"

    assert edits(source, "a.js") == {("statement removed", ";")}
