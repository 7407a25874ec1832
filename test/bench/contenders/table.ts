import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { makeKeyPair } from '../../../bench/backend/backend.ts'
import type { Site } from '../../../bench/contenders/contender.ts'
import { rungs } from '../../../bench/contenders/ladder.ts'
import { benchPolicy, engines, readEngines } from '../../../bench/contenders/postern.ts'
import { contenders, own } from '../../../bench/contenders/table.ts'
import { findTools } from '../../../bench/machine/tools.ts'
import { loadPolicy } from '../../../src/config/policy.ts'

function folder(t: Pick<typeof import('tap').t, 'teardown'>): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

t.test('which engines there are is read from the help', async t => {
  t.same(readEngines('  --engine NAME  how bytes move: undici (the default)\n'), ['undici'])
  t.match(
    new Set(readEngines('  --engine NAME  how bytes move: bytes (the default), undici\n')),
    new Set(['bytes', 'undici']),
  )
  const several =
    '  --engine NAME  how bytes move: bytes (the default); bytes-streams, which costs more; undici, to compare with\n'
  for (const name of ['bytes', 'bytes-streams', 'undici']) t.ok(readEngines(several).includes(name))
  t.same(readEngines('no such flag'), [])
  t.ok(engines().includes('undici'), 'and this build says that it has the reference engine')
})

t.test('every contender has a name of its own, and ours are among them', async t => {
  const names = contenders.map(({ name }) => name)
  t.equal(new Set(names).size, names.length)
  t.ok(own.every(name => names.includes(name)))
})

t.test('each way in which ours is run is a policy that it takes', async t => {
  const pair = await makeKeyPair(folder(t))
  for (const upstream of ['h', 'tls'] as const) {
    for (const mode of ['attested', 'pinned'] as const) {
      const { policy } = loadPolicy('bench.json', () => Buffer.from(benchPolicy({ upstream, pair }, mode)))
      t.equal(policy.inbound.plaintext, 'serve')
      t.equal(policy.upstream.mode, upstream === 'h' ? 'plaintext' : mode)
    }
  }
})

t.test('the ladder climbs: each rung has what the one before has, and one thing more', async t => {
  const steps = rungs('undici')
  t.equal(steps[0]?.leg, 'h-h')
  t.equal(steps.at(-1)?.leg, 'tls-tls')
  t.equal(new Set(steps.map(({ contender }) => contender.name)).size, steps.length)
})

t.test('commands name the ports, the backend and the files that they are given', async t => {
  const path = folder(t)
  const pair = await makeKeyPair(path)
  const site: Site = {
    ...{ ports: { h: 11_111, tls: 22_222 }, spare: [3, 4, 5], upstream: 'tls', backendPort: 33_333, limit: 7 },
    ...{ folder: path, pair, otherPair: pair, tools: findTools() },
  }
  const said = (name: string): string => {
    const command = contenders.find(each => each.name === name)?.command?.(site)
    const files = (command?.args ?? []).filter(arg => arg.startsWith(path) && !arg.endsWith('.key') && arg !== path)
    return JSON.stringify(command) + files.map(file => readFileSync(file, 'utf8')).join()
  }
  for (const name of ['bytes', 'nginx', 'haproxy', 'http-proxy']) {
    for (const what of ['11111', '22222', '33333']) t.match(said(name), what, `${name} ${what}`)
  }
  t.match(said('haproxy'), 'maxconn 7')
  t.match(said('bytes'), '"CONTAINER_CONCURRENCY":"7"')
})
