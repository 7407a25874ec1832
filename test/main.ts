// The process itself; what it does once it runs is told by the tests of test/e2e.

import { spawn, spawnSync } from 'node:child_process'
import t from 'tap'
import { mountPair, prepareMount } from './support/mounted.ts'
import { pod } from './support/pods.ts'
import { ask, choosePorts, environment, postern, preloaded, start, until } from './support/process.ts'
import { startContainer } from './support/process-inside.ts'

const quietMs = 200

t.test('a drained process ends with 0, a hurried one with 1', async t => {
  const cases: [name: string, signals: NodeJS.Signals[], code: number][] = [
    ['TERM', ['SIGTERM'], 0],
    ['INT', ['SIGINT'], 0],
    ['TERM twice', ['SIGTERM', 'SIGTERM'], 1],
  ]
  for (const [name, signals, code] of cases) {
    t.test(name, async t => {
      const ports = await choosePorts()
      await startContainer(t, ports.user)
      const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment(ports), quietMs })
      await until('it serves', () => proxy.stdout().includes('Starting http server main:'))
      for (const [i, signal] of signals.entries()) {
        if (i > 0) await until('the first is heard', () => proxy.stdout().includes('Received TERM'))
        proxy.signal(signal)
      }
      t.match(await proxy.exit, { code, signal: null })
      t.equal(proxy.stderr(), '')
    })
  }
})

t.test('what still holds the process a second after the last close is named and left behind', async t => {
  const ports = await choosePorts()
  const node = preloaded(`setTimeout(() => { setInterval(() => {}, 1e6) }, 1)`)
  const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment(ports), node, quietMs })
  await until('it serves', () => proxy.stdout().includes('Starting http server main:'))
  proxy.signal('SIGTERM')
  t.match(await proxy.exit, { code: 0, signal: null })
  t.match(proxy.stderr(), /^still open at exit: .*Timeout.*\n$/)
})

t.test('an error that nobody caught is told by its class and by our own lines alone', async t => {
  const thrown: [name: string, text: string, line: RegExp][] = [
    [
      'an Error',
      `throw Object.assign(new TypeError('canary'), { rawPacket: 'canary' })`,
      /^internal error: TypeError\n/,
    ],
    [
      'one with a code',
      `throw Object.assign(new Error('canary'), { code: 'ECANARY0' })`,
      /^internal error: ECANARY0\n/,
    ],
    ['no error at all', `throw 'canary'`, /^internal error: string\n$/],
    [
      'a promise',
      `Promise.reject(new RangeError('canary\\n    at canary (canary:1:1)'))`,
      /^internal error: RangeError\n/,
    ],
  ]
  for (const [name, text, line] of thrown) {
    t.test(name, async t => {
      const node = preloaded(`setImmediate(function somewhere() { setTimeout(() => { ${text} }, 300) })`)
      const proxy = start(t, ['proxy', '--policy', 'compatible'], { env: environment(await choosePorts()), node })
      t.match(await proxy.exit, { code: 1, signal: null })
      t.match(proxy.stderr(), line)
      t.notMatch(
        proxy
          .stderr()
          .replaceAll('ECANARY0', '')
          .replace(/data:text\S*/g, ''),
        /canary/i,
      )
    })
  }
})

