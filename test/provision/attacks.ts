// Attacks on the attesting CA, each on a real connection: refused with a reason and a line of the audit log, and nothing
// is issued.

import t from 'tap'
import { bindClaims, encodeClaims } from '../../src/attest/bind.ts'
import { exporterBytes, exporterLabel, makeAnswer } from '../../src/attest/challenge.ts'
import { requestContext } from '../../src/attest/csr.ts'
import { writeTagged } from '../../src/attest/ratls.ts'
import { toHex } from '../../src/base/bytes.ts'
import { encodeFields } from '../../src/base/cbor.ts'
import { readQuestion, writeQuestion } from '../../src/identity/issuance.ts'
import { verifyAudit } from '../../src/provision/audit.ts'
import { makeTee, mrenclave, spkiOf } from '../support/evidence.ts'
import {
  ask,
  call,
  caMrenclave,
  caTee,
  type Exported,
  json,
  makeAsked,
  makeOptions,
  operator,
  policyDigest,
  policySet,
  revocationSet,
  type Said,
  service,
  sign,
  startCa,
  statementFor,
  unlock,
} from '../support/provision.ts'
import { ed25519Key } from '../support/signed.ts'

type Running = Awaited<ReturnType<typeof startCa>>
const synthetic = { piid: '49'.repeat(16), ppid: '50'.repeat(16) }

const audited = ({ lines }: Running): Record<string, unknown>[] =>
  lines.filter(line => line.startsWith('{"audit"')).map(line => JSON.parse(line))

/** Refused by these rules, in the answer and in the log, and nothing was issued. */
function refused(t: Tap, running: Running, said: Said, status: number, rules: readonly string[]): void {
  t.equal(said.status, status)
  if (status !== 503) t.same(json(said)['rules'], rules)
  const log = audited(running)
  const last = log.at(-1) as { event: string; reasons: { rule: string }[] }
  t.equal(last.event, 'refused')
  t.same(
    last.reasons.map(({ rule }) => rule),
    status === 503 ? ['locked'] : rules,
  )
  t.equal(log.filter(({ event }) => event === 'issued').length, 0)
  t.ok(verifyAudit(running.lines.join('')).ok)
}
type Tap = Pick<typeof t, 'equal' | 'same' | 'ok'>

interface Attack {
  readonly name: string
  readonly rules: readonly string[]
  readonly status?: number
  readonly revocations?: string
  readonly policies?: string
  readonly options?: object
  readonly body: (exported: Exported) => Promise<Uint8Array>
}

const otherChannel: Exported = () => Buffer.alloc(32, 1)

