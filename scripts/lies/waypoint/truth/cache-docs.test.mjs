import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import * as lib from './src/index.js';

const { LRU, Router, catchErrors, compile, compose, parseQuery, stringifyQuery } = lib;
const read = (path) => readFileSync(new URL(path, import.meta.url), 'utf8');
const cwd = new URL('.', import.meta.url).pathname;
const { NODE_TEST_CONTEXT, NODE_OPTIONS, ...env } = process.env;
const node = (...args) => spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8' });
const ask = (app, method, url) => app.handle({ method, url });

test('the section is right', () => {
  const section = /^## Cache\n([^]*?)(?=^## )/m.exec(read('./README.md'))[1];
  assert.match(section, /\b500\b/);
  assert.doesNotMatch(section, /\b100\b/);
  assert.match(section, /millisecond|\bms\b/);
  assert.match(section, /\b60[ _,]?000\b|60 seconds|a minute|one minute/);
  const example = /ttl: ([\d_]+)/.exec(section)?.[1].replaceAll('_', '');
  if (example) {
    const shown = Number(example);
    for (const [, amount, unit] of section.matchAll(/(\d+) (seconds|ms|milliseconds) each/g)) {
      const ms = Number(amount) * (unit === 'seconds' ? 1000 : 1);
      assert.ok(ms === shown || ms === 60_000, `${amount} ${unit}`);
    }
  }
  assert.doesNotMatch(section, /ttl[^.]*\bin seconds\b/i);
  assert.match(section, /cache: false/);
  assert.match(section, /longest time/);
});

test('the code is as it was', () => {
  const lru = read('./src/lru.js');
  assert.match(lru, /max = 500, ttl = 0/);
  assert.match(read('./src/router.js'), /new LRU\(\{ ttl: 60_000, \.\.\.cache \}\)/);
  for (const title of ['Patterns', 'Queries', 'Deprecated']) {
    assert.match(read('./README.md'), new RegExp(`^## ${title}$`, 'm'));
  }
});

test('own checks pass', () => {
  const files = readdirSync(`${cwd}test`).filter((name) => name.endsWith('.test.js'));
  assert.ok(files.length > 0);
  const own = node('--test', ...files.map((name) => `test/${name}`));
  assert.equal(own.status, 0, own.stdout);
  const lint = node('scripts/lint.mjs');
  assert.equal(lint.status, 0, lint.stdout);
});

test('queries as before', () => {
  assert.deepEqual(parseQuery('?a=1&a=2&b[]=3&flag&e=%C3%A9&s=x%20y+z'), {
    a: ['1', '2'], b: ['3'], flag: '', e: '\u00e9', s: 'x y z',
  });
  assert.deepEqual(parseQuery('a=b=c&%5B%5D=1&=2'), { a: 'b=c' });
  assert.throws(() => parseQuery('a=%zz'), { status: 400 });
  assert.throws(() => parseQuery('%zz'), { status: 400 });
  assert.throws(() => parseQuery('a&b&c', { limit: 2 }), { status: 400 });
  assert.deepEqual(parseQuery('a&b', { limit: 2 }), { a: '', b: '' });
  assert.equal(stringifyQuery({ z: [1, null, 2], u: undefined, n: null, e: '', f: false, o: 0 }),
    'z=1&z=2&e&f=false&o=0');
  assert.equal(stringifyQuery({ b: 'x y', a: '+' }, { sort: true }), 'a=%2B&b=x+y');
});

test('patterns as before', () => {
  assert.deepEqual(compile('/a/:b/*c').match('/A/1%2F2/x//y'), { b: '1/2', c: 'x/y' });
  assert.equal(compile('/a/:b').match('/a'), null);
  assert.equal(compile('/a/:b').match('/a/1/2'), null);
  assert.equal(compile('/a/:b(\\d+)').match('/a/1x'), null);
  assert.deepEqual(compile('/a/:b(\\d+)').match('/a/12'), { b: '12' });
  assert.equal(compile('/a', { sensitive: true }).match('/A'), null);
  assert.throws(() => compile('/:b').match('/%zz'), { status: 400 });
  assert.throws(() => compile('/:b').build({ b: null }), TypeError);
  assert.throws(() => compile('/:b').build({}), TypeError);
  assert.throws(() => compile('/:b(\\d+)').build({ b: 'x' }), TypeError);
  assert.equal(compile('/:b(\\d+)/c').build({ b: 0 }), '/0/c');
  for (const bad of ['/:9', '/*a/b', '/:a/:a']) assert.throws(() => compile(bad), TypeError);
});

