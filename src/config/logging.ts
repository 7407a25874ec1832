// SERVING_LOGGING_CONFIG and SERVING_LOGGING_LEVEL: a zap configuration laid over zapdriver's production one, as
// knative.dev/pkg/logging/config.go does it. An unreadable one is no reason to stop: the fallback logger says so.
// The host chooses how lines look and how many there are, never what is in them.

import { Fault } from '../base/errors.ts'
import type { Level } from '../base/log.ts'
import { Members, readEnvironmentJson } from './members.ts'

export type LevelEncoder = 'lower' | 'upper' | 'zapdriver'
export type TimeEncoder = 'iso8601' | 'rfc3339' | 'rfc3339nano' | 'millis' | 'nanos' | 'epoch'

export interface LogFormat {
  readonly level: Level
  readonly output: 'stdout' | 'stderr'
  /** Names of a line's own keys, in their order; '' leaves the key out. */
  readonly keys: {
    readonly level: string
    readonly time: string
    readonly name: string
    readonly caller: string
    readonly message: string
    readonly stacktrace: string
  }
  readonly levelEncoder: LevelEncoder
  readonly timeEncoder: TimeEncoder
  /** Value of the `name` key. */
  readonly logger: string
  /** True where the configuration was not readable and a warning is due. */
  readonly unparsable: boolean
}

/** zapdriver.NewProductionConfig. */
const production: LogFormat = {
  level: 'info',
  output: 'stderr',
  keys: {
    level: 'severity',
    time: 'timestamp',
    name: 'logger',
    caller: 'caller',
    message: 'message',
    stacktrace: 'stacktrace',
  },
  levelEncoder: 'zapdriver',
  timeEncoder: 'rfc3339nano',
  logger: 'queueproxy',
  unparsable: false,
}

/** zap's names of levels. We write none between error and fatal. */
const levels: Readonly<Record<string, Level>> = Object.assign(Object.create(null), {
  debug: 'debug',
  info: 'info',
  '': 'info',
  warn: 'warn',
  warning: 'warn',
  error: 'error',
  dpanic: 'fatal',
  panic: 'fatal',
  fatal: 'fatal',
})

const timeEncoders: Readonly<Record<string, TimeEncoder>> = Object.assign(Object.create(null), {
  iso8601: 'iso8601',
  rfc3339: 'rfc3339',
  rfc3339nano: 'rfc3339nano',
  millis: 'millis',
  nanos: 'nanos',
})

/** Zap knows two spellings of a level, lower and upper case. */
function levelOf(text: string): Level | undefined {
  return text === text.toLowerCase() || text === text.toUpperCase() ? levels[text.toLowerCase()] : undefined
}

/** Never throws: what cannot be read yields the fallback with `unparsable`. */
export function readLogFormat(config: string, override: string): LogFormat {
  const format = config === '' ? production : parse(config)
  const level = override === '' ? undefined : levelOf(override)
  return level === undefined ? format : { ...format, level }
}

function parse(config: string): LogFormat {
  try {
    return laidOver(Members.of(readEnvironmentJson(config), 'zap.Config'))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { ...production, logger: 'fallback-logger.queueproxy', unparsable: true }
  }
}

function laidOver(config: Members): LogFormat {
  const text = config.text('level', 'info')
  const level = levelOf(text)
  if (level === undefined) throw new Fault('environment-invalid', `unrecognized level: ${JSON.stringify(text)}`)
  const encoder = config.object('encoderConfig', 'zapcore.EncoderConfig') ?? Members.of(null, 'zapcore.EncoderConfig')
  const { keys } = production
  return {
    ...production,
    level,
    output: config.has('outputPaths') && config.texts('outputPaths').includes('stdout') ? 'stdout' : 'stderr',
    keys: {
      level: encoder.text('levelKey', keys.level),
      time: encoder.text('timeKey', keys.time),
      name: encoder.text('nameKey', keys.name),
      caller: encoder.text('callerKey', keys.caller),
      message: encoder.text('messageKey', keys.message),
      stacktrace: encoder.text('stacktraceKey', keys.stacktrace),
    },
    // A given text, also an empty one, replaces zapdriver's encoder; unknown ones mean zap's defaults.
    levelEncoder: encoder.has('levelEncoder') ? levelEncoderOf(encoder.text('levelEncoder')) : production.levelEncoder,
    timeEncoder: encoder.has('timeEncoder') ? timeEncoderOf(encoder.text('timeEncoder')) : production.timeEncoder,
  }
}

const levelEncoderOf = (text: string): LevelEncoder => (text.startsWith('capital') ? 'upper' : 'lower')

const timeEncoderOf = (text: string): TimeEncoder => timeEncoders[text.toLowerCase()] ?? 'epoch'
