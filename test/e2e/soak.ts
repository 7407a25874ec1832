// The soak (test/soak/engine.ts) for some seconds: long enough for every kind of request and a few restarts of the
// container, too short to say anything about memory.

import t, { type Test } from 'tap'
import { Ledger } from '../soak/ledger.ts'
import { type SoakOptions, soak, thirds } from '../soak/run.ts'

const short: SoakOptions = {
  seconds: 8,
  requests: 20_000,
  visitors: 12,
  restMs: 20,
  restartSeconds: 2,
  attested: false,
  engine: 'bytes',
  drain: false,
}

async function holds(t: Test, options: SoakOptions): Promise<void> {
  const { requests, restarts, ends, problems } = await soak(t, options)
  t.same(problems, [])
  t.ok(requests > 0 && restarts > 0, `${requests} requests, ${restarts} restarts`)
  t.ok(ends['get: answered'], 'and answers came')
}

const books: [name: string, keep: (ledger: Ledger) => void, complaints: RegExp[]][] = [
  [
    'what must not be repeated',
    ledger => {
      const id = ledger.open(false)
      ledger.arrived(id)
      ledger.lost(id)
      ledger.arrived(id)
    },
    [/^0 must not be repeated and arrived 2 times$/],
  ],
  [
    'what nobody broke off',
    ledger => {
      const id = ledger.open(true)
      ledger.arrived(id)
      ledger.arrived(id)
      ledger.answered(id)
    },
    [/^0 was answered and arrived 2 times$/],
  ],
  [
    'what comes too late',
    ledger => {
      const id = ledger.open(true)
      ledger.arrived(id)
      ledger.answered(id)
      ledger.arrived(id)
    },
    [/^0 arrived after it was answered$/],
  ],
  [
    'what never came',
    ledger => ledger.answered(ledger.open(false)),
    [/^0 was answered and never reached the container$/],
  ],
  ['what nobody sent', ledger => ledger.arrived(7), [/^7 reached the container and was never sent$/]],
  [
    'nothing, where a request was rightly repeated',
    ledger => {
      const id = ledger.open(true)
      ledger.arrived(id)
      ledger.lost(id)
      ledger.arrived(id)
      ledger.answered(id)
    },
    [],
  ],
]
for (const [name, keep, complaints] of books) {
  t.test(`the books of a soak notice ${name}`, async t => {
    const ledger = new Ledger(32)
    keep(ledger)
    t.match(ledger.complaints, complaints)
    t.equal(ledger.complaintCount, complaints.length)
  })
}

t.test('memory is judged by thirds after it has warmed up', async t => {
  const readings = Array.from({ length: 240 }, (_, at) => ({ seconds: at * 5, rssKib: 1_000 + at, files: at }))
  t.equal(thirds(readings.slice(2)), undefined, 'too few of them')
  t.match(thirds(readings), { first: { rssKib: 1_140, files: 140 }, last: { rssKib: 1_220, seconds: 1_100 } })
})

t.test('everything goes wrong for some seconds, and every answer belongs to its request', t => holds(t, short))

t.test('so it does between TLS and an attested container', t => holds(t, { ...short, attested: true }))