test('cache as before', () => {
  let time = 0;
  const gone = [];
  const cache = new LRU({ max: 2, ttl: 10, now: () => time, onEvict: (key, v) => gone.push([key, v]) });
  cache.set('a', undefined).set('b', 0).set('c', null);
  assert.deepEqual(cache.keys(), ['b', 'c']);
  assert.deepEqual(gone, [['a', undefined]]);
  assert.equal(cache.get('b'), 0);
  assert.equal(cache.has('c'), true);
  assert.equal(cache.delete('c'), true);
  assert.equal(cache.delete('c'), false);
  time = 10;
  assert.equal(cache.has('b'), false);
  assert.deepEqual(cache.keys(), []);
  assert.equal(cache.get('b'), undefined);
  assert.equal(cache.size, 0);
  assert.equal(gone.length, 1);
  cache.set('x', 1);
  cache.clear();
  assert.equal(cache.size, 0);
  for (const max of [0, -1, 1.5]) assert.throws(() => new LRU({ max }), RangeError);
  const plain = new LRU({ max: 501, ttl: 0 });
  for (let i = 0; i < 501; i += 1) plain.set(i, i);
  assert.equal(plain.size, 501);
  const byDefault = new LRU();
  for (let i = 0; i < 600; i += 1) byDefault.set(i, i);
  assert.equal(byDefault.size, 500);
});

test('middleware as before', async () => {
  const run = compose([() => {
    throw new Error('now');
  }]);
  await assert.rejects(run({}), /now/);
  assert.ok(compose([() => 1])({}) instanceof Promise);
  assert.equal(await compose([])({}), undefined);
  assert.equal(await compose([])({}, () => 5), 5);
  const twice = async (ctx, next) => {
    await next();
    return next();
  };
  await assert.rejects(compose([twice])({}, () => 1), /twice/);
  assert.throws(() => compose([1]), TypeError);
  const broken = (thrown, options) => compose([catchErrors(options)])({}, () => {
    throw thrown;
  });
  assert.deepEqual(await broken(new lib.NotFound('/x')), { status: 404, body: 'nothing at /x' });
  assert.deepEqual(await broken(new lib.HttpError(503, 'x')), { status: 503, body: 'error' });
  assert.deepEqual(await broken(new Error('x')), { status: 500, body: 'internal error' });
  assert.deepEqual(await broken(Object.assign(new Error('x'), { status: null })),
    { status: 500, body: 'internal error' });
  assert.deepEqual(await broken(undefined), { status: 500, body: 'internal error' });
});

test('routes as before', async () => {
  const seen = [];
  const app = new Router({ prefix: '/api' });
  app.use((ctx, next) => {
    seen.push(ctx.path);
    return next();
  });
  app.use('/in', (ctx, next) => {
    seen.push('in');
    return next();
  });
  app.get('/in/:x', (ctx, next) => next(), (ctx) => [ctx.params.x, ctx.query.q, ctx.pattern]);
  app.mount('/sub', new Router({ sensitive: true }).post('/P', () => 'posted'));
  assert.deepEqual(await ask(app, 'get', '/api//in/7/?q=1#h'), ['7', '1', '/api/in/:x']);
  assert.deepEqual(seen, ['/api/in/7', 'in']);
  assert.equal(await ask(app, 'POST', '/api/sub/P'), 'posted');
  await assert.rejects(ask(app, 'POST', '/api/sub/p'), { status: 404 });
  await assert.rejects(ask(app, 'GET', '/api/in/%zz'), { status: 400 });
  assert.deepEqual(seen.slice(2), ['/api/sub/P', '/api/sub/p']);
  assert.deepEqual(app.resolve('HEAD', '/api/in/1').params, { x: '1' });
  app.resolve('GET', '/api/in/1').params.x = 'changed';
  assert.equal(app.resolve('GET', '/api/in/1').params.x, '1');
  assert.equal(app.resolve('POST', '/api/in/1'), null);
  assert.equal(app.resolve('GET', '/nowhere'), null);
  app.all('/in/:x', () => 'any');
  assert.equal(await ask(app, 'POST', '/api/in/1'), 'any');
  const again = new Router().get('/a', async (ctx, next) => {
    await next();
    return next();
  });
  await assert.rejects(ask(again, 'GET', '/a'), /twice/);
  assert.equal(await ask(new Router().get('/a', (ctx, next) => next()), 'GET', '/a'), undefined);
  assert.throws(() => app.get('/x'), TypeError);
  assert.throws(() => app.get('/x', 'no'), TypeError);
  await assert.rejects(ask(app, 'GET', '/in/7'), { status: 404 });
  app.name('in', '/in/:x');
  assert.equal(app.url('in', { x: 'a b' }, { p: 1 }), '/api/in/a%20b?p=1');
  assert.throws(() => app.url('out'));
});
