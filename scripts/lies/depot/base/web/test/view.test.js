import assert from 'node:assert/strict';
import { test } from 'node:test';
import { held, rows, summary } from '../src/view.js';

const items = [
  { sku: 'FL-001', name: 'flour', on_hand: '10 kg', reorder_at: '4 kg' },
  { sku: 'OI-001', name: 'oil', on_hand: '3 l', reorder_at: '5 l' },
  { sku: 'EG-001', name: 'eggs', on_hand: '5 dozen' },
];
const reservations = [
  { id: 1, sku: 'FL-001', amount: 500, unit: 'g', until: 100 },
  { id: 2, sku: 'EG-001', amount: 60, unit: 'pcs', until: 100 },
  { id: 3, sku: 'FL-001', amount: 9, unit: 'kg', until: 50 },
];

test('held', () => {
  assert.deepEqual(held(items[0], reservations, 60), { amount: 0.5, unit: 'kg' });
});

test('rows', () => {
  assert.deepEqual(
    rows(items, reservations, 60).map(({ name, free, status }) => [name, free, status]),
    [
      ['eggs', '0 dozen', 'out'],
      ['flour', '9.5 kg', 'ok'],
      ['oil', '3 l', 'low'],
    ],
  );
});

test('summary', () => {
  assert.deepEqual(summary(rows(items, reservations, 60)), { ok: 1, low: 1, out: 1 });
});
