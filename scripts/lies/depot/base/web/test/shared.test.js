import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { check, load } from '../src/schema.js';
import { convert, format, parse, shared, siblings, UnitError } from '../src/units.js';
import { isLow } from '../src/view.js';

/** The rows of one kind from all files in shared/cases. */
function loadCases(kind) {
  const folder = new URL('cases/', shared);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
    .filter((row) => row.kind === kind);
}

test('parse cases', () => {
  for (const { text, amount, unit, error } of loadCases('parse')) {
    if (error) assert.throws(() => parse(text), UnitError, text);
    else assert.deepEqual(parse(text), { amount: Number(amount), unit }, text);
  }
});

test('convert cases', () => {
  for (const { from, to, amount } of loadCases('convert')) {
    assert.equal(convert(parse(from), to).amount, Number(amount));
  }
});

test('low cases', () => {
  for (const row of loadCases('low')) assert.equal(isLow(row), row.low);
});

for (const kind of ['item', 'reservation']) {
  test(`${kind} cases`, () => {
    for (const { value, errors } of loadCases(kind)) {
      assert.deepEqual(check(value, load(kind)), errors);
    }
  });
}

test('null is no object', () => {
  assert.deepEqual(check(null, { type: 'object' }), ['']);
});

test('convert within one dimension', () => {
  assert.throws(() => convert(parse('1 kg'), 'l'), UnitError);
});

test('format', () => {
  assert.equal(format({ amount: 0.1 + 0.2, unit: 'kg' }), '0.3 kg');
});

test('siblings', () => {
  assert.deepEqual(siblings('kg'), ['mg', 'g', 'kg', 't']);
});
