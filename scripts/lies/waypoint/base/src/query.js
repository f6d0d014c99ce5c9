import { BadRequest } from './errors.js';
import { safeDecode } from './url.js';

function decodeValue(text) {
  return safeDecode(text).replace(/\+/g, ' ');
}

function add(result, name, value, asArray) {
  if (!Object.hasOwn(result, name)) {
    result[name] = asArray ? [value] : value;
  } else if (Array.isArray(result[name])) {
    result[name].push(value);
  } else {
    result[name] = [result[name], value];
  }
}

/** Reads a query string, with or without its question mark. */
export function parseQuery(text, { limit = 1000 } = {}) {
  const result = {};
  const pairs = text.replace(/^\?/, '').split('&').filter(Boolean);
  if (pairs.length > limit) throw new BadRequest(`more than ${limit} query parameters`);
  for (const pair of pairs) {
    const at = pair.indexOf('=');
    let name = safeDecode(at == -1 ? pair : pair.slice(0, at));
    const value = at == -1 ? '' : decodeValue(pair.slice(at + 1));
    const asArray = name.endsWith('[]');
    if (asArray) name = name.slice(0, -2);
    if (name === '' || name === '__proto__') continue;
    add(result, name, value, asArray);
  }
  return result;
}

function encode(text) {
  return encodeURIComponent(text).replace(/%20/g, '+');
}

/** Writes a query string; arrays repeat their name, null and undefined are left out. */
export function stringifyQuery(params, { sort = false } = {}) {
  const names = Object.keys(params);
  if (sort) names.sort();
  const pairs = [];
  for (const name of names) {
    for (const value of [params[name]].flat()) {
      if (value == null) continue;
      pairs.push(value === '' ? encode(name) : `${encode(name)}=${encode(value)}`);
    }
  }
  return pairs.join('&');
}
