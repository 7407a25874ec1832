// The demo as a visitor runs it; and that it can fail, without which its rows would prove nothing.

import { once } from 'node:events'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import t, { type Test } from 'tap'
import { portBase, source, spoil, type Told } from '../support/demo.ts'
import { ask, start, until } from '../support/process.ts'
import { listen } from '../support/sockets.ts'

t.test('the tour: every row is as it should be', async t => {
  const demo = start(t, ['demo', '--exit', '--json', '--port-base', String(await portBase())])
  t.match(await demo.exit, { code: 0, signal: null })
  t.equal(demo.stderr(), '')
  const told = JSON.parse(demo.stdout()) as Told
  t.equal(told.synthetic, true)
  t.equal(told.good, true)
  for (const row of told.rows) {
    t.equal(row.got, row.want, row.what)
    t.ok(row.good && row.why !== '', row.what)
  }
  t.equal(told.rows.filter(({ what }) => what.startsWith("in the function's place")).length, 6)
})

t.test('for people it says SYNTHETIC first, marks rows, and stays until it is told to go', async t => {
  const base = await portBase()
  const demo = start(t, ['demo', '--port-base', String(base)])
  await until('the invitation', () => demo.stdout().includes('Everything stays up until Ctrl-C'), 60_000)
  t.match(demo.stdout(), /^SYNTHETIC evidence throughout/)
  t.match(demo.stdout(), 'All as it should be.')
  t.notMatch(demo.stdout(), '\u001b[', 'no colours where nobody sees them')
  t.notMatch(demo.stdout(), /^!!/m)
  t.match(await ask(base, { path: '/hello', tls: true }), { status: 200, body: /hello from the function/ })
  t.equal(await statusOverHttp2(base + 2), 200, 'what it says to try works for curl, which takes HTTP/2 where it can')
  demo.signal('SIGINT')
  t.match(await demo.exit, { code: 0, signal: null })
  t.match(demo.stdout(), /\nleaving\n$/)
  t.equal(demo.stderr(), '')
})

async function statusOverHttp2(port: number): Promise<unknown> {
  const session = connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false })
  try {
    const [head] = await once(session.request({ ':path': '/hello' }).resume(), 'response')
    return head[':status']
  } finally {
    session.destroy()
  }
}

t.test('a taken port is told by its number', async t => {
  const taken = await listen(t, createServer())
  const demo = start(t, ['demo', '--exit', '--port-base', String(taken - 3)])
  t.match(await demo.exit, { code: 1, signal: null })
  t.match(demo.stderr(), /^port \d+ is taken: stop what holds it, or choose others with --port-base N\n$/)
  t.equal(demo.stdout(), '')
})

t.test('a port base that leaves no room is a mistake of usage', async t => {
  for (const base of ['0', '80', '65530', '65536', '-1', '1e4', '18080x', '']) {
    t.test(JSON.stringify(base), async t => {
      const demo = start(t, ['demo', '--exit', `--port-base=${base}`])
      t.match(await demo.exit, { code: 64, signal: null })
      t.match(demo.stderr(), `--port-base: want a number from 1024 to 65529, got "${base}"`)
    })
  }
})

async function tour(t: Test, node: readonly string[]): Promise<Told> {
  const demo = start(t, ['demo', '--exit', '--json', '--port-base', String(await portBase())], { node })
  t.match(await demo.exit, { code: 1, signal: null })
  return JSON.parse(demo.stdout()) as Told
}

t.test('it can fail', async t => {
  t.test('an impostor that is refused by another rule than the one expected is marked', async t => {
    const told = await tour(
      t,
      spoil(`import { impostors } from '${source('demo/function.ts')}'
             impostors[3].rule = 'debug'`),
    )
    t.equal(told.good, false)
    const bad = told.rows.filter(({ good }) => !good)
    t.equal(bad.length, 1)
    t.match(bad[0], { what: /an enclave with other code/, want: /refused by debug/, got: /refused by mrenclave/ })
  })

  t.test('a container that nobody has to refuse is marked where an impostor should be', async t => {
    const told = await tour(
      t,
      spoil(`import { demoCredential, impostors } from '${source('demo/function.ts')}'
             import { demoFunction } from '${source('demo/enclaves.ts')}'
             impostors[3].credential = () => demoCredential(demoFunction())`),
    )
    t.equal(told.good, false)
    const bad = told.rows.filter(({ good }) => !good)
    t.equal(bad.length, 1)
    t.match(bad[0], { want: '502, refused by mrenclave, 0 bytes', got: /^200, refused by nobody, [1-9]\d* bytes$/ })
  })
})
