// A validator for the few JSON schema keywords that shared/ uses.
import { readFileSync } from 'node:fs';
import { shared } from './units.js';

const types = {
  object: (value) => value !== null && typeof value === 'object' && !Array.isArray(value),
  array: Array.isArray,
  string: (value) => typeof value === 'string',
  integer: Number.isInteger,
  number: (value) => typeof value === 'number',
  boolean: (value) => typeof value === 'boolean',
};

export function load(name) {
  return JSON.parse(readFileSync(new URL('schemas.json', shared), 'utf8'))[name];
}

/** The paths that do not fit the schema, sorted; none when it fits. */
export function check(value, schema, path = '') {
  return [...new Set(walk(value, schema, path))].sort();
}

const join = (path, key) => (path ? `${path}.${key}` : String(key));

function* walk(value, schema, path) {
  if (schema.type && !types[schema.type](value)) {
    yield path;
    return;
  }
  if (schema.enum && !schema.enum.includes(value)) yield path;
  if (typeof value === 'string') {
    if (value.length < (schema.minLength ?? 0)) yield path;
    if (schema.pattern && !new RegExp(schema.pattern).test(value)) yield path;
  }
  if (typeof value === 'number' && value < schema.minimum) yield path;
  if (types.array(value) && schema.items) {
    for (const [index, entry] of value.entries()) yield* walk(entry, schema.items, join(path, index));
  }
  if (types.object(value)) {
    for (const key of schema.required ?? []) {
      if (!Object.hasOwn(value, key)) yield join(path, key);
    }
    for (const [key, entry] of Object.entries(value)) {
      if (Object.hasOwn(schema.properties ?? {}, key)) {
        yield* walk(entry, schema.properties[key], join(path, key));
      } else if (schema.additionalProperties === false) {
        yield join(path, key);
      }
    }
  }
}
