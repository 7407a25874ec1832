import { createHash } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { bindClaims, encodeClaims, maxChannels, type OwnClaims } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import {
  challengeBytes,
  channelContext,
  makeAnswer,
  maxAnswerBytes,
  readAnswer,
  readChallenge,
  writeChallenge,
} from '../../src/attest/challenge.ts'
import { judgeAnswer, judgePeer } from '../../src/attest/peer.ts'
import type { PeerRule } from '../../src/attest/policy.ts'
import { readEvidence, writeTagged } from '../../src/attest/ratls.ts'
import { concat, toHex } from '../../src/base/bytes.ts'
import { encodeCbor } from '../../src/base/cbor.ts'
import { ecKeys } from '../support/certificates.ts'
import { at, makePeer, makeRule, makeTee, mrenclave, refusingTee, service, spkiOf, trust } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const nonce = Uint8Array.from({ length: 32 }, (_, i) => i)

t.test('a challenge is these bytes, and is read back', async t => {
  const bytes = writeChallenge(nonce)
  t.equal(toHex(bytes), `a2015820${toHex(nonce)}0269${Buffer.from('challenge').toString('hex')}`)
  t.equal(bytes.length, challengeBytes)
  t.same(readChallenge(bytes), nonce)
})

t.test('nothing else is a challenge', async t => {
  const good = writeChallenge(nonce)
  const bad: [name: string, bytes: Uint8Array][] = [
    ['nothing', new Uint8Array()],
    ['a byte less', good.subarray(1)],
    ['a byte more', concat(good, Uint8Array.of(0))],
    ['another word', concat(good.subarray(0, -1), Uint8Array.of(0x66))],
    ['a shorter nonce', concat(Uint8Array.of(0xa2, 1, 0x58, 31), good.subarray(5))],
    ['another key', concat(Uint8Array.of(0xa2, 3), good.subarray(2))],
  ]
  for (const [name, bytes] of bad) {
    t.equal(
      outcome(() => readChallenge(bytes)),
      'evidence-malformed',
      name,
    )
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 100 }), bytes => {
      const spelt = bytes.length === challengeBytes && Buffer.from(writeChallenge(bytes.slice(4, 36))).equals(bytes)
      return (outcome(() => readChallenge(bytes)) !== 'evidence-malformed') === spelt
    }),
  )
})

t.test('what the exporter is asked about is the nonce, then the hash of the certificate, hashed', async t => {
  const leaf = Uint8Array.of(1, 2, 3)
  const inner = createHash('sha256').update(leaf).digest()
  t.same(channelContext(nonce, leaf), createHash('sha256').update(nonce).update(inner).digest())
})

const keys = ecKeys()
const leafDer = await makePeer({ keys })
const leaf = readCertificate(leafDer)
const channel = new Uint8Array(32).fill(7)
const other = new Uint8Array(32).fill(8)
const own = { spki: spkiOf(keys), role: 'workload', policyDigest: new Uint8Array(32).fill(9), service } as const
const answer = (more: Partial<OwnClaims> = {}, tee = makeTee()) =>
  makeAnswer(tee, { ...own, channels: [channel], ...more })

const judged = (bytes: Uint8Array, rule: PeerRule = makeRule(), when = at) =>
  judgeAnswer(bytes, { leaf: leafDer, channel }, rule, trust, when)
const rulesOf = (bytes: Uint8Array, rule?: PeerRule, when?: number): string[] => {
  const judgement = judged(bytes, rule, when)
  return judgement.accepted ? [] : judgement.reasons.map(reason => reason.rule)
}

t.test('an answer for this connection and this certificate is accepted, with the window of its evidence', async t => {
  const rule = makeRule({ role: 'workload', service, enclaves: [{ mrenclave: toHex(mrenclave), until: at + 7 }] })
  t.match(judged(await answer(), rule), {
    accepted: true,
    until: at + 7,
    evidence: { format: 'tagged', leafSha256: leaf.sha256, postern: { use: 'challenge', role: 'workload', service } },
  })
  const shared = [...Array.from({ length: maxChannels - 1 }, () => other), channel]
  t.same(rulesOf(await answer({ channels: shared })), [], 'one quote for as many connections as may share it')
})

/** Claims and a quote over them, as nobody of ours would make them. */
async function forged(claims: Uint8Array, tee = makeTee()): Promise<Uint8Array> {
  return writeTagged({ quote: await tee.quote(bindClaims(claims)), claims })
}

/** What the certificate itself shows: genuine, for the key, and not made for a challenge. */
const reflected = leaf.extensions.find(({ oid }) => oid === '2.23.133.5.4.9')?.value ?? new Uint8Array()

