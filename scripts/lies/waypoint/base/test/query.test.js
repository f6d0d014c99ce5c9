import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BadRequest, parseQuery, stringifyQuery } from '#waypoint';
import { loadCases } from './helpers.js';

describe('parseQuery', () => {
  it('reads the cases', () => {
    for (const { text, expect } of loadCases('query')) {
      assert.deepEqual(parseQuery(text), expect, text);
    }
  });

  it('decodes names and values', () => {
    assert.deepEqual(parseQuery('na%20me=caf%C3%A9'), { 'na me': 'caf\u00e9' });
  });

  it('refuses what cannot be decoded', () => {
    assert.throws(() => parseQuery('a=%zz'), BadRequest);
  });

  it('has a limit', () => {
    assert.throws(() => parseQuery('a&b&c', { limit: 2 }), { status: 400 });
  });

  it('leaves prototypes alone', () => {
    assert.deepEqual(parseQuery('__proto__=1'), {});
  });
});

describe('stringifyQuery', () => {
  it('writes pairs', () => {
    assert.equal(stringifyQuery({ a: 1, b: 'x' }), 'a=1&b=x');
  });

  it('leaves null out', () => {
    assert.equal(stringifyQuery({ a: null, b: 2 }), 'b=2');
  });
});
