import { BadRequest } from './errors.js';

/** Splits a request target into its path, query and hash, without their marks. */
export function splitUrl(url) {
  let rest = url;
  let hash = '';
  let query = '';
  const hashAt = rest.indexOf('#');
  if (hashAt != -1) {
    hash = rest.slice(hashAt + 1);
    rest = rest.slice(0, hashAt);
  }
  const queryAt = rest.indexOf('?');
  if (queryAt != -1) {
    query = rest.slice(queryAt + 1);
    rest = rest.slice(0, queryAt);
  }
  return { path: rest || '/', query, hash };
}

/** One leading slash, no doubled ones, none at the end (but for the root). */
export function normalizePath(path) {
  const clean = `/${path}`.replace(/\/{2,}/g, '/');
  return clean.length > 1 && clean.endsWith('/') ? clean.slice(0, -1) : clean;
}

export function joinPaths(...parts) {
  return normalizePath(parts.join('/'));
}

/** True when the path is the prefix itself or lies below it. */
export function isUnder(path, prefix) {
  return prefix === '/' || path === prefix || path.startsWith(`${prefix}/`);
}

export function safeDecode(text) {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new BadRequest(`cannot decode "${text}"`, { cause });
  }
}
