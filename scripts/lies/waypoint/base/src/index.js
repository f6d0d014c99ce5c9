export { BadRequest, HttpError, NotFound } from './errors.js';
export { LRU } from './lru.js';
export { catchErrors, compose, timing, when } from './middleware.js';
export { compile } from './pattern.js';
export { parseQuery, stringifyQuery } from './query.js';
export { Router } from './router.js';
export { joinPaths, normalizePath, splitUrl } from './url.js';
