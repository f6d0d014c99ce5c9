import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LRU } from '#waypoint';
import { fakeClock, loadCases } from './helpers.js';

describe('LRU', () => {
  it('goes through the cases', () => {
    for (const { title, steps, keys } of loadCases('lru')) {
      const cache = new LRU({ max: 2 });
      for (const [name, ...args] of steps) cache[name](...args);
      assert.deepEqual(cache.keys(), keys, title);
    }
  });

  it('gives back what was set', () => {
    const cache = new LRU({ max: 2 }).set('a', 1);
    assert.equal(cache.get('a'), 1);
    assert.equal(cache.get('b'), undefined);
    assert.equal(cache.size, 1);
  });

  it('forgets after the ttl', () => {
    const now = fakeClock();
    const cache = new LRU({ ttl: 50, now }).set('a', 1);
    now.tick(49);
    assert.equal(cache.get('a'), 1);
    now.tick(1);
    assert.equal(cache.get('a'), undefined);
    assert.equal(cache.size, 0);
  });

  it('tells what it evicts', () => {
    const gone = [];
    const cache = new LRU({ max: 1, onEvict: (key, value) => gone.push([key, value]) });
    cache.set('a', 1).set('b', 2);
    assert.deepEqual(gone, [['a', 1]]);
  });

  it('wants a sensible size', () => {
    assert.throws(() => new LRU({ max: 0 }), RangeError);
  });
});
