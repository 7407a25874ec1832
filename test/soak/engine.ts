// A long soak of the default engine, by hand, of what `npm run build` made:
//
//   node test/soak/engine.ts [--minutes N] [--requests N] [--visitors N] [--rest MS] [--attested] [--engine NAME] [--json]
//
// Exit code 1 where something did not hold. Memory is judged in runs of at least 20 minutes, on Linux.

import { parseArgs } from 'node:util'
import { soak, thirds } from './run.ts'

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '30' },
    requests: { type: 'string', default: '5000000' },
    visitors: { type: 'string', default: '32' },
    rest: { type: 'string', default: '20' },
    attested: { type: 'boolean', default: false },
    engine: { type: 'string', default: 'bytes' },
    json: { type: 'boolean', default: false },
  },
})

const minute = (seconds: number): string => (seconds / 60).toFixed(0)

const teardowns: (() => unknown)[] = []
async function tidy(): Promise<void> {
  for (const last of teardowns.splice(0).reverse()) await last()
}
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => tidy().then(() => process.exit(1)))

const summary = await soak(
  { teardown: last => teardowns.push(last) },
  {
    seconds: Number(values.minutes) * 60,
    requests: Number(values.requests),
    visitors: Number(values.visitors),
    restMs: Number(values.rest),
    restartSeconds: 20,
    attested: values.attested,
    engine: values.engine,
    drain: true,
  },
).finally(tidy)

if (values.json) {
  process.stdout.write(`${JSON.stringify(summary, null, 2)}\n`)
} else {
  const { seconds, requests, restarts, ends, logged, problems } = summary
  const found = thirds(summary.readings)
  process.stdout.write(
    [
      `${(seconds / 60).toFixed(1)} minutes, ${requests} requests, ${restarts} restarts of the container`,
      ...Object.entries(ends).map(([end, count]) => `  ${String(count).padStart(8)}  ${end}`),
      ...Object.entries(logged).map(([line, count]) => `  ${String(count).padStart(8)}  log: ${line}`),
      found
        ? `memory ${found.first.rssKib} -> ${found.last.rssKib} KiB, files ${found.first.files} -> ${found.last.files} ` +
          `(medians around minute ${minute(found.first.seconds)} and minute ${minute(found.last.seconds)})`
        : 'memory: too short a run to judge, or no /proc',
      ...(problems.length > 0 ? problems.map(problem => `FAILED  ${problem}`) : ['everything held']),
      '',
    ].join('\n'),
  )
}
process.exitCode = summary.problems.length > 0 ? 1 : 0
