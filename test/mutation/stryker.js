// Mutation testing of src/attest with Stryker: it changes one small thing at a time and asks whether some test notices.
// Not part of `npm test`: it takes the better part of an hour. From the project's root:
//
//     npm ci --prefix test/mutation
//     test/mutation/node_modules/.bin/stryker run test/mutation/stryker.js

import { readdirSync } from 'node:fs'

const whole = ['verify.ts', 'intel.ts', 'collateral.ts', 'peer.ts']
// Not the byte flips, which take longer than all the rest: what only they notice should have a test that says why. Nor
// second opinions and real evidence, which ask nothing of their own.
const left = ['flips.ts', 'libraries.ts', 'real.ts']
const single = readdirSync('test/attest').filter(name => ![...whole, ...left].includes(name))

export default {
  mutate: ['src/attest/*.ts'],
  testRunner: 'tap',
  tap: {
    // In this order, so that most changes meet the short test of their own file first.
    testFiles: [...single, ...whole].map(name => `test/attest/${name}`),
    nodeArgs: [],
    forceBail: true,
  },
  coverageAnalysis: 'perTest',
  plugins: ['@stryker-mutator/tap-runner'],
  // Node strips the types, so there is nothing to compile, and TypeScript 7 has no API for Stryker to read a tsconfig by.
  tsconfigFile: 'none',
  disableTypeChecks: false,
  // Most strings are messages for people, and tests compare no more of those than says which it was.
  mutator: { excludedMutations: ['StringLiteral'] },
  ignorePatterns: ['dist', '.tap', 'bench'],
  incremental: true,
  incrementalFile: 'test/mutation/node_modules/.incremental.json',
  jsonReporter: { fileName: 'test/mutation/node_modules/.report.json' },
  reporters: ['clear-text', 'progress-append-only', 'json'],
  tempDirName: '.tap/stryker',
  concurrency: 2,
  timeoutMS: 60_000,
  thresholds: { high: 95, low: 90, break: 90 },
}
