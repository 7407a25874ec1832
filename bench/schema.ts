// The published form of a result: its strict reader and its JSON Schema from one value. Run as a program it prints the
// schema: node bench/schema.ts > bench/result.schema.json

import { Fault } from '../src/base/errors.ts'
import {
  anyObject,
  array,
  type Complaint,
  described,
  flag,
  type Infer,
  integer,
  nullable,
  object,
  oneOf,
  optional,
  record,
  type Shape,
  show,
  text,
  told,
  unfit,
} from '../src/config/shape.ts'
import type { Result } from './result.ts'

/** A finite number that is not negative. */
const amount: Shape<number> = {
  schema: { type: 'number', minimum: 0 },
  read(value, path, complaints) {
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) return value
    complaints.push({ path, want: 'a number from 0 on', got: show(value) })
    return unfit
  },
}

/** Differences of counts: noise may make them negative. */
const signed: Shape<number> = {
  schema: { type: 'number' },
  read(value, path, complaints) {
    if (typeof value === 'number' && Number.isFinite(value)) return value
    complaints.push({ path, want: 'a number', got: show(value) })
    return unfit
  },
}

const line = text(/^[^\n]{0,400}$/, 'one line of at most 400 characters')
const words = text(/^[\s\S]{0,4000}$/, 'at most 4,000 characters')
const count = integer(0, Number.MAX_SAFE_INTEGER)
const anyName = /^[^\n]{1,100}$/
const leg = oneOf('h-h', 'h-tls', 'tls-h', 'tls-tls')

const latency = object({
  count,
  meanUs: amount,
  maxUs: amount,
  percentilesUs: described(
    'At 1, 10, 25, 50, 60, 70, 75, 80, 85, 90, 92.5, 95, 96, 97, 98, 99, 99.25, 99.5, 99.75, 99.9, 99.95 and 99.99 %.',
    array(amount),
  ),
})

const sample = object({
  round: integer(1, 1000),
  requests: described('Answered rightly; or messages echoed, events received, connections held, starts.', count),
  seconds: amount,
  errors: count,
  cpuUs: described('Processor time of the contender, all threads; null where it cannot be told.', nullable(amount)),
  waitedUs: described('Time for which it was ready and another process had the core.', nullable(amount)),
  rssKiB: nullable(amount),
  threads: nullable(count),
  refused: described('Answered with 503, where that is no error.', optional(count)),
  baseRssKiB: described('Before any connection stood.', optional(amount)),
  startMs: described('From the start of the process to its first answer.', optional(amount)),
  latency: described('From when a request was due, or an event was sent.', optional(latency)),
  lag: described('How late the generator itself sent.', optional(latency)),
})

const window = object({ requests: count, counts: record(anyName, 'a name', signed) })
const counted = object({ windows: array(window), perRequest: record(anyName, 'a name', signed) })

const series = object({
  scenario: line,
  leg,
  contender: line,
  controlOf: described('A second copy of this contender, which must not differ from it.', optional(line)),
  samples: array(sample),
  syscalls: object({ perf: optional(counted), strace: optional(counted) }),
})

const scenario = object({
  name: line,
  summary: line,
  kind: oneOf('closed', 'open', 'http2', 'websocket', 'events', 'idle', 'start'),
  legs: array(leg),
  quick: array(leg),
  shape: object({ method: oneOf('GET', 'POST'), path: line, bodyBytes: count, answerBytes: count }),
  connections: count,
  keepAlive: flag,
  rate: amount,
  limit: count,
  closely: flag,
  fresh: flag,
  refusals: flag,
  changing: flag,
  who: oneOf('all', 'own', 'ladder'),
  rounds: optional(count),
  seconds: optional(amount),
})

const noted = object({ what: words, why: words })

const shape = object({
  version: described('Version of this format.', oneOf(2)),
  date: text(/^\d{4}-\d{2}-\d{2}T[\d:.]+Z$/, 'an ISO 8601 time'),
  complete: described('False where the run was ended before its time.', flag),
  tookSeconds: amount,
  machine: object({
    cpu: line,
    cores: count,
    memoryMiB: amount,
    kernel: line,
    node: line,
    openssl: line,
    tools: record(anyName, 'a name', line),
    commit: line,
    dirty: flag,
    runs: oneOf('sources', 'dist'),
    loadBefore: amount,
  }),
  flags: anyObject,
  method: object({ cores: line, seed: amount, rounds: count, seconds: amount, warmUpSeconds: amount }),
  scenarios: array(scenario),
  contenders: array(object({ name: line, summary: line, version: line })),
  skipped: array(noted),
  failures: array(noted),
  series: array(series),
  checks: described(
    "The same load by somebody else's generator.",
    array(
      object({
        ...{ tool: line, scenario: line, leg, contender: line },
        ...{ cpuUsPerRequest: amount, requestsPerSecond: amount, busy: amount },
      }),
    ),
  ),
})

export function resultSchema(): Readonly<Record<string, unknown>> {
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', title: 'result of postern-bench', ...shape.schema }
}

/** @param name for the message @throws Fault 'usage' that names what does not fit */
export function readResult(json: string, name: string): Result {
  let document: unknown
  try {
    document = JSON.parse(json)
  } catch {
    throw new Fault('usage', `${name} is not JSON`)
  }
  const complaints: Complaint[] = []
  const found: Infer<typeof shape> | typeof unfit = shape.read(document, '', complaints)
  if (found !== unfit) return document as Result
  throw new Fault('usage', `${name} is no result of this version: ${complaints.slice(0, 3).map(told).join('; ')}`)
}

if (import.meta.main) process.stdout.write(`${JSON.stringify(resultSchema(), null, 2)}\n`)
