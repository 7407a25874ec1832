#!/usr/bin/env node
// The first file of the benchmark, in JavaScript that any Node of the last years parses, so that one that is too old is
// told so in a sentence instead of a syntax error.

const wanted = [24, 17]
const found = process.versions.node.split('.').map(Number)

if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  console.error(
    `postern-bench needs Node >= ${wanted.join('.')}, found ${process.versions.node} (${process.execPath}). ` +
      'On Linux, `npm ci` installs a fitting one beside it: use `npx postern-bench` or `npm run bench`.',
  )
  process.exit(1)
}

await import('./main.ts')
