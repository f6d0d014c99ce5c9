// Units and quantities. The table is shared with the Python half.
import { readFileSync } from 'node:fs';

export const shared = new URL('../../shared/', import.meta.url);
const dimensions = JSON.parse(readFileSync(new URL('units.json', shared), 'utf8'));

const factors = new Map();
for (const [dimension, table] of Object.entries(dimensions)) {
  for (const [unit, factor] of Object.entries(table.units)) {
    factors.set(unit, { dimension, factor: Number(factor) });
  }
}

const QUANTITY = /^(-?\d+(?:\.\d+)?)\s*([a-z]+)$/;

export class UnitError extends Error {}

/** Six digits are enough, and hide what binary fractions add. */
export function round(amount) {
  return Number(amount.toFixed(6));
}

function lookup(unit) {
  const found = factors.get(unit);
  if (!found) throw new UnitError(`unknown unit: ${unit}`);
  return found;
}

export function parse(text) {
  const found = QUANTITY.exec(text.trim());
  if (!found) throw new UnitError(`not a quantity: ${text}`);
  const [, amount, unit] = found;
  lookup(unit);
  return { amount: Number(amount), unit };
}

export function convert(quantity, unit) {
  const from = lookup(quantity.unit);
  const to = lookup(unit);
  if (from.dimension !== to.dimension) {
    throw new UnitError(`${quantity.unit} is ${from.dimension}, ${unit} is ${to.dimension}`);
  }
  return { amount: round((quantity.amount * from.factor) / to.factor), unit };
}

export function format({ amount, unit }) {
  return `${round(amount)} ${unit}`;
}

/** The units of the same dimension, the smallest first. */
export function siblings(unit) {
  const { dimension } = lookup(unit);
  return [...factors]
    .filter(([, entry]) => entry.dimension === dimension)
    .sort((a, b) => a[1].factor - b[1].factor)
    .map(([name]) => name);
}
