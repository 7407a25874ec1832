import { createHash } from 'node:crypto'
import t from 'tap'
import type { OwnClaims } from '../../src/attest/bind.ts'
import {
  makeRequestEvidence,
  maxEvidenceBytes,
  maxRequestBytes,
  readRequest,
  readRequestEvidence,
  requestContext,
} from '../../src/attest/csr.ts'
import { judgeRequest } from '../../src/attest/peer.ts'
import type { PeerRule } from '../../src/attest/policy.ts'
import { toHex } from '../../src/base/bytes.ts'
import { certificateRequest, generateKey, type KeyPair } from '../../src/identity/x509.ts'
import { at, makeRule, makeTee, mrenclave, refusingTee, service, spkiOf, trust } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const channel = new Uint8Array(32).fill(5)
const policyDigest = new Uint8Array(32).fill(9)
const rule = makeRule({ role: 'proxy', service, policyDigests: [toHex(policyDigest)] })

const requestFor = (key: KeyPair): Promise<Uint8Array> =>
  certificateRequest({ key, subject: { commonName: 'postern' }, dnsNames: ['admin.example'], uris: [], extensions: [] })

async function made(own: Partial<OwnClaims> = {}, tee = makeTee()) {
  const key = generateKey()
  const der = await requestFor(key)
  const spki = spkiOf(key)
  const evidence = await makeRequestEvidence(tee, {
    spki,
    role: 'proxy',
    policyDigest,
    service,
    ...own,
    channels: [channel],
  })
  return { request: readRequest(der), evidence, channel, der, spki }
}

const rulesOf = (asked: Parameters<typeof judgeRequest>[0], by: Partial<PeerRule> = {}): string[] => {
  const judgement = judgeRequest(asked, { ...rule, ...by }, trust, at)
  return judgement.accepted ? [] : judgement.reasons.map(reason => reason.rule)
}

t.test('a request says its key, and that its owner made it', async t => {
  const { request, der, spki } = await made()
  t.same(request.spki, spki)
  t.equal(request.sha256, createHash('sha256').update(der).digest('hex'))
  t.same(requestContext(der), createHash('sha256').update(der).digest())
})

t.test('whatever is no request signed by its own key is refused', async t => {
  const { der } = await made()
  const other = await requestFor(generateKey())
  const changed = (offset: number, xor: number): Uint8Array => der.map((byte, i) => (i === offset ? byte ^ xor : byte))
  const bad: [name: string, bytes: Uint8Array, code: string][] = [
    ['nothing', new Uint8Array(), 'evidence-malformed'],
    ['a byte more', Buffer.concat([der, Uint8Array.of(0)]), 'evidence-malformed'],
    ['too long', new Uint8Array(maxRequestBytes + 1), 'evidence-malformed'],
    ['another version', changed(Buffer.from(der).indexOf(Uint8Array.of(2, 1, 0)) + 2, 1), 'evidence-malformed'],
    [
      'another curve',
      changed(Buffer.from(der).indexOf(Buffer.from('2a8648ce3d030107', 'hex')) + 7, 1),
      'evidence-malformed',
    ],
    [
      'a point that is none',
      changed(Buffer.from(der).indexOf(Buffer.from('03420004', 'hex')) + 9, 0x55),
      'evidence-malformed',
    ],
    ['another name in it', changed(Buffer.from(der).indexOf('postern'), 1), 'evidence-unbound'],
    ['the signature of another', spliced(der, other), 'evidence-unbound'],
    [
      'another algorithm',
      changed(Buffer.from(der).lastIndexOf(Buffer.from('ce3d0403', 'hex')) + 4, 1),
      'evidence-malformed',
    ],
  ]
  for (const [name, bytes, code] of bad) {
    t.equal(
      outcome(() => readRequest(new Uint8Array(bytes))),
      code,
      name,
    )
  }
})

/** One request's content with the other's signature, its outer length made to fit. */
function spliced(a: Uint8Array, b: Uint8Array): Uint8Array {
  const parts = (der: Uint8Array): [Buffer, Buffer] => {
    const bytes = Buffer.from(der)
    const algorithm = bytes.lastIndexOf(Buffer.from('300a06082a8648ce3d040302', 'hex'))
    const content = bytes.indexOf(0x30, 1)
    return [bytes.subarray(content, algorithm), bytes.subarray(algorithm)]
  }
  const body = Buffer.concat([parts(a)[0], parts(b)[1]])
  return Buffer.concat([Uint8Array.of(0x30, 0x81, body.length), body])
}

t.test('evidence for the key of the request and for its connection is accepted', async t => {
  const asked = await made()
  const judgement = judgeRequest(asked, rule, trust, at)
  t.ok(judgement.accepted)
  if (!judgement.accepted) return
  t.equal(judgement.evidence.postern?.use, 'csr')
  t.equal(judgement.evidence.leafSha256, asked.request.sha256)
  t.ok(judgement.until > at && Number.isFinite(judgement.until))
})

t.test('evidence for anything else is refused, by its rule', async t => {
  const good = await made()
  const other = await made()
  t.same(rulesOf({ ...good, channel: new Uint8Array(32) }), ['channel'], 'another connection')
  t.same(rulesOf({ ...good, request: other.request }), ['evidence-unbound'], 'another key')
  t.same(rulesOf({ ...good, evidence: new Uint8Array(maxEvidenceBytes + 1) }), ['evidence-malformed'], 'too long')
  t.same(rulesOf(await made({ role: 'workload' })), ['role'], 'another role')
  t.same(rulesOf(await made({ service: `${service}-2` })), ['service'], 'another service')
  t.same(rulesOf(await made({ policyDigest: new Uint8Array(32) })), ['policy'], 'another policy')
  t.same(rulesOf(await made({}, makeTee({ debug: true }))), ['debug'], 'a debug enclave')
  t.same(rulesOf(good, { enclaves: [{ mrenclave: '00'.repeat(32) }] }), ['mrenclave'], 'another enclave')
  t.same(rulesOf(good, { refuse: { leafSha256s: [], mrenclave: toHex(mrenclave) } }), ['own-measurement'], 'ourselves')
  const { spki } = good
  const reused = await makeRequestEvidence(makeTee(), {
    spki,
    role: 'proxy',
    policyDigest,
    service,
    // As nobody's type allows.
    channels: [channel, channel] as unknown as [Uint8Array],
  })
  t.match(
    readRequestEvidence(reused, spki, channel).reasons,
    [{ rule: 'channel', got: 'for several' }],
    'for several connections',
  )
})

t.test('without a quote there is no evidence', async t => {
  await t.rejects(made({}, refusingTee('no quotes today')), { code: 'tee-unavailable' })
  t.match(
    complaint(() => readRequestEvidence(Uint8Array.of(0), new Uint8Array(91), channel)),
    /tag/,
  )
})
