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

export interface LogOptions {
  readonly level: Level
  /** Fields that every line carries after `message`. */
  readonly common: Fields
  readonly clock: Clock
  /** Receives whole lines, line feed included. */
  readonly write: (line: string) => void
}

/** Of each message, this many lines a second are written, then every hundredth (zap's production sampling). */
const sampleFirst = 100
const sampleThen = 100

/** A log whose lines look like those of the Go queue-proxy: severity, timestamp, logger, message, common, fields. */
export function makeLog(options: LogOptions): Log {
  const threshold = levels.indexOf(options.level)
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

  function line(level: Level, message: string, fields: Fields | undefined): void {
    const now = options.clock.now()
    if (level !== 'fatal' && sampledOut(level + message, now)) return
    const head = { severity: level, timestamp: new Date(now).toISOString(), logger: 'queueproxy', message }
    options.write(`${JSON.stringify({ ...head, ...options.common, ...fields })}\n`)
  }

  const at = (level: Level) =>
    levels.indexOf(level) < threshold
      ? () => {}
      : (message: string, fields?: Fields): void => line(level, message, fields)

  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') }
}
