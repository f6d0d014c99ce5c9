import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "py"))

import depot
from depot import Item, Ledger, Quantity, Stock, schema, stock, units
from depot.units import convert, parse

ENV = {k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "NODE_"))}
ENV |= {"PYTHONDONTWRITEBYTECODE": "1", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def run(*argv, cwd=ROOT):
    return subprocess.run(argv, cwd=cwd, env=ENV, capture_output=True, text=True, timeout=60)


def own_py(cwd=ROOT, *more):
    return run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *more, "py", cwd=cwd)


def own_web():
    return run("node", "--test", *sorted(str(p) for p in (ROOT / "web/test").glob("*.test.js")))


def js(body):
    """What the body returns; each expression that throws counts as its error's name."""
    code = f"""
import * as units from '{(ROOT / "web/src/units.js").as_uri()}';
import * as view from '{(ROOT / "web/src/view.js").as_uri()}';
import * as schema from '{(ROOT / "web/src/schema.js").as_uri()}';
const tried = (f) => {{ try {{ return f(); }} catch (e) {{ return e.constructor.name; }} }};
const main = () => {{ {body} }};
process.stdout.write(JSON.stringify(main()));
"""
    done = run("node", "--input-type=module", "-e", code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def shelf():
    return Stock(
        [
            Item("FL-001", "flour", parse("10 kg"), reorder_at=parse("4 kg")),
            Item("OI-001", "oil", parse("3 l")),
            Item("EG-001", "eggs", parse("5 dozen"), reorder_at=parse("5 dozen")),
        ]
    )


def row(**more):
    return {"id": 1, "sku": "AB-001", "amount": 2, "unit": "kg", "until": 9, **more}


import shutil

SOURCE = (ROOT / "py/depot/reservations.py").read_text()
ISSUE = "        self.stock.issue(entry.sku, entry.quantity)\n"
CLOSE = "        del self._open[id]\n\n"
OVER = "        if entry.until <= now:\n            raise ValueError(f\"reservation {id} is over\")\n"
FAULTS = {
    "commit takes nothing": (ISSUE, ""),
    "commit takes twice": (ISSUE, ISSUE * 2),
    "commit stays open": (CLOSE, "\n"),
    "until itself": ("entry.until <= now:\n            raise", "entry.until < now:\n            raise"),
    "never over": (OVER, ""),
    "always over": ("        if entry.until <= now:\n            raise", "        if entry:\n            raise"),
    "taken before it is looked at": (OVER + ISSUE, ISSUE + OVER),
    "dropped when over": (
        "            raise ValueError(f\"reservation {id} is over\")",
        "            del self._open[id]\n            raise ValueError(f\"reservation {id} is over\")",
    ),
    "another error": ("raise ValueError(f\"reservation {id} is over\")", "raise KeyError(id)"),
    "release keeps": ("self._open.pop(id)", "self._open[id]"),
    "release of nothing": ("            raise UnknownReservation(id) from None\n", "            return None\n"),
}


def test_code_is_as_it_was():
    assert "self.stock.issue(entry.sku, entry.quantity)" in SOURCE and OVER in SOURCE


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_is_found(fault, tmp_path):
    old, new = FAULTS[fault]
    assert SOURCE.count(old) == 1
    for name in ("py", "shared"):
        shutil.copytree(ROOT / name, tmp_path / name)
    (tmp_path / "py/depot/reservations.py").write_text(SOURCE.replace(old, new))
    done = own_py(tmp_path, "-x")
    assert done.returncode == 1, fault


def test_own_checks():
    done = own_py()
    assert done.returncode == 0, done.stdout
    done = own_web()
    assert done.returncode == 0, done.stdout


def test_units_as_before():
    for text, amount, unit in [("2.5 kg", "2.5", "kg"), ("12pcs", "12", "pcs"), (" -3 l ", "-3", "l"), ("1200 g", "1200", "g")]:
        assert parse(text) == Quantity(Decimal(amount), unit)
    for text in ["", "kg", "2 stone", "1.2.3 g", "1 KG", "1. g", ".5 g", "1 2 g", "1 g g"]:
        with pytest.raises(depot.UnitError):
            parse(text)
    assert convert(parse("3 gross"), "dozen") == parse("36 dozen")
    assert convert(parse("0.1 kg"), "mg").amount == 100000
    with pytest.raises(depot.IncompatibleUnits):
        convert(parse("1 kg"), "l")
    with pytest.raises(depot.UnknownUnit):
        convert(parse("1 kg"), "stone")
    assert [str(parse(t)) for t in ("2.50 kg", "100 g")] == ["2.5 kg", "100 g"]
    table = json.loads((ROOT / "shared/units.json").read_text())
    assert {d: t["units"] for d, t in table.items()} == {
        "mass": {"mg": "0.001", "g": "1", "kg": "1000", "t": "1000000"},
        "volume": {"ml": "1", "cl": "10", "l": "1000"},
        "count": {"pcs": "1", "dozen": "12", "gross": "144"},
    }


def test_stock_as_before():
    shop = shelf()
    assert str(shop.receive("FL-001", parse("500 g")).on_hand) == "10.5 kg"
    assert str(shop.issue("EG-001", parse("18 pcs")).on_hand) == "3.5 dozen"
    with pytest.raises(ValueError, match="only 3 l"):
        shop.issue("OI-001", parse("3001 ml"))
    assert str(shop.issue("OI-001", parse("3 l")).on_hand) == "0 l"
    with pytest.raises(depot.IncompatibleUnits):
        shop.receive("OI-001", parse("1 kg"))
    with pytest.raises(depot.UnknownItem):
        shop.issue("XX-001", parse("1 kg"))
    assert shop.low() == ["EG-001"]
    assert [str(shop.total(u)) for u in ("g", "pcs", "cl")] == ["10500 g", "42 pcs", "0 cl"]
    assert str(shelf().total("t")) == "0.01 t"
    with pytest.raises(depot.UnknownUnit):
        shop.total("stone")
    loaded = stock.load([{"sku": "FL-001", "name": "flour", "on_hand": "5 kg", "reorder_at": "6 kg", "tags": ["dry"]}])
    assert (loaded["FL-001"].tags, loaded.low()) == (("dry",), ["FL-001"])
    for bad in ({"name": ""}, {"sku": "x"}, {"on_hand": 5}, {"on_hand": "5 stone"}, {"more": 1}):
        with pytest.raises(ValueError):
            stock.load([{"sku": "FL-001", "name": "flour", "on_hand": "5 kg", **bad}])


def test_ledger_as_before():
    book = Ledger(shelf())
    assert book.reserve("FL-001", parse("4000 g"), now=0, until=100).id == 1
    assert book.reserve("FL-001", parse("6 kg"), now=0, until=50).id == 2
    assert str(book.held("FL-001", 0)) == "10 kg"
    assert str(book.available("FL-001", 0)) == "0 kg"
    assert str(book.available("OI-001", 0)) == "3 l"
    with pytest.raises(depot.NotEnough):
        book.reserve("FL-001", parse("1 mg"), now=0, until=100)
    with pytest.raises(depot.IncompatibleUnits):
        book.reserve("FL-001", parse("1 l"), now=0, until=100)
    with pytest.raises(depot.UnknownUnit):
        book.reserve("FL-001", Quantity(Decimal(1), "stone"), now=0, until=100)
    with pytest.raises(depot.UnknownItem):
        book.reserve("XX-001", parse("1 l"), now=0, until=100)
    assert len(book) == 2
    with pytest.raises(ValueError, match="over"):
        book.commit(2, now=50)
    assert len(book) == 2
    book.commit(1, now=99)
    assert str(book.stock["FL-001"].on_hand) == "6 kg"
    assert book.expire(49) == []
    assert book.expire(50) == [2]
    for gone in (book.release, lambda id: book.commit(id, now=0)):
        with pytest.raises(depot.UnknownReservation):
            gone(1)
    entry = book.reserve("OI-001", parse("1 l"), now=0, until=100)
    assert (entry.id, book.release(3), len(book)) == (3, entry, 0)


def test_schema_as_before():
    item = schema.load("item")
    reservation = schema.load("reservation")
    values = [
        ("item", {"sku": "AB-001", "name": "x", "on_hand": "1 g", "tags": []}, []),
        ("item", {"sku": "ab1", "name": "", "tags": ["x", 1]}, ["name", "on_hand", "sku", "tags.1"]),
        ("item", [], [""]),
        ("reservation", row(amount=0.5, state="open"), []),
        ("reservation", row(id=0, amount=-1, state="new"), ["amount", "id", "state"]),
        ("reservation", row(id=True, amount="2"), ["amount", "id"]),
    ]
    assert [schema.check(v, {"item": item, "reservation": reservation}[k]) for k, v, _ in values] == [e for *_, e in values]
    pairs = json.dumps([[k, v] for k, v, _ in values])
    assert js(f"return {pairs}.map(([k, v]) => schema.check(v, schema.load(k)));") == [e for *_, e in values]
    assert [schema.check(v, {"minimum": m}) for v, m in [(5, 5), (4, 5), (6, 5), (0, 0)]] == [[], [""], [], []]
    assert js("return [[5, 5], [4, 5], [6, 5], [0, 0]].map(([v, minimum]) => schema.check(v, { minimum }));") == [
        [], [""], [], [],
    ]


def test_web_as_before():
    assert js("""
      const items = [
        { sku: 'FL-001', name: 'flour', on_hand: '1000 g', reorder_at: '4 kg' },
        { sku: 'EG-001', name: 'eggs', on_hand: '5 dozen' },
        { sku: 'OI-001', name: 'oil', on_hand: '13 pcs' },
      ];
      const open = [
        { id: 1, sku: 'EG-001', amount: 60, unit: 'pcs', until: 100 },
        { id: 2, sku: 'FL-001', amount: 9, unit: 'kg', until: 50 },
        { id: 3, sku: 'FL-001', amount: 9, unit: 'kg', until: 90, state: 'done' },
      ];
      const list = view.rows(items, open, 50);
      return [list.map((r) => [r.name, r.onHand, r.free, r.status].join()), view.summary(list)];
    """) == [["eggs,5 dozen,0 dozen,out", "flour,1000 g,1000 g,low", "oil,13 pcs,13 pcs,ok"], {"ok": 1, "low": 1, "out": 1}]
    assert js("""return ['2.5 kg', ' -3l ', '1200 g', 'kg', '2 stone', '1.2.3 g', '1 KG', '.5 g'].map((t) =>
      tried(() => units.format(units.parse(t))));""") == [
        "2.5 kg", "-3 l", "1200 g", *["UnitError"] * 5,
    ]
    assert js("return tried(() => units.convert({ amount: 1, unit: 'kg' }, 'l'));") == "UnitError"
    assert js("return units.convert({ amount: 0.3, unit: 'gross' }, 'pcs').amount;") == 43.2
