import { Agent } from 'node:https'
import t from 'tap'
import { type Asking, type Counts, type Found, keptVisitors, Load } from '../../../src/demo/provision/load.ts'
import { until } from '../../support/process.ts'

const leaf = (name: string, endsInMs = 60_000): Found => ({ status: 200, leaf: name, notAfter: Date.now() + endsInMs })

/** A client whose every request comes to what is said here; `first`: on a connection that was opened for it. */
function client(fresh: () => Found | Error, kept: (first: boolean) => Found | Error = () => leaf('a')): Asking {
  const known = new Set<Agent>()
  return {
    agent: keepAlive => new Agent({ keepAlive }),
    async ask(agent) {
      const found = agent ? kept(!known.has(agent)) : fresh()
      if (agent) known.add(agent)
      if (found instanceof Error) throw found
      return found
    },
  }
}

async function after(client: Asking, enough: (counts: Counts) => boolean): Promise<Counts> {
  const load = new Load(client)
  load.begin()
  await until('there is enough', () => enough(load.counts()))
  return load.end()
}

t.test('certificates are those of new connections, and connections those of visitors who keep theirs', async t => {
  let turn = 0
  const asking = client(
    () => leaf(`${turn++ % 3}`),
    first => (first ? leaf('old') : { status: 200 }),
  )
  const counts = await after(asking, ({ kept, fresh }) => fresh > 3 && kept > 2 * keptVisitors)
  t.match(counts, { certificates: 3, connections: keptVisitors, failed: 0, late: 0, problem: undefined })
})

t.test('what is not answered with 200 has failed, and the first of it is told', async t => {
  const refused = await after(
    client(() => new Error('no such host')),
    ({ failed }) => failed > 2,
  )
  t.match(refused, { fresh: 0, late: 0, problem: 'no such host' })
  const unavailable = await after(
    client(
      () => leaf('a'),
      () => ({ status: 503 }),
    ),
    ({ failed }) => failed > 2,
  )
  t.match(unavailable, { kept: 0, late: 0, problem: 'status 503' })
})

t.test('what fails once the certificate has ended is told apart from what fails before', async t => {
  let ended = false
  const end = leaf('a', 100)
  const expired = client(
    () => (ended ? new Error('certificate has expired') : end),
    () => ({ status: ended ? 502 : 200 }),
  )
  setTimeout(() => {
    ended = true
  }, 150)
  t.match(await after(expired, ({ late }) => late > keptVisitors), { failed: 0, problem: undefined })
  const early = client(() => (ended ? new Error('reset') : leaf('a')))
  ended = false
  setTimeout(() => {
    ended = true
  }, 50)
  t.match(await after(early, ({ failed }) => failed > 1), { late: 0, problem: 'reset' })
})

t.test('it begins anew with counts of zero', async t => {
  const load = new Load(client(() => new Error('gone')))
  load.begin()
  await until('something failed', () => load.counts().failed > 0)
  await load.end()
  t.match(load.begin(), { failed: 0, certificates: 0, problem: undefined })
  await load.end()
})