t.test('frames are those of our files, without where they lie', async t => {
  const env = environment(await choosePorts())
  const node = preloaded(
    `import { systemClock } from '${new URL('../src/base/clock.ts', import.meta.url).href}'
     systemClock.every = () => { throw new Error('canary') }`,
  )
  const proxy = start(t, ['proxy', '--policy', 'compatible'], { env, node })
  t.match(await proxy.exit, { code: 1, signal: null })
  t.match(proxy.stderr(), /^internal error: Error\n/)
  t.match(proxy.stderr(), /\(?src\/\S+\.ts:\d+:\d+/)
  t.notMatch(proxy.stderr().replace(/data:text\S*/g, ''), /canary|file:|\/src\//)
})

t.test('readers of its output may go away', async t => {
  const ports = await choosePorts()
  const env = { PATH: process.env['PATH'], ...environment(ports) }
  const child = spawn(process.execPath, [postern, 'proxy', '--policy', 'compatible'], { env })
  t.teardown(() => child.kill('SIGKILL'))
  let ended = false
  child.on('exit', () => {
    ended = true
  })
  await new Promise(resolve => child.stdout.once('data', resolve))
  child.stdout.destroy()
  child.stderr.destroy()
  const port = ports.admin
  await until('the side port answers', async () => (await ask(port).catch(() => undefined))?.status === 404)
  // Each call writes a line to nobody.
  await ask(port, { path: '/wait-for-drain' })
  t.match(await ask(port), { status: 404 })
  t.notOk(ended)
})

t.test('inject: a dry run reads standard input; its exit code says whether a pod would be denied', async t => {
  for (const [changes, code] of [
    [{}, 0],
    [{ annotations: { 'postern.dev/epc': 'x' } }, 1],
  ] as const) {
    const input = JSON.stringify(pod(changes))
    const { status, stdout } = spawnSync(process.execPath, [postern, 'inject', '--dry-run'], {
      input,
      encoding: 'utf8',
    })
    t.equal(status, code)
    t.match(stdout, code === 0 ? 'sgx.intel.com/epc: 256Mi' : 'denied')
  }
})

t.test('inject: serves, and ends when it is told to', async t => {
  const folder = t.testdir({ 'options.json': '{ "version": 1, "platform": "aks" }', tls: {} })
  await prepareMount(`${folder}/tls`)
  await mountPair(`${folder}/tls`, 'one')
  const flags = [
    '--config',
    `${folder}/options.json`,
    '--certificates',
    `${folder}/tls`,
    '--port',
    '0',
    '--side-port',
    '0',
  ]
  const signals: [NodeJS.Signals[], number][] = [
    [['SIGTERM'], 0],
    [['SIGTERM', 'SIGINT'], 1],
  ]
  for (const [given, code] of signals) {
    const injector = start(t, ['inject', ...flags])
    await until('it serves', () => injector.stdout().includes('"Serving"'))
    const { sidePort } = injector.lines().at(-1) as { sidePort: number }
    for (const signal of given) {
      injector.signal(signal)
      // The process may go while it is asked.
      const ready = async () => (await ask(sidePort, { path: '/readyz' }).catch(() => undefined))?.status
      await until('it hears', async () => (await ready()) === 503 || injector.exited())
    }
    t.match(await injector.exit, { code, signal: null })
  }
})

t.test('the demo runs and ends', async t => {
  const demo = start(t, ['demo', '--exit', '--json', '--port-base', '17010'])
  const { code } = await demo.exit
  if (/^port \d+ is taken/.test(demo.stderr())) return
  const told = JSON.parse(demo.stdout()) as { synthetic: boolean; rows: { good: boolean }[] }
  t.same(
    told.rows.filter(({ good }) => !good),
    [],
  )
  t.equal(told.synthetic, true)
  t.equal(code, 0)
})

t.test('the commands', async t => {
  const cases: [args: string[], code: number, out: RegExp, err: RegExp][] = [
    [['--version'], 0, /^postern \d+\.\d+\.\d+\n$/, /^$/],
    [['--help'], 0, /^postern: /, /^$/],
    [
      ['proxy', '--policy', 'x', '--engine', 'none'],
      64,
      /^$/,
      /no engine "none"; there are bytes, bytes-streams, undici\n$/,
    ],
    [['inject'], 64, /^$/, /--config FILE is missing/],
    [['inject', '--dry-run', '--config', 'nowhere'], 64, /^$/, /^nowhere: ENOENT/],
    [['inject', '--config', 'package.json', '--port', 'x'], 1, /^$/, /^options package\.json: /],
    [['provision'], 64, /^$/, /--options FILE is missing/],
    [['provision', '--options', 'nowhere.json'], 1, /^$/, /^nowhere\.json: no readable file \(ENOENT\)/],
    [['policy', 'explain', 'compatible'], 0, /./, /^$/],
    [['nothing'], 64, /^$/, /see postern --help\n$/],
    [['demo', '--exit', '--port-base', 'x'], 64, /^$/, /--port-base/],
    [['proxy', '--policy', 'confidential'], 1, /^$/, /^policy confidential: /],
  ]
  for (const [args, code, out, err] of cases) {
    t.test(args.join(' '), async t => {
      const command = start(t, args)
      t.match(await command.exit, { code, signal: null })
      t.match(command.stdout(), out)
      t.match(command.stderr(), err)
    })
  }
})
