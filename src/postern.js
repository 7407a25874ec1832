#!/usr/bin/env -S node --max-semi-space-size=1 --no-maglev
// The first file of the command, in JavaScript that any Node of the last years parses, so that one that is too old is
// told so in a sentence instead of a syntax error.
//
// A young generation of 1 MiB stays in the processor's cache: a request leaves little behind that lives, and costs a tenth
// less than with V8's 16 MiB. Without V8's middle compiler a request costs the same, and the process holds a tenth less.

const wanted = [24, 17]
const found = process.versions.node.split('.').map(Number)

if (found[0] < wanted[0] || (found[0] === wanted[0] && found[1] < wanted[1])) {
  console.error(
    `postern needs Node >= ${wanted.join('.')}, found ${process.versions.node} (${process.execPath}). ` +
      'On Linux, `npm ci` installs a fitting one beside it: use `npx postern` or an npm script.',
  )
  process.exit(1)
}

await import('./main.ts')
