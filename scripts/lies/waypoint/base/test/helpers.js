import { readFileSync, readdirSync } from 'node:fs';

/** A clock that only moves when told to. */
export function fakeClock(start = 1000) {
  const clock = () => clock.time;
  clock.time = start;
  clock.tick = (ms) => {
    clock.time += ms;
  };
  return clock;
}

/** The rows of one kind from all files in test/cases. */
export function loadCases(kind) {
  const folder = new URL('./cases/', import.meta.url);
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .flatMap((name) => JSON.parse(readFileSync(new URL(name, folder), 'utf8')))
    .filter((row) => row.kind === kind);
}

export function get(app, url) {
  return app.handle({ method: 'GET', url });
}

/** A handler that answers with its name and the params it got. */
export function echo(name) {
  return (ctx) => ({ name, params: ctx.params, query: ctx.query });
}
