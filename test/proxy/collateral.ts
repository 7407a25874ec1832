import t from 'tap'
import { floorClock } from '../../src/base/floor.ts'
import type { News } from '../../src/collateral/news.ts'
import type { CollateralStore } from '../../src/collateral/store.ts'
import { compatible, demo } from '../../src/config/policies.ts'
import { type Policy, readPolicy } from '../../src/config/policy.ts'
import { openCollateral, tellCollateral, trustIn } from '../../src/proxy/collateral.ts'
import { realEvidenceMissing, realPem } from '../support/evidence.ts'
import { LabClock } from '../support/lab-clock.ts'

const read = (text: string): Policy => readPolicy(new TextEncoder().encode(text), 'test')
const attested = (collateral: object): Policy =>
  read(
    JSON.stringify({
      version: 1,
      name: 'mine',
      upstream: { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' },
      peers: { app: { enclaves: [{ mrenclave: '00'.repeat(32) }] } },
      collateral,
    }),
  )
const clock = floorClock(new LabClock(0), 0)

t.test('there is a store only where hardware evidence is judged and a source is named', async t => {
  const open = (policy: Policy) => openCollateral(policy, clock, () => undefined) !== undefined
  t.equal(open(attested({ sources: [{ kind: 'stapled' }] })), true)
  t.equal(open(attested({})), false)
  t.equal(open(read(demo)), false)
  t.equal(open(read(compatible)), false)

  const accept = 'app'
  const others = (more: object): Policy =>
    read(
      JSON.stringify({
        version: 1,
        name: 'mine',
        upstream: { mode: 'plaintext' },
        peers: { app: { enclaves: [{ mrenclave: '00'.repeat(32) }] } },
        collateral: { sources: [{ kind: 'stapled' }] },
        ...more,
      }),
    )
  t.equal(open(others({})), false)
  t.equal(open(others({ inbound: { clients: { mode: 'required', allow: [{ accept }] } } })), true)
  const vault = {
    url: 'https://vault.example',
    server: { accept },
    login: { sgx: { id: 'a' } },
    pki: { role: 'proxy' },
  }
  t.equal(open(others({ identity: { source: 'vault', vault } })), true)
})

const date = Date.UTC(2026, 0, 31)
const inForce: News = {
  news: 'in-force',
  what: 'tcb-info 00606a000000',
  source: 'pcs https://a',
  number: '18',
  issued: date,
  until: date,
  past: false,
}
const notTaken: News = { news: 'not-taken', what: 'qe-identity', reason: 'pcs https://a: away', until: date }
const rows: [name: string, news: News, line: readonly unknown[]][] = [
  [
    'what comes into force',
    inForce,
    [
      'info',
      'collateral in force',
      {
        what: 'tcb-info 00606a000000',
        source: 'pcs https://a',
        number: '18',
        issued: '2026-01-31T00:00:00.000Z',
        nextUpdate: '2026-01-31T00:00:00.000Z',
      },
    ],
  ],
  [
    'what does so past its next update',
    { ...inForce, past: true },
    ['error', 'collateral past its next update in force, DANGEROUSLY', { what: 'tcb-info 00606a000000' }],
  ],
  [
    'what is not taken, and until when that hurts nobody',
    notTaken,
    [
      'error',
      'collateral not taken',
      { what: 'qe-identity', reason: 'pcs https://a: away', inForceUntil: '2026-01-31T00:00:00.000Z' },
    ],
  ],
  [
    'what is not there at all',
    { ...notTaken, until: undefined },
    ['error', 'collateral not taken', { inForceUntil: 'nothing is: whoever needs it is refused' }],
  ],
  [
    'what is well again',
    { news: 'well-again', what: 'qe-identity', source: 'pcs https://a' },
    ['info', 'collateral well again', { what: 'qe-identity', source: 'pcs https://a' }],
  ],
]
function teller() {
  const lines: unknown[][] = []
  const counted: string[] = []
  const level = (name: string) => (message: string, fields?: object) => lines.push([name, message, fields])
  const log = {
    debug: level('debug'),
    info: level('info'),
    warn: level('warn'),
    error: level('error'),
    fatal: level('fatal'),
  }
  const tell = tellCollateral(log, { collateralAsked: (source, outcome) => counted.push(`${source} ${outcome}`) })
  return { tell, lines, counted }
}
for (const [name, news, line] of rows) {
  t.test(`the log tells ${name}`, async t => {
    const { tell, lines } = teller()
    tell(news)
    t.match(lines, [line])
  })
}

t.test('questions are counted by the kind of their source, and are no line', async t => {
  const { tell, lines, counted } = teller()
  tell({ news: 'asked', source: 'pccs https://pccs.example:8081', outcome: 'failed' })
  tell({ news: 'asked', source: 'stapled', outcome: 'newer' })
  t.same(counted, ['pccs failed', 'stapled newer'])
  t.same(lines, [])
})

t.test('synthetic trust needs nothing; without a source there is none', async t => {
  const trust = await trustIn(read(demo), undefined)(new Uint8Array())
  t.same(trust.collateral, { kind: 'synthetic' })
  const none = { code: 'collateral-missing', message: 'the policy names no source of collateral' }
  await t.rejects(trustIn(attested({}), undefined)(new Uint8Array()), none)
})

t.test(
  "a real peer's model is asked for, and what it brings along counts where the policy says so",
  { skip: realEvidenceMissing },
  async t => {
    const asked: unknown[] = []
    const store = {
      async provide(...all: unknown[]) {
        asked.push(all)
        return { kind: 'intel' }
      },
    } as unknown as CollateralStore
    const leaf = realPem('ratls-certs/gramine-cert.pem')
    const policy = attested({ sources: [{ kind: 'stapled' }], dangerPastNextUpdateSeconds: 60 })
    t.match(await trustIn(policy, store)(leaf), { collateral: { kind: 'intel' }, pastNextUpdateMs: 60_000 })
    t.same(asked, [[{ fmspc: '00606a000000', ca: 'platform' }, undefined]])
  },
)
