import { NotFound } from './errors.js';
import { LRU } from './lru.js';
import { assertHandler } from './middleware.js';
import { compile } from './pattern.js';
import { parseQuery, stringifyQuery } from './query.js';
import { isUnder, joinPaths, normalizePath, splitUrl } from './url.js';

const ANY = '*';

function runChain(handlers, ctx) {
  let last = -1;
  const step = async (index) => {
    if (index <= last) throw new Error('next() was called twice');
    last = index;
    const handler = handlers[index];
    return handler ? handler(ctx, () => step(index + 1)) : undefined;
  };
  return step(0);
}

export class Router {
  #routes = [];
  #middleware = [];
  #named = new Map();
  #cache;

  constructor({ prefix = '/', sensitive = false, cache = {} } = {}) {
    this.prefix = normalizePath(prefix);
    this.sensitive = sensitive;
    this.#cache = cache === false ? null : new LRU({ ttl: 60_000, ...cache });
  }

  use(...args) {
    const prefix = typeof args[0] === 'string' ? args.shift() : '/';
    args.forEach(assertHandler);
    for (const handler of args) {
      this.#middleware.push({ prefix: joinPaths(this.prefix, prefix), handler });
    }
    return this;
  }

  on(method, pattern, ...handlers) {
    if (handlers.length === 0) throw new TypeError(`no handler for ${method} ${pattern}`);
    handlers.forEach(assertHandler);
    const compiled = compile(joinPaths(this.prefix, pattern), { sensitive: this.sensitive });
    this.#routes.push({ method: method.toUpperCase(), compiled, handlers });
    this.#cache?.clear();
    return this;
  }

  get(pattern, ...handlers) {
    return this.on('GET', pattern, ...handlers);
  }

  post(pattern, ...handlers) {
    return this.on('POST', pattern, ...handlers);
  }

  put(pattern, ...handlers) {
    return this.on('PUT', pattern, ...handlers);
  }

  delete(pattern, ...handlers) {
    return this.on('DELETE', pattern, ...handlers);
  }

  all(pattern, ...handlers) {
    return this.on(ANY, pattern, ...handlers);
  }

  /** Gives a pattern a name for url(). */
  name(name, pattern) {
    this.#named.set(name, compile(joinPaths(this.prefix, pattern)));
    return this;
  }

  url(name, params = {}, query = {}) {
    const compiled = this.#named.get(name);
    if (!compiled) throw new Error(`no route is named "${name}"`);
    const search = stringifyQuery(query);
    return compiled.build(params) + (search ? `?${search}` : '');
  }

  /** Takes over the routes and middleware of another router, below a prefix. */
  mount(prefix, child) {
    const base = joinPaths(this.prefix, prefix);
    for (const { method, compiled, handlers } of child.#routes) {
      const pattern = joinPaths(base, compiled.pattern);
      const options = { sensitive: child.sensitive };
      this.#routes.push({ method, compiled: compile(pattern, options), handlers });
    }
    for (const entry of child.#middleware) {
      this.#middleware.push({ ...entry, prefix: joinPaths(base, entry.prefix) });
    }
    this.#cache?.clear();
    return this;
  }

  /** The first route that fits, with its params, or null. */
  resolve(method, path) {
    const wanted = method.toUpperCase();
    const clean = normalizePath(path);
    const key = `${wanted} ${clean}`;
    let found = this.#cache?.get(key);
    if (!found) {
      found = this.#lookup(wanted, clean);
      if (!found && wanted == 'HEAD') found = this.#lookup('GET', clean);
      if (!found) return null;
      this.#cache?.set(key, found);
    }
    return { route: found.route, params: { ...found.params } };
  }

  /** Deprecated: the patterns that match a path, whatever the method. */
  find(path) {
    const hits = this.#routes.filter((route) => route.compiled.match(path));
    return [...new Set(hits.map((route) => route.compiled.pattern))];
  }

  async handle(request) {
    const { path, query } = splitUrl(request.url);
    const ctx = {
      request,
      method: (request.method ?? 'GET').toUpperCase(),
      path: normalizePath(path),
      query: parseQuery(query),
      params: {},
      pattern: null,
      state: {},
    };
    const found = this.resolve(ctx.method, ctx.path);
    if (found) {
      ctx.params = found.params;
      ctx.pattern = found.route.compiled.pattern;
    }
    const before = this.#middleware
      .filter(({ prefix }) => isUnder(ctx.path, prefix))
      .map(({ handler }) => handler);
    const handlers = found?.route.handlers ?? [() => {
      throw new NotFound(ctx.path);
    }];
    return runChain([...before, ...handlers], ctx);
  }

  #lookup(method, path) {
    for (const route of this.#routes) {
      if (route.method !== method && route.method !== ANY) continue;
      const params = route.compiled.match(path);
      if (params) return { route, params };
    }
    return null;
  }
}
