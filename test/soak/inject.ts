// How fast the injector answers, by hand: reviews at a fixed rate over kept connections, each timed from the moment at
// which it was due, so that a slow answer cannot hide those behind it.
//
//   node test/soak/inject.ts [--rate N] [--seconds N]
//
// Exit code 1 where the 99th percentile is above 20 ms, or a review failed.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { mountPair, prepareMount } from '../support/mounted.ts'
import { pod, renderedMissing, renderedPods, reviewBytes } from '../support/pods.ts'
import { ask, start, until } from '../support/process.ts'

const { values } = parseArgs({
  options: { rate: { type: 'string', default: '200' }, seconds: { type: 'string', default: '30' } },
})
const rate = Number(values.rate)
const count = rate * Number(values.seconds)
const worstP99Ms = 20

const teardowns: (() => unknown)[] = []
const folder = await mkdtemp(join(tmpdir(), 'postern-inject-'))
teardowns.push(() => rm(folder, { recursive: true }))
await prepareMount(folder)
await mountPair(folder, 'one')
await writeFile(join(folder, 'options.json'), '{ "version": 1, "platform": "intel" }')
const flags = ['--config', join(folder, 'options.json'), '--certificates', folder, '--port', '0', '--side-port', '0']
const injector = start({ teardown: last => void teardowns.push(last) }, ['inject', ...flags])
await until('it serves', () => injector.stdout().includes('"Serving"'))
const { port, sidePort } = injector.lines().at(-1) as { port: number; sidePort: number }

const pods = renderedMissing ? [pod()] : renderedPods().map(([, each]) => each)
const bodies = pods.map(each => reviewBytes(each))
const agent = new Agent({ keepAlive: true, maxSockets: 16, rejectUnauthorized: false })
teardowns.push(() => agent.destroy())
const headers = { 'content-type': 'application/json' }

function review(body: Buffer | undefined): Promise<boolean> {
  return new Promise(resolve => {
    const asked = request({ agent, port, host: '127.0.0.1', path: '/inject', method: 'POST', headers })
    asked.on('response', response => response.resume().on('end', () => resolve(response.statusCode === 200)))
    asked.on('error', () => resolve(false))
    asked.end(body)
  })
}

for (let i = 0; i < rate; i++) await review(bodies[i % bodies.length])

const taken: number[] = []
let failed = 0
const began = performance.now()
const pending: Promise<void>[] = []
for (let i = 0; i < count; i++) {
  const due = began + (i * 1000) / rate
  const early = due - performance.now()
  if (early > 1) await delay(early)
  pending.push(
    review(bodies[i % bodies.length]).then(good => {
      if (!good) failed++
      taken.push(performance.now() - due)
    }),
  )
}
await Promise.all(pending)
const metrics = (await ask(sidePort, { path: '/metrics' })).body
const inside = /duration_seconds_bucket\{le="0.005"\} (\d+)[\s\S]*duration_seconds_count (\d+)/.exec(metrics) ?? []
for (const last of teardowns.reverse()) await last()

taken.sort((a, b) => a - b)
const at = (share: number): string =>
  (taken[Math.min(taken.length - 1, Math.floor(taken.length * share))] ?? 0).toFixed(2)
process.stdout.write(
  `${count} reviews at ${rate}/s: p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, worst ${at(1)} ms, ${failed} failed\n`,
)
process.stdout.write(`inside the injector: ${inside[1]} of ${inside[2]} within 5 ms, warm-up included\n`)
if (failed > 0 || Number(at(0.99)) > worstP99Ms) process.exitCode = 1
