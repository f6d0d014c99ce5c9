import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catchErrors, compose, NotFound, timing, when } from '#waypoint';
import { fakeClock } from './helpers.js';

describe('compose', () => {
  it('runs in order and back', async () => {
    const seen = [];
    const mark = (name) => async (ctx, next) => {
      seen.push(`>${name}`);
      const result = await next();
      seen.push(`<${name}`);
      return result;
    };
    const result = await compose([mark('a'), mark('b')])({}, () => 'end');
    assert.deepEqual(seen, ['>a', '>b', '<b', '<a']);
    assert.equal(result, 'end');
  });

  it('minds a second next()', async () => {
    const twice = async (ctx, next) => {
      await next();
      await next();
    };
    await assert.rejects(compose([twice])({}), /twice/);
  });

  it('wants functions', () => {
    assert.throws(() => compose(['x']), TypeError);
  });
});

describe('when', () => {
  it('is skipped where the test fails', async () => {
    const run = compose([when((ctx) => ctx.on, () => 'inner')]);
    assert.equal(await run({ on: true }, () => 'outer'), 'inner');
    assert.equal(await run({ on: false }, () => 'outer'), 'outer');
  });
});

describe('catchErrors', () => {
  it('answers with the status of the error', async () => {
    const run = compose([catchErrors()]);
    const answer = await run({}, () => {
      throw new NotFound('/x');
    });
    assert.deepEqual(answer, { status: 404, body: 'nothing at /x' });
  });

  it('hides and logs what it does not know', async () => {
    const logged = [];
    const run = compose([catchErrors({ log: (error) => logged.push(error.message) })]);
    const answer = await run({}, () => {
      throw new Error('secret');
    });
    assert.equal(answer.status, 500);
    assert.ok(!answer.body.includes('secret'));
    assert.deepEqual(logged, ['secret']);
  });
});

describe('timing', () => {
  it('measures', async () => {
    const now = fakeClock();
    const ctx = { state: {} };
    await compose([timing({ now })])(ctx, () => now.tick(12));
    assert.equal(ctx.state.elapsed, 12);
  });
});
