// A few line-based rules, read from lint.config.json. Exit code 1 when something is found.
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

const config = JSON.parse(readFileSync('lint.config.json', 'utf8'));

const rules = {
  eqeqeq: (code) => /[^=!<>]==[^=]|!=[^=]/.test(code),
  'no-console': (code) => /\bconsole\.\w+\(/.test(code),
  'no-trailing-space': (code, line) => /[ \t]$/.test(line),
  'no-var': (code) => /^\s*var\s/.test(code),
};

function* sources(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* sources(path);
    else if (/\.m?js$/.test(entry.name)) yield path;
  }
}

function stripComment(line) {
  return line.replace(/(^|\s)\/\/.*$/, '');
}

let count = 0;
function report(path, number, message) {
  count += 1;
  process.stdout.write(`${path}:${number}: ${message}\n`);
}

for (const folder of config.folders) {
  for (const path of sources(folder)) {
    if (config.ignore.some((start) => path.startsWith(start))) continue;
    readFileSync(path, 'utf8').split('\n').forEach((line, index) => {
      const ignored = /\/\/ lint-ignore (\S+)/.exec(line)?.[1];
      const code = stripComment(line);
      for (const [name, broken] of Object.entries(rules)) {
        if (config.rules[name] && name !== ignored && broken(code, line)) {
          report(path, index + 1, name);
        }
      }
      if (line.length > config.maxLength) report(path, index + 1, 'max-length');
    });
  }
}

process.exitCode = count ? 1 : 0;
