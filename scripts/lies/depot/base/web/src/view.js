// What the page shows of the stock.
import { convert, format, parse, round } from './units.js';

/** What is reserved of an item at a time, in the unit of its stock. */
export function held(item, reservations, now) {
  const { unit } = parse(item.on_hand);
  let amount = 0;
  for (const entry of reservations) {
    if (entry.sku !== item.sku || entry.state === 'done' || entry.until <= now) continue;
    amount += convert({ amount: entry.amount, unit: entry.unit }, unit).amount;
  }
  return { amount: round(amount), unit };
}

export function isLow(item) {
  if (!item.reorder_at) return false;
  const onHand = parse(item.on_hand);
  return onHand.amount <= convert(parse(item.reorder_at), onHand.unit).amount;
}

function status(item, free) {
  if (free.amount <= 0) return 'out';
  return isLow(item) ? 'low' : 'ok';
}

/** One row for each item, by name; those that are out come first. */
export function rows(items, reservations, now) {
  return items
    .map((item) => {
      const onHand = parse(item.on_hand);
      const reserved = held(item, reservations, now);
      const free = { amount: onHand.amount - reserved.amount, unit: onHand.unit };
      return {
        sku: item.sku,
        name: item.name,
        onHand: format(onHand),
        free: format(free),
        status: status(item, free),
      };
    })
    .sort((a, b) => (b.status === 'out') - (a.status === 'out') || a.name.localeCompare(b.name));
}

export function summary(list) {
  const counts = { ok: 0, low: 0, out: 0 };
  for (const row of list) counts[row.status] += 1;
  return counts;
}
