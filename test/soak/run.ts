// A soak: the role `proxy` as it ships, in a process with little memory, between many visitors and a container, with
// everything that can go wrong going wrong all the time. What must hold: every answer belongs to its request, nothing is
// lost or done twice, nothing ends that nobody broke, memory does not grow, and the process leaves in order.

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { nodeFlags } from '../../bench/machine/place.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import {
  choosePorts,
  environment,
  probe,
  type Scope,
  type Started,
  start,
  stopAtOnce,
  until,
} from '../support/process.ts'
import { Container } from './container.ts'
import { Ledger } from './ledger.ts'
import { playOne } from './mix.ts'
import { Visitor } from './visitor.ts'

const shipped = fileURLToPath(new URL('../../dist/src/postern.js', import.meta.url))
const attestedPolicy = fileURLToPath(new URL('../support/attested-serve.json', import.meta.url))

export interface SoakOptions {
  readonly seconds: number
  /** Ends earlier after so many requests. */
  readonly requests: number
  readonly visitors: number
  /** Milliseconds that a visitor rests between two requests, at most. */
  readonly restMs: number
  /** Seconds between two restarts of the container. */
  readonly restartSeconds: number
  /** TLS to the proxy, and a container that shows SYNTHETIC evidence; else plaintext both ways. */
  readonly attested: boolean
  readonly engine: string
  /** Waits for the drain, which takes half a minute, and wants exit code 0; else a second TERM ends it. */
  readonly drain: boolean
}

export interface Reading {
  /** Since the start. */
  readonly seconds: number
  readonly rssKib: number
  readonly files: number
}

export interface Summary {
  readonly seconds: number
  readonly requests: number
  readonly restarts: number
  readonly ends: Readonly<Record<string, number>>
  readonly readings: readonly Reading[]
  /** Lines of the proxy's log, by severity and message. */
  readonly logged: Readonly<Record<string, number>>
  /** Empty where everything held. */
  readonly problems: readonly string[]
}

const readEveryMs = 5_000

/** What the container is away for at most. */
const awayMs = 300

/** Lines that a container that breaks off leaves in the log; each of these faults is somebody's doing. */
const expectedErrors: ReadonlySet<string> = new Set(['error reverse proxying request'])

/** @throws where the proxy cannot be started at all */
export async function soak(scope: Scope, options: SoakOptions): Promise<Summary> {
  if (!existsSync(shipped)) throw new Error('dist is missing: npm run build')
  const ledger = new Ledger(options.requests + options.visitors * 16)
  const ports = await choosePorts()
  const credential = options.attested ? await demoCredential(demoFunction()) : undefined
  const container = new Container(ports.user, ledger, credential)
  await container.open()
  scope.teardown(() => container.close())
  const policy = options.attested ? attestedPolicy : 'compatible'
  const proxy = start(scope, ['proxy', '--policy', policy, '--engine', options.engine], {
    file: shipped,
    node: [...nodeFlags(shipped), '--max-old-space-size=128'],
    // A slot that is not given back would be missed before long.
    env: environment(ports, { CONTAINER_CONCURRENCY: String(options.visitors * 2), REVISION_TIMEOUT_SECONDS: '300' }),
  })
  const running = (): boolean => !proxy.exited()
  await until('the proxy serves', async () => {
    if (!running()) throw new Error(`the proxy has gone: ${proxy.stderr()}`)
    return (await probe(ports.serving).catch(() => undefined))?.status === 200
  })

  const begun = performance.now()
  const elapsed = (): number => (performance.now() - begun) / 1_000
  const goesOn = (): boolean => elapsed() < options.seconds && !ledger.full && running()
  const readings: Reading[] = []
  const visits = Array.from({ length: options.visitors }, async () => {
    const visitor = new Visitor(options.attested ? ports.tls : ports.serving, options.attested, ledger, container)
    while (goesOn()) {
      await playOne(visitor)
      await delay(Math.random() * options.restMs)
    }
    visitor.leave()
  })
  const trouble = every(options.restartSeconds * 1_000, goesOn, () => container.restart(1 + Math.random() * awayMs))
  const gauge = every(readEveryMs, goesOn, async () => {
    const reading = read(proxy.pid)
    if (reading) readings.push({ seconds: Math.round(elapsed()), ...reading })
  })
  await Promise.all([...visits, trouble, gauge])
  const seconds = Math.round(elapsed())
  const left = await leave(proxy, options.drain)
  return {
    seconds,
    requests: ledger.requests,
    restarts: container.restarts,
    ends: Object.fromEntries([...ledger.ends].sort()),
    readings,
    logged: logged(proxy),
    problems: [...complaints(ledger), ...left, ...spoken(proxy), ...grown(readings)],
  }
}