const attacks: readonly Attack[] = [
  {
    name: 'evidence that was made for another channel, as whoever records or relays it has it',
    rules: ['channel'],
    body: async () => ask(await makeAsked(), otherChannel),
  },
  {
    name: 'a request for another key than the one that the evidence is about',
    rules: ['evidence-unbound'],
    async body(exported) {
      const asked = await makeAsked()
      const { evidence } = readQuestion(await ask(asked, exported))
      return writeQuestion({ request: (await makeAsked()).request, evidence })
    },
    status: 400,
  },
  {
    name: 'a request that its key has not signed',
    rules: ['evidence-unbound'],
    status: 400,
    async body(exported) {
      const { request, evidence } = readQuestion(await ask(await makeAsked(), exported))
      const spoilt = new Uint8Array(request)
      spoilt.set([0x78], Buffer.from(request).indexOf('me'))
      return writeQuestion({ request: spoilt, evidence })
    },
  },
  {
    name: 'evidence that was made to show a TLS certificate',
    rules: ['use', 'channel'],
    async body(exported) {
      const asked = await makeAsked()
      const { request } = readQuestion(await ask(asked, exported))
      const own = { spki: spkiOf(asked.key), use: 'tls', role: 'proxy', policyDigest, service } as const
      const claims = encodeClaims(own)
      return writeQuestion({
        request,
        evidence: writeTagged({ claims, quote: await makeTee().quote(bindClaims(claims)) }),
      })
    },
  },
  {
    name: 'evidence that answered a challenge, channel and all',
    rules: ['use'],
    async body(exported) {
      const { key, request } = await makeAsked()
      const channel = new Uint8Array(exported(exporterBytes, exporterLabel, requestContext(request)))
      const own = { spki: spkiOf(key), role: 'proxy', policyDigest, service, channels: [channel] } as const
      return writeQuestion({ request, evidence: await makeAnswer(makeTee(), own) })
    },
  },
  {
    name: "the CA's own evidence, reflected",
    rules: ['policy-set'],
    body: async exported => ask(await makeAsked(), exported, { role: 'provision' }, caTee()),
  },
  {
    name: "an enclave of the CA's own measurement that calls itself a proxy",
    rules: ['own-measurement'],
    options: { peers: { app: { enclaves: [{ mrenclave: toHex(caMrenclave) }] } } },
    body: async exported => ask(await makeAsked(), exported, {}, caTee()),
  },
  {
    name: 'a policy that is not in the set',
    rules: ['policy-set'],
    body: async exported => ask(await makeAsked(), exported, { policyDigest: new Uint8Array(32) }),
  },
  {
    name: 'a policy of the set in another role',
    rules: ['policy-set'],
    policies: policySet({ policies: [{ digest: toHex(policyDigest), role: 'workload', service, accept: 'app' }] }),
    body: async exported => ask(await makeAsked(), exported),
  },
  {
    name: 'a service that the policy does not grant',
    rules: ['service'],
    body: async exported => ask(await makeAsked(), exported, { service: service.replace('cart', 'admin') }),
  },
  {
    name: 'a debug enclave',
    rules: ['debug'],
    body: async exported => ask(await makeAsked(), exported, {}, makeTee({ debug: true })),
  },
  {
    name: 'another enclave',
    rules: ['mrenclave'],
    options: { peers: { app: { enclaves: [{ mrenclave: '00'.repeat(32) }] } } },
    body: async exported => ask(await makeAsked(), exported),
  },
  {
    name: 'an enclave whose entry has ended',
    rules: ['enclave-expired'],
    options: { peers: { app: { enclaves: [{ mrenclave: toHex(mrenclave), until: '2026-01-01T00:00:00Z' }] } } },
    body: async exported => ask(await makeAsked(), exported),
  },
  {
    name: 'a machine that is not enrolled',
    rules: ['platform'],
    options: { peers: { app: { enclaves: [{ mrenclave: toHex(mrenclave) }], platforms: ['00'.repeat(16)] } } },
    body: async exported => ask(await makeAsked(), exported),
  },
  {
    name: 'a revoked policy, enclave and machine',
    rules: ['policy-revoked', 'enclave-revoked', 'platform-revoked'],
    revocations: revocationSet({
      policies: [toHex(policyDigest)],
      enclaves: [toHex(mrenclave)],
      platforms: [synthetic.piid],
    }),
    body: async exported => ask(await makeAsked(), exported),
  },
  {
    name: 'a quote with a bit turned',
    rules: ['quote-unverified'],
    async body(exported) {
      const { request, evidence } = readQuestion(await ask(await makeAsked(), exported))
      const spoilt = evidence.map((byte, i) => (i === 120 ? byte ^ 1 : byte))
      return writeQuestion({ request, evidence: spoilt })
    },
  },
  {
    name: 'a question with a field more',
    rules: ['request-malformed'],
    status: 400,
    async body(exported) {
      const { request, evidence } = readQuestion(await ask(await makeAsked(), exported))
      return encodeFields(
        new Map([
          [1, request],
          [2, evidence],
          [3, Uint8Array.of(1)],
        ]),
      )
    },
  },
]

for (const { name, rules, status = 403, options, body, ...sets } of attacks) {
  t.test(name, async t => {
    const running = await startCa(options ? { options: makeOptions(options) } : {})
    t.teardown(() => running.drain())
    t.equal((await unlock(running.port, {}, sets)).status, 204)
    refused(t, running, await call(running.port, { body }), status, rules)
  })
}

t.test('a question that got its certificate is nothing on another connection', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  await unlock(running.port)
  let recorded: Uint8Array = new Uint8Array()
  const asked = await makeAsked()
  const first = await call(running.port, {
    async body(exported) {
      recorded = await ask(asked, exported)
      return recorded
    },
  })
  t.equal(first.status, 200)
  const second = await call(running.port, { body: recorded })
  t.equal(second.status, 403)
  t.same(json(second)['rules'], ['channel'])
  const log = audited(running)
  t.match(log.at(-1), { event: 'refused', reasons: [{ rule: 'channel' }] })
  t.equal(log.filter(({ event }) => event === 'issued').length, 1, 'the first one')
})

