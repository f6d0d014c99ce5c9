import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { compile } from '#waypoint';
import { loadCases } from './helpers.js';

describe('match', () => {
  it('fits the cases', () => {
    for (const { pattern, path, expect } of loadCases('pattern')) {
      assert.deepEqual(compile(pattern).match(path), expect, `${pattern} ${path}`);
    }
  });

  it('can mind the case', () => {
    assert.equal(compile('/users', { sensitive: true }).match('/Users'), null);
  });
});

describe('compile', () => {
  it('refuses bad patterns', () => {
    assert.throws(() => compile('/:9'), TypeError);
    assert.throws(() => compile('/*rest/more'), /must be the last/);
    assert.throws(() => compile('/:a/:a'), /used twice/);
  });
});

describe('build', () => {
  it('fills in the params', () => {
    assert.equal(compile('/users/:id/posts').build({ id: 7 }), '/users/7/posts');
    assert.equal(compile('/f/*path').build({ path: 'a b/c' }), '/f/a%20b/c');
  });

  it('misses a param', () => {
    assert.throws(() => compile('/users/:id').build(), /"id" is missing/);
  });
});
