// Rotation for minutes, by hand: what we show, whom we trust and what the container shows change every two seconds, between
// clients that keep their connection, clients that do not, and tunnels.
//
//   node test/soak/rotation.ts [--minutes N] [--every MS] [--kept N] [--fresh N] [--tunnels N] [--rest MS]
//
// Exit code 1 where a request failed or a verdict was wrong. Clients, proxy and container share one thread here.

import { parseArgs } from 'node:util'
import { rotating } from '../support/rotation.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '5' },
    every: { type: 'string', default: '2000' },
    kept: { type: 'string', default: '32' },
    fresh: { type: 'string', default: '2' },
    tunnels: { type: 'string', default: '8' },
    rest: { type: 'string', default: '0' },
  },
})

const seconds = Number(values.minutes) * 60
const { problems, ...counts } = await rotating({
  seconds,
  everyMs: Number(values.every),
  kept: Number(values.kept),
  fresh: Number(values.fresh),
  tunnels: Number(values.tunnels),
  restMs: Number(values.rest),
})
process.stdout.write(`${Math.round(counts.requests / seconds)} requests a second; ${JSON.stringify(counts)}\n`)
for (const problem of problems) process.stdout.write(`FAILED  ${problem}\n`)
process.stdout.write(problems.length > 0 ? '' : 'everything held\n')
process.exitCode = problems.length > 0 ? 1 : 0