t.test('a clone, or one that was started anew, is locked: what unlocked the other does not unlock it', async t => {
  const [original, clone] = [await startCa(), await startCa()]
  t.teardown(() => Promise.all([original.drain(), clone.drain()]))
  const [policies, revocations] = [policySet(), revocationSet()]
  const state = json(await call(original.port, { method: 'GET', path: '/v1/state' }))
  const body = JSON.stringify({ statement: sign(statementFor(state, policies, revocations)), policies, revocations })
  const to = (running: Running): Promise<Said> =>
    call(running.port, { path: '/v1/unlock', type: 'application/json', body })
  t.equal((await to(original)).status, 204)
  const replayed = await to(original)
  t.equal(replayed.status, 403, 'a statement counts once')
  t.match(json(replayed)['detail'], /boot/)
  const cloned = await to(clone)
  t.equal(cloned.status, 403)
  t.match(json(cloned)['detail'], /ca: want/)
  t.match(audited(clone).at(-1), {
    event: 'unlock-refused',
    reasons: [{ rule: 'statement', code: 'policy-invalid', why: /^statement: ca: want/ }],
  })
  const asked = await makeAsked()
  refused(t, clone, await call(clone.port, { body: exported => ask(asked, exported) }), 503, [])
})

t.test('nobody unlocks it who may not, or for other sets, or for another time', async t => {
  const running = await startCa()
  t.teardown(() => running.drain())
  const [policies, revocations] = [policySet(), revocationSet()]
  const state = json(await call(running.port, { method: 'GET', path: '/v1/state' }))
  const good = statementFor(state, policies, revocations)
  const post = (statement: string, sets: object = {}): Promise<Said> =>
    call(running.port, {
      path: '/v1/unlock',
      type: 'application/json',
      body: JSON.stringify({ statement, policies, revocations, ...sets }),
    })
  const bad: [name: string, statement: string, sets: object, why: RegExp][] = [
    ['another key', sign(good, ed25519Key()), {}, /signature/],
    ['an unknown name', sign(good, operator, 'ops-2'), {}, /kid/],
    ['a signed policy', sign(good, operator, 'ops-1', 'postern-policy+jws'), {}, /typ/],
    ['other policies', sign(good), { policies: `${policies} ` }, /policies: want/],
    ['other revocations', sign(good), { revocations: `${revocations} ` }, /revocations: want/],
    ['an old time', sign({ ...good, time: good.time - 3600 }), {}, /time: /],
    ['a member more', sign({ ...good, admin: true }), {}, /admin/],
  ]
  for (const [name, statement, sets, why] of bad.slice(0, 4)) {
    const said = await post(statement, sets)
    t.equal(said.status, 403, name)
    t.match(json(said)['detail'], why, name)
  }
  t.match(json(await post(sign(good), { more: 1 })), { status: 400 })
  const log = audited(running).filter(({ event }) => event === 'unlock-refused')
  t.same(
    log.map(({ reasons }) => (reasons as { rule: string; code: string }[]).map(({ rule, code }) => [rule, code])),
    [...bad.slice(0, 4).map(() => [['statement', 'policy-invalid']]), [['statement', 'request-malformed']]],
  )
  t.match(await post(sign(good)), { status: 429 }, 'and not as often as he likes')
  t.equal(json(await call(running.port, { method: 'GET', path: '/v1/state' }))['locked'], true)
  for (const [name, statement, sets, why] of bad.slice(4)) {
    const other = await startCa()
    const there = json(await call(other.port, { method: 'GET', path: '/v1/state' }))
    const said = await call(other.port, {
      path: '/v1/unlock',
      type: 'application/json',
      body: JSON.stringify({
        statement: resigned(statement, there),
        policies,
        revocations,
        ...sets,
      }),
    })
    t.equal(said.status, 403, name)
    t.match(json(said)['detail'], why, name)
    await other.drain()
  }
})

/** The same lie about another CA. */
function resigned(statement: string, { ca, boot }: Record<string, unknown>): string {
  const payload = JSON.parse(Buffer.from(statement.split('.')[1] ?? '', 'base64url').toString())
  return sign({ ...payload, ca, boot })
}
