import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type RunCommand, readCommand } from '../../bench/args.ts'
import { contenders } from '../../bench/contenders/table.ts'
import { scenarios } from '../../bench/scenarios.ts'

const read = (...argv: string[]) => readCommand(argv, { contenders, scenarios })
const run = (...argv: string[]): RunCommand => {
  const command = read('run', ...argv)
  if (command.verb !== 'run') throw new Error(command.verb)
  return command
}

t.test('without flags everything runs', async t => {
  const command = run()
  t.equal(command.scenarios.length, scenarios.length)
  t.equal(command.contenders.length, contenders.length)
  t.match(command.pace, { rounds: 5 })
  t.equal(command.counting, 'both')
})

t.test('--quick keeps the legs that are meant for it', async t => {
  const { scenarios: quick } = run('--quick')
  t.ok(quick.length > 0 && quick.length < scenarios.length)
  for (const { name, legs } of quick) t.same(legs, scenarios.find(each => each.name === name)?.quick)
  t.same(
    run('--quick', '--scenario', '10k').scenarios[0]?.legs.length,
    2,
    'a scenario that is named keeps all its legs',
  )
})

t.test('names narrow the tables', async t => {
  const command = run('--scenario', '1m', '--leg', 'h-tls', '--contender', 'nginx', '--contender', 'undici')
  t.same(
    command.scenarios.map(({ name, legs }) => [name, legs]),
    [['1m', ['h-tls']]],
  )
  t.same(command.contenders.map(({ name }) => name).sort(), ['nginx', 'undici'])
})

t.test('a command of anybody becomes a contender with the environment of a queue-proxy', async t => {
  const [contender] = run('--contender', 'mine=/bin/proxy --port {port} --to {scheme}:{backendPort}').contenders
  const command = contender?.command?.({
    ...{ ports: { h: 1, tls: 2 }, spare: [3, 4, 5], upstream: 'tls', backendPort: 6, limit: 7, folder: '/f' },
    ...{ pair: { certificate: '/c', key: '/k' }, otherPair: { certificate: '/o', key: '/p' }, tools: {} as never },
  })
  t.match(command, { file: '/bin/proxy', args: ['--port', '1', '--to', 'https:6'] })
  t.match(command?.env, { QUEUE_SERVING_PORT: '1', CONTAINER_CONCURRENCY: '7' })
  const [row] = scenarios
  if (!row) throw new Error('no scenario')
  t.equal(contender?.cannot(row, 'h-h'), undefined)
  t.match(contender?.cannot(row, 'h-tls'), /only the legs h-h/)
})

t.test('a description file says more', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'mine.json')
  const description = {
    command: ['a', '{folder}'],
    env: { PORT: '{port}' },
    legs: ['tls-h'],
    limit: true,
    ports: { h: 8012 },
  }
  writeFileSync(file, JSON.stringify(description))
  const [contender] = run('--contender', `mine=${file}`).contenders
  t.match(contender, { name: 'mine', fixedPorts: [8012], ports: { h: 8012 } })
  writeFileSync(file, JSON.stringify({ ...description, legs: ['x'], colour: 1 }))
  t.throws(() => run('--contender', `mine=${file}`), /\/legs\/0: want one of.*|\/colour: want no such key/)
  writeFileSync(file, '{')
  t.throws(() => run('--contender', `mine=${file}`), /is not JSON/)
  t.throws(() => run('--contender', `mine=${file}x.json`), /cannot be read/)
})

t.test('what it does not know is refused with the way to the help', async t => {
  const cases: [argv: string[], message: RegExp][] = [
    [['walk'], /no command "walk"/],
    [['run', '--rounds', '0'], /--rounds: want a number from 1 to 100, got "0"/],
    [['run', '--seconds', 'x'], /--seconds: want a number/],
    [['run', '--scenario', 'huge'], /--scenario: no "huge"; there are small-c32/],
    [['run', '--contender', 'caddy'], /--contender: no "caddy"; there are bytes/],
    [['run', '--leg', 'h'], /--leg: no "h"/],
    [['run', '--scenario', 'new-evidence', '--leg', 'h-h'], /nothing to run/],
    [['run', '--fast'], /--fast/],
    [['run', 'file'], /want no file, got 1/],
    [['run', '--contender', 'a= '], /\/command: want a program|want NAME=COMMAND/],
    [['report'], /want 1 result files, got 0/],
    [['compare', 'a.json'], /want 2 result files, got 1/],
    [['compare', 'a', 'b', '--threshold', '-1'], /threshold/],
  ]
  for (const [argv, message] of cases) {
    t.throws(() => read(...argv), { code: 'usage', message }, argv.join(' '))
  }
})

t.test('help is asked for in every usual way', async t => {
  for (const argv of [[], ['help'], ['--help'], ['-h'], ['run', '--help'], ['compare', '-h']]) {
    t.same(read(...argv), { verb: 'help' })
  }
})
