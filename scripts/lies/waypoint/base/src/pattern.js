import { normalizePath, safeDecode } from './url.js';

const PARAM = /^:([A-Za-z_]\w*)(?:\((.+)\))?$/;

function parseSegment(text) {
  if (text.startsWith('*')) return { kind: 'rest', name: text.slice(1) || 'rest' };
  if (!text.startsWith(':')) return { kind: 'literal', value: text };
  const found = PARAM.exec(text);
  if (!found) throw new TypeError(`bad segment "${text}"`);
  const [, name, rule] = found;
  return { kind: 'param', name, rule: rule ? new RegExp(`^(?:${rule})$`) : null };
}

function parsePattern(pattern) {
  const segments = splitPath(pattern).map(parseSegment);
  const rest = segments.findIndex((segment) => segment.kind === 'rest');
  if (rest !== -1 && rest !== segments.length - 1) {
    throw new TypeError(`"${pattern}": a rest segment must be the last one`);
  }
  const names = segments.filter((segment) => segment.name).map((segment) => segment.name);
  if (new Set(names).size !== names.length) {
    throw new TypeError(`"${pattern}": a name is used twice`);
  }
  return { segments, names };
}

function splitPath(path) {
  const clean = normalizePath(path);
  return clean === '/' ? [] : clean.slice(1).split('/');
}

function sameWord(a, b, sensitive) {
  return sensitive ? a === b : a.toLowerCase() === b.toLowerCase();
}

function matchSegments(segments, parts, sensitive) {
  const params = {};
  for (let i = 0; i < segments.length; i += 1) {
    const segment = segments[i];
    if (segment.kind === 'rest') {
      params[segment.name] = parts.slice(i).map(safeDecode).join('/');
      return params;
    }
    if (i >= parts.length) return null;
    const value = safeDecode(parts[i]);
    if (segment.kind === 'literal') {
      if (!sameWord(segment.value, value, sensitive)) return null;
    } else {
      if (segment.rule && !segment.rule.test(value)) return null;
      params[segment.name] = value;
    }
  }
  return parts.length === segments.length ? params : null;
}

function buildSegment(segment, params) {
  if (segment.kind === 'literal') return segment.value;
  const value = params[segment.name];
  if (value == null) throw new TypeError(`"${segment.name}" is missing`);
  if (segment.kind === 'rest') return String(value).split('/').map(encodeURIComponent).join('/');
  if (segment.rule && !segment.rule.test(String(value))) {
    throw new TypeError(`"${segment.name}" does not fit: ${value}`);
  }
  return encodeURIComponent(value);
}

/** Compiles a pattern into an object that matches paths and builds them. */
export function compile(pattern, { sensitive = false } = {}) {
  const { segments, names } = parsePattern(pattern);
  return {
    pattern,
    names,
    match: (path) => matchSegments(segments, splitPath(path), sensitive),
    build: (params = {}) => normalizePath(segments.map((s) => buildSegment(s, params)).join('/')),
  };
}
