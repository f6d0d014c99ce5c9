import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { catchErrors, NotFound, Router } from '#waypoint';
import { echo, get } from './helpers.js';

describe('routes', () => {
  it('finds the first that fits', async () => {
    const app = new Router().get('/users/me', echo('me')).get('/users/:id', echo('user'));
    assert.equal((await get(app, '/users/me')).name, 'me');
    assert.deepEqual(await get(app, '/users/7?a=1'), {
      name: 'user',
      params: { id: '7' },
      query: { a: '1' },
    });
  });

  it('says not found', async () => {
    const app = new Router().get('/a', echo('a'));
    await assert.rejects(get(app, '/b'), NotFound);
  });

  it('answers HEAD with the GET route', async () => {
    const app = new Router().get('/a', echo('a'));
    assert.equal((await app.handle({ method: 'HEAD', url: '/a' })).name, 'a');
  });

  it('has routes for all methods', async () => {
    const app = new Router().all('/a', echo('a'));
    assert.equal((await app.handle({ method: 'PATCH', url: '/a' })).name, 'a');
  });

  it('notices routes that are added later', async () => {
    const app = new Router().get('/a/:x', echo('old'));
    await get(app, '/a/1');
    assert.equal(app.resolve('POST', '/a/1'), null);
    app.post('/a/:x', echo('new'));
    assert.deepEqual(app.resolve('POST', '/a/1').params, { x: '1' });
  });

  it('hands out params of its own', () => {
    const app = new Router().get('/:x', echo('x'));
    app.resolve('GET', '/1').params.x = 'changed';
    assert.equal(app.resolve('GET', '/1').params.x, '1');
  });

  it('runs several handlers', async () => {
    const app = new Router().get('/', (ctx, next) => next(), echo('second'));
    assert.equal((await get(app, '/')).name, 'second');
  });
});

describe('middleware', () => {
  it('runs below its prefix only', async () => {
    const seen = [];
    const app = new Router().all('/*any', () => 'done');
    app.use('/admin', (ctx, next) => {
      seen.push(ctx.path);
      return next();
    });
    await get(app, '/admin/users');
    await get(app, '/administration');
    assert.deepEqual(seen, ['/admin/users']);
  });

  it('sees errors', async () => {
    const app = new Router().use(catchErrors());
    assert.equal((await get(app, '/nowhere')).status, 404);
  });
});

describe('mount', () => {
  it('puts routes below a prefix', async () => {
    const child = new Router().get('/list', echo('list'));
    const app = new Router({ prefix: '/api' }).mount('/v1', child);
    assert.equal((await get(app, '/api/v1/list')).name, 'list');
  });
});

describe('url', () => {
  it('builds a named route', () => {
    const app = new Router().name('user', '/users/:id');
    assert.equal(app.url('user', { id: 7 }, { q: 'a b' }), '/users/7?q=a+b');
    assert.throws(() => app.url('nobody'));
  });
});

describe('find', () => {
  it('lists patterns, each once', () => {
    const app = new Router().get('/a/:x', echo('g')).post('/a/:x', echo('p'));
    app.get('/a/b', echo('b'));
    assert.deepEqual(app.find('/a/b'), ['/a/:x', '/a/b']);
  });
});
