// One JSON object per line with the keys that Knative's components use (config-logging's zap encoder). Messages are for
// the operator; fields are plain values that the caller chose. No error object and no secret is ever passed in: errors
// go through describe() of errors.ts.

import type { Clock } from './clock.ts'

const levels = ['debug', 'info', 'warn', 'error', 'fatal'] as const
export type Level = (typeof levels)[number]

export type Fields = Readonly<Record<string, unknown>>

export interface Log {
  debug(message: string, fields?: Fields): void
  info(message: string, fields?: Fields): void
  warn(message: string, fields?: Fields): void
  error(message: string, fields?: Fields): void
  fatal(message: string, fields?: Fields): void
}

/** How a line looks: the part of a zap configuration that Knative's operators use. */
export interface LineFormat {
  /** Names of a line's own keys; '' leaves the key out. */
  readonly keys: Readonly<Record<'level' | 'time' | 'name' | 'caller' | 'message', string>>
  readonly levelEncoder: 'lower' | 'upper' | 'zapdriver'
  readonly timeEncoder: 'iso8601' | 'rfc3339' | 'rfc3339nano' | 'millis' | 'nanos' | 'epoch'
  /** Value of the `name` key. */
  readonly logger: string
}

export interface LogOptions {
  readonly level: Level
  /** Knative's own, without the place in the code, where absent. */
  readonly format?: LineFormat
  /** Fields that every line carries after `message`. */
  readonly common: Fields
  readonly clock: Clock
  /** Receives whole lines, line feed included. */
  readonly write: (line: string) => void
}

/** As Knative's components write, unless told otherwise. */
export const knativeFormat: LineFormat = {
  keys: { level: 'severity', time: 'timestamp', name: 'logger', caller: '', message: 'message' },
  levelEncoder: 'lower',
  timeEncoder: 'iso8601',
  logger: 'queueproxy',
}

/** zapdriver's names (Google Cloud's severities). */
const severities = { debug: 'DEBUG', info: 'INFO', warn: 'WARNING', error: 'ERROR', fatal: 'EMERGENCY' } as const

const encodeLevel: Readonly<Record<LineFormat['levelEncoder'], (level: Level) => string>> = {
  lower: level => level,
  upper: level => level.toUpperCase(),
  zapdriver: level => severities[level],
}

/** Milliseconds since the epoch in, what zap's encoder of that name writes out. */
const encodeTime: Readonly<Record<LineFormat['timeEncoder'], (ms: number) => string | number>> = {
  iso8601: ms => new Date(ms).toISOString(),
  rfc3339: ms => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z'),
  rfc3339nano: ms => new Date(ms).toISOString().replace(/\.?0*Z$/, 'Z'),
  millis: ms => ms,
  nanos: ms => ms * 1e6,
  epoch: ms => ms / 1000,
}

/** Of each message, this many lines a second are written, then every hundredth (zap's production sampling). */
const sampleFirst = 100
const sampleThen = 100

/** A log whose lines look like those of the Go queue-proxy: severity, timestamp, logger, message, common, fields. */
export function makeLog(options: LogOptions): Log {
  const threshold = levels.indexOf(options.level)
  const format = options.format ?? knativeFormat
  const { keys } = format
  let second = 0
  let counts = new Map<string, number>()

  function sampledOut(key: string, now: number): boolean {
    const current = Math.floor(now / 1000)
    if (current !== second) {
      second = current
      counts = new Map()
    }
    const count = (counts.get(key) ?? 0) + 1
    counts.set(key, count)
    return count > sampleFirst && (count - sampleFirst) % sampleThen !== 0
  }

  function line(level: Level, message: string, fields: Fields | undefined, write: Write): void {
    const now = options.clock.now()
    if (level !== 'fatal' && sampledOut(level + message, now)) return
    const head: Record<string, unknown> = {}
    if (keys.level) head[keys.level] = encodeLevel[format.levelEncoder](level)
    if (keys.time) head[keys.time] = encodeTime[format.timeEncoder](now)
    if (keys.name) head[keys.name] = format.logger
    if (keys.caller) head[keys.caller] = callerOf(write)
    if (keys.message) head[keys.message] = message
    options.write(`${JSON.stringify({ ...head, ...options.common, ...fields })}\n`)
  }

  function at(level: Level): Write {
    if (levels.indexOf(level) < threshold) return () => {}
    const write: Write = (message, fields) => line(level, message, fields, write)
    return write
  }

  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') }
}

type Write = (message: string, fields?: Fields) => void

/** The file and line that called `write`, as zap shortens it: the last folder, the file, the line. */
function callerOf(write: Write): string {
  const holder: { stack?: string } = {}
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = 1
  Error.captureStackTrace(holder, write)
  Error.stackTraceLimit = limit
  return /([^/\\(]+[/\\][^/\\:()]+:\d+):\d+\)?$/.exec(holder.stack ?? '')?.[1] ?? 'undefined'
}