t.test('refused, each by its rule', async t => {
  const foreign = encodeCbor(
    new Map([['pubkey-hash', encodeCbor([1, createHash('sha256').update(own.spki).digest()])]]),
  )
  const spliced = readEvidence(leaf)
  const rows: [name: string, bytes: Uint8Array, rules: string[]][] = [
    ['an answer to another connection', await answer({ channels: [other] }), ['channel']],
    ['an answer to as many others as there can be', await answer({ channels: Array(64).fill(other) }), ['channel']],
    ["the certificate's own evidence", reflected, ['use', 'channel']],
    [
      'evidence for a CSR over this channel',
      await forged(encodeClaims({ ...own, use: 'csr', channels: [channel] })),
      ['use'],
    ],
    ['evidence for a sealing key', await forged(encodeClaims({ ...own, use: 'seal', channels: [channel] })), ['use']],
    [
      'evidence of a challenge for no connection',
      await forged(encodeClaims({ ...own, use: 'challenge' })),
      ['channel'],
    ],
    ["a foreign peer's evidence", await forged(foreign), ['use', 'channel']],
    ["another key's answer", await answer({ spki: spkiOf(ecKeys()) }), ['evidence-unbound']],
    [
      'the quote of the certificate under fresh claims',
      writeTagged({ quote: spliced.quote, claims: encodeClaims({ ...own, use: 'challenge', channels: [channel] }) }),
      ['evidence-unbound'],
    ],
    ['a proxy', await answer({ role: 'proxy' }), ['role-proxy']],
    ['another enclave', await answer({}, makeTee({ mrenclave: new Uint8Array(32) })), ['mrenclave']],
    ['a debug enclave', await answer({}, makeTee({ debug: true })), ['debug']],
    ['nothing', new Uint8Array(), ['evidence-malformed']],
    ['no CBOR', Buffer.from('<html>'), ['evidence-malformed']],
    ['a byte behind it', concat(await answer(), Uint8Array.of(0)), ['evidence-malformed']],
    ['more than an answer may be', new Uint8Array(maxAnswerBytes + 1), ['evidence-malformed']],
  ]
  for (const [name, bytes, rules] of rows) t.same(rulesOf(bytes), rules, name)
  t.same(rulesOf(await answer(), makeRule({ service: 'spiffe://c1.example.org/ns/a/svc/b' })), ['service'])
  t.same(rulesOf(await answer(), makeRule({ dangerAcceptSynthetic: false })), ['synthetic'])
  t.same(rulesOf(await answer(), makeRule(), Date.UTC(2051, 0, 1))[0], 'quote-unverified', 'long after')
  const ours = makeRule({ refuse: { leafSha256s: [], mrenclave: toHex(mrenclave) } })
  t.same(rulesOf(await answer(), ours), ['own-measurement'], 'our own evidence, reflected')
})

t.test('an answer is no certificate: its evidence in one is refused', async t => {
  const der = await makePeer({ keys, claims: { use: 'challenge', channels: [channel] } })
  t.match(judgePeer(der, makeRule(), trust, at), { accepted: false, reasons: [{ rule: 'use', want: 'tls or csr' }] })
})

t.test('an answer about a certificate that cannot be read is refused', async t => {
  const asked = { leaf: Uint8Array.of(0x30), channel }
  t.match(judgeAnswer(await answer(), asked, makeRule(), trust, at), {
    accepted: false,
    reasons: [{ rule: 'certificate-malformed' }],
  })
})

t.test('no quote, no answer; no channel of another length, and no more than may share a quote', async t => {
  await t.rejects(answer({}, refusingTee('none')), { code: 'tee-unavailable' })
  for (const channels of [[], [new Uint8Array(31)], Array(maxChannels + 1).fill(channel)]) {
    await t.rejects(answer({ channels }), { code: 'internal' })
  }
})

/** In the quote's PEM, one line end is as good as another, and nothing behind it is as good as either (pem.ts). */
const lineEnds = new Set([0x0a, 0x0d, 0x00])

t.test('an answer with any byte changed is refused', async () => {
  const good = await answer()
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (place, by) => {
      const spoilt = Uint8Array.from(good)
      const before = good[place] ?? 0
      spoilt[place] = before ^ by
      const judgement = judged(spoilt)
      if (judgement.accepted) return lineEnds.has(before) && lineEnds.has(before ^ by)
      return judgement.reasons[0].rule !== 'internal'
    }),
    { numRuns: 300 },
  )
})

t.test('whatever is answered, the judgement is a value', async t => {
  const good = await answer()
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 6000 }),
    fc.nat(good.length).map(end => good.subarray(0, end)),
  )
  fc.assert(
    fc.property(noise, bytes => {
      const judgement = judged(bytes)
      return judgement.accepted ? bytes.length === good.length : judgement.reasons[0].rule !== 'internal'
    }),
  )
  t.match(
    complaint(() => readAnswer(new Uint8Array(maxAnswerBytes + 1), leaf, channel)),
    /want at most/,
  )
})
