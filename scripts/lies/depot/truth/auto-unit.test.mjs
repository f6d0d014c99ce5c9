import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import { convert, format, parse, siblings, UnitError } from './web/src/units.js';
import { rows } from './web/src/view.js';

const cwd = new URL('.', import.meta.url).pathname;
const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
const auto = (text) => format(parse(text), { auto: true });

test('picks the largest that is not below one', () => {
  for (const [text, expect] of [
    ['1500 g', '1.5 kg'], ['1000 g', '1 kg'], ['999 g', '999 g'], ['0.25 kg', '250 g'], ['2500000 g', '2.5 t'],
    ['0.5 g', '500 mg'], ['1 g', '1 g'], ['0.001 t', '1 kg'], ['0.0000025 t', '2.5 g'], ['1 kg', '1 kg'],
    ['50 ml', '5 cl'], ['0.5 l', '50 cl'], ['1250 ml', '1.25 l'], ['9 ml', '9 ml'],
  ]) assert.equal(auto(text), expect, text);
});

test('below one in all of them', () => {
  assert.equal(auto('0.5 mg'), '0.5 mg');
  assert.equal(auto('0.0005 g'), '0.5 mg');
  assert.equal(auto('0.0001 l'), '0.1 ml');
});

test('signs and zero', () => {
  assert.equal(auto('-1500 g'), '-1.5 kg');
  assert.equal(auto('-0.25 kg'), '-250 g');
  assert.equal(auto('-24 pcs'), '-2 dozen');
  assert.equal(auto('0 kg'), '0 kg');
  assert.equal(auto('0 pcs'), '0 pcs');
  assert.equal(auto('0 t'), '0 t');
});

test('counts stay whole', () => {
  for (const [text, expect] of [
    ['13 pcs', '13 pcs'], ['12 pcs', '1 dozen'], ['60 pcs', '5 dozen'], ['144 pcs', '1 gross'], ['156 pcs', '13 dozen'],
    ['145 pcs', '145 pcs'], ['12 dozen', '1 gross'], ['18 dozen', '18 dozen'], ['0.5 dozen', '6 pcs'], ['5 dozen', '5 dozen'],
    ['288 pcs', '2 gross'],
  ]) assert.equal(auto(text), expect, text);
});

test('without the option', () => {
  for (const options of [undefined, {}, { auto: false }]) {
    assert.equal(format({ amount: 1500, unit: 'g' }, options), '1500 g');
    assert.equal(format({ amount: 0.1 + 0.2, unit: 'kg' }, options), '0.3 kg');
  }
  const items = [{ sku: 'A', name: 'a', on_hand: '1500 g' }, { sku: 'B', name: 'b', on_hand: '24 pcs' }];
  assert.deepEqual(rows(items, [], 0).map((row) => [row.onHand, row.free]), [['1500 g', '1500 g'], ['24 pcs', '24 pcs']]);
  const quantity = Object.freeze({ amount: 1500, unit: 'g' });
  format(quantity, { auto: true });
  assert.throws(() => format({ amount: 1, unit: 'stone' }, { auto: true }), UnitError);
});

test('the rest as before', () => {
  assert.deepEqual(siblings('kg'), ['mg', 'g', 'kg', 't']);
  assert.deepEqual(siblings('dozen'), ['pcs', 'dozen', 'gross']);
  assert.deepEqual(convert({ amount: 1, unit: 'g' }, 't'), { amount: 0.000001, unit: 't' });
  assert.throws(() => convert({ amount: 1, unit: 'g' }, 'l'), UnitError);
  assert.throws(() => parse('1 stone'), UnitError);
  const files = readdirSync(`${cwd}web/test`).filter((name) => name.endsWith('.test.js'));
  assert.ok(files.length >= 2);
  const own = spawnSync(process.execPath, ['--test', ...files.map((name) => `web/test/${name}`)], { cwd, env, encoding: 'utf8' });
  assert.equal(own.status, 0, own.stdout);
  for (const title of ['format', 'siblings', 'rows', 'summary', 'held', 'parse cases', 'low cases']) {
    assert.match(own.stdout, new RegExp(`[Ss]ubtest: ${title}\\n *ok|\u2714 ${title} `), title);
  }
});