async function every(ms: number, goesOn: () => boolean, act: () => Promise<void>): Promise<void> {
  for (let next = performance.now() + ms; goesOn(); ) {
    await delay(Math.min(200, ms))
    if (performance.now() < next) continue
    next += ms
    await act()
  }
}

/** Memory and open files of a process; undefined where there is no /proc, as outside Linux. */
function read(pid: number): Omit<Reading, 'seconds'> | undefined {
  try {
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    const rssKib = Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1])
    return { rssKib, files: readdirSync(`/proc/${pid}/fd`).length }
  } catch {
    return undefined
  }
}

async function leave(proxy: Started, drain: boolean): Promise<string[]> {
  if (proxy.exited()) return [`the proxy ended by itself: ${JSON.stringify(await proxy.exit)}`]
  if (!drain) {
    const { code } = await stopAtOnce(proxy)
    return code === 1 ? [] : [`two TERMs: want exit code 1, got ${code}`]
  }
  proxy.signal('SIGTERM')
  const { code, signal } = await proxy.exit
  return code === 0 ? [] : [`TERM: want exit code 0, got ${code ?? signal}`]
}

function complaints(ledger: Ledger): string[] {
  const more = ledger.complaintCount - ledger.complaints.length
  return more > 0 ? [...ledger.complaints, `and ${more} more`] : ledger.complaints
}

function logged(proxy: Started): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const line of proxy.lines()) {
    const key = `${line['severity']} ${line['message']}`
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}

/** What it said that nobody wants to hear. */
function spoken(proxy: Started): string[] {
  const errors = proxy
    .lines()
    .filter(line => /ERROR|FATAL|PANIC/i.test(String(line['severity'])))
    .filter(line => !expectedErrors.has(String(line['message'])) || line['code'] === 'internal')
    .map(line => `log: ${JSON.stringify(line)}`)
  const said = proxy.stderr().trim()
  return [...(said === '' ? [] : [`stderr: ${said}`]), ...new Set(errors)]
}

/**
 * Growth between the first and the last third after warm-up that is noise: of memory, of open files. Heap, pools and what
 * OpenSSL allocates grow until they have seen everything, in half an hour's run for some ten minutes.
 */
const noise = { rss: 1.05, files: 1.25 }

/** Fewer readings than this in a third say nothing. */
const leastReadings = 40

const median = (numbers: readonly number[]): number => numbers.toSorted((a, b) => a - b)[numbers.length >> 1] ?? 0

/** Medians of the first and of the last third of a run's second half; undefined where there are too few to judge. */
export function thirds(readings: readonly Reading[]): { first: Reading; last: Reading } | undefined {
  const warm = readings.slice(readings.length >> 1)
  const third = Math.floor(warm.length / 3)
  if (third < leastReadings) return undefined
  const middle = (part: readonly Reading[]): Reading => ({
    seconds: median(part.map(each => each.seconds)),
    rssKib: median(part.map(each => each.rssKib)),
    files: median(part.map(each => each.files)),
  })
  return { first: middle(warm.slice(0, third)), last: middle(warm.slice(-third)) }
}

function grown(readings: readonly Reading[]): string[] {
  const found = thirds(readings)
  if (!found) return []
  const { first, last } = found
  const problems: string[] = []
  if (last.rssKib > first.rssKib * noise.rss) problems.push(`memory grew from ${first.rssKib} to ${last.rssKib} KiB`)
  if (last.files > first.files * noise.files) problems.push(`open files grew from ${first.files} to ${last.files}`)
  return problems
}
