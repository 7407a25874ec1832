import t from 'tap'
import { readLogFormat } from '../../src/config/logging.ts'

const keys = {
  level: 'severity',
  time: 'timestamp',
  name: 'logger',
  caller: 'caller',
  message: 'message',
  stacktrace: 'stacktrace',
}
const production = {
  level: 'info',
  output: 'stderr',
  keys,
  levelEncoder: 'zapdriver',
  timeEncoder: 'rfc3339nano',
  logger: 'queueproxy',
  unparsable: false,
}

t.test("nothing configured is zapdriver's production configuration", async t => {
  t.same(readLogFormat('', ''), production)
  t.same(readLogFormat('{}', ''), production)
})

t.test("Knative's default configuration", async t => {
  const config = {
    level: 'info',
    outputPaths: ['stdout'],
    encoderConfig: { timeKey: 'ts', levelKey: '', levelEncoder: '', timeEncoder: 'iso8601' },
  }
  t.same(readLogFormat(JSON.stringify(config), ''), {
    ...production,
    output: 'stdout',
    keys: { ...keys, time: 'ts', level: '' },
    levelEncoder: 'lower',
    timeEncoder: 'iso8601',
  })
})

t.test('encoders by name, unknown ones as zap takes them', async t => {
  const encoders = (level: string, time: string) => {
    const config = { encoderConfig: { levelEncoder: level, timeEncoder: time } }
    const { levelEncoder, timeEncoder } = readLogFormat(JSON.stringify(config), '')
    return [levelEncoder, timeEncoder]
  }
  t.same(encoders('capital', 'RFC3339'), ['upper', 'rfc3339'])
  t.same(encoders('capitalColor', 'nanos'), ['upper', 'nanos'])
  t.same(encoders('color', 'millis'), ['lower', 'millis'])
  t.same(encoders('constructor', 'constructor'), ['lower', 'epoch'])
})

t.test('the level may be overridden, by a level', async t => {
  t.equal(readLogFormat('{"level":"warn"}', '').level, 'warn')
  t.equal(readLogFormat('{"level":"warn"}', 'DEBUG').level, 'debug')
  t.equal(readLogFormat('{"level":"warn"}', 'loud').level, 'warn')
  t.equal(readLogFormat('{"level":"warn"}', 'Debug').level, 'warn')
  t.equal(readLogFormat('{"level":"dpanic"}', '').level, 'fatal')
  t.equal(readLogFormat('', 'constructor').level, 'info')
})

t.test('an unreadable configuration is the fallback logger, never a stop', async t => {
  const unreadable = ['{', '[]', '{"level":"loud"}', '{"level":1}', '{"encoderConfig":[]}', '{"outputPaths":"stdout"}']
  for (const config of unreadable) {
    const format = readLogFormat(config, 'error')
    t.same(format, { ...production, level: 'error', logger: 'fallback-logger.queueproxy', unparsable: true }, config)
  }
})
