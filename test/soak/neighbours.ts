// What a well-behaved client of HTTP/2 feels of others that abuse it, by hand, of what `npm run build` made:
//
//   node test/soak/neighbours.ts [--seconds N] [--connections N]
//
// One neighbour asks at a fixed rate, for so many seconds beside nobody and beside each kind of abuse (test/support/abuse.ts),
// whose connections come back as soon as they are closed, or after a while. Latencies count from when a request was due.
// Exit code 1 where a request was not answered.

import { readdirSync, readFileSync } from 'node:fs'
import { type ClientHttp2Session, connect, createServer } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { nodeFlags } from '../../bench/machine/place.ts'
import { quantile } from '../../bench/stats/estimate.ts'
import { abuse, abuses } from '../support/abuse.ts'
import { choosePorts, environment, probe, start, stopAtOnce, until } from '../support/process.ts'

const shipped = fileURLToPath(new URL('../../dist/src/postern.js', import.meta.url))

/** What a thread of its own does: so nobody waits but for the proxy. */
interface Task {
  readonly task: 'serve' | 'misbehave'
  readonly port: number
  readonly beside?: keyof typeof abuses
  readonly connections?: number
}

const thread = (workerData: Task): Worker => new Worker(new URL(import.meta.url), { workerData })

/** Between two requests of the neighbour. */
const everyMs = 4
/** How long an abuser stays where nobody closes its connection. */
const stayMs = 2_000

/** One abuser, for ever: counts its connections. */
async function misbehave(port: number, name: keyof typeof abuses, count: () => void): Promise<never> {
  for (;;) {
    const wire = abuse({ teardown() {} }, port, abuses[name])
    for (const end = performance.now() + stayMs; !wire.closed && performance.now() < end; ) await delay(5)
    wire.socket.destroy()
    count()
  }
}

/** A container that answers at once. */
function serve(port: number): void {
  const large = Buffer.alloc(256 << 10)
  const server = createServer({ maxSessionMemory: 1_000 })
  server.on('sessionError', () => {})
  server.on('stream', (stream, headers) => {
    stream.on('error', () => {})
    stream.respond({ ':status': 200, 'content-type': 'text/plain' })
    stream.end(headers[':path'] === '/large' ? large : 'hello')
  })
  server.listen(port, '127.0.0.1')
}

/** One request: milliseconds since it was due. */
function ask(session: ClientHttp2Session, due: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':path': '/' })
    let body = ''
    stream.on('data', chunk => {
      body += chunk
    })
    stream.on('error', reject)
    stream.on('close', () => (body === 'hello' ? resolve(performance.now() - due) : reject(new Error('no answer'))))
  })
}

/** Milliseconds of CPU time that a process has used so far, all threads. */
function cpuOf(pid: number): number {
  const threads = readdirSync(`/proc/${pid}/task`)
  return threads.reduce((sum, thread) => {
    const [ran = '0'] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
    return sum + Number(ran) / 1e6
  }, 0)
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { seconds: { type: 'string', default: '5' }, connections: { type: 'string', default: '4' } },
  })
  const seconds = Number(values.seconds)
  const teardowns: (() => unknown)[] = []
  const ports = await choosePorts()
  const container = thread({ task: 'serve', port: ports.user })
  const proxy = start({ teardown: last => teardowns.push(last) }, ['proxy', '--policy', 'compatible'], {
    file: shipped,
    node: nodeFlags(shipped),
    env: environment(ports, { CONTAINER_CONCURRENCY: '0', REVISION_TIMEOUT_SECONDS: '300' }),
  })
  await until('the proxy serves', async () => (await probe(ports.serving).catch(() => undefined))?.status === 200)
  const session = connect(`http://127.0.0.1:${ports.serving}`)

  async function measure(beside: keyof typeof abuses | undefined): Promise<number> {
    const worker =
      beside && thread({ task: 'misbehave', port: ports.serving, beside, connections: Number(values.connections) })
    let closed = 0
    worker?.on('message', () => closed++)
    if (worker) await delay(500)
    const [cpu, before] = [cpuOf(proxy.pid), closed]
    const asked: Promise<number>[] = []
    const begun = performance.now()
    for (let due = begun; due < begun + seconds * 1_000; due += everyMs) {
      await delay(Math.max(0, due - performance.now()))
      const answer = ask(session, due)
      answer.catch(() => {})
      asked.push(answer)
    }
    const settled = await Promise.allSettled(asked)
    const used = (cpuOf(proxy.pid) - cpu) / seconds
    const connections = (closed - before) / seconds
    await worker?.terminate()
    const took = settled.flatMap(each => (each.status === 'fulfilled' ? [each.value] : [])).sort((a, b) => a - b)
    const lost = settled.length - took.length
    const at = (q: number): string => quantile(took, q).toFixed(1).padStart(8)
    const row = [
      at(0.5),
      at(0.99),
      at(1),
      String(lost).padStart(6),
      used.toFixed(0).padStart(6),
      connections.toFixed(0).padStart(6),
    ]
    process.stdout.write(`${(beside ?? 'nobody').padEnd(14)}${row.join('  ')}\n`)
    return lost
  }

  process.stdout.write('beside         p50 ms    p99 ms    max ms    lost  cpu ms/s  abusive connections/s\n')
  let lost = await measure(undefined)
  for (const name of Object.keys(abuses) as (keyof typeof abuses)[]) lost += await measure(name)
  session.destroy()
  await stopAtOnce(proxy)
  await container.terminate()
  for (const last of teardowns.reverse()) await last()
  process.exitCode = lost > 0 ? 1 : 0
}

if (isMainThread) await main()
else {
  const { task, port, beside = 'reset', connections = 0 }: Task = workerData
  if (task === 'serve') serve(port)
  for (let i = 0; i < connections; i++) void misbehave(port, beside, () => parentPort?.postMessage('closed'))
}
