import t from 'tap'
import { maxChannels } from '../../src/attest/bind.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { readAnswer } from '../../src/attest/challenge.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { judgeAnswer } from '../../src/attest/peer.ts'
import { Answerer } from '../../src/function/answerer.ts'
import { ecKeys } from '../support/certificates.ts'
import { at, makePeer, makeRule, makeTee, refusingTee, service, spkiOf, trust } from '../support/evidence.ts'
import { FakeClock, settle } from '../support/identity.ts'

const keys = ecKeys()
const leaf = await makePeer({ keys })
const spki = spkiOf(keys)
const claims = { role: 'workload', policyDigest: new Uint8Array(32), service } as const
const channel = (n: number): Uint8Array => new Uint8Array(32).fill(n)

/** A TEE that counts its quotes. */
function counted(tee: QuoteSource = makeTee()): QuoteSource & { quotes: number } {
  const source = {
    ...tee,
    quotes: 0,
    quote(data: Parameters<QuoteSource['quote']>[0]) {
      source.quotes++
      return tee.quote(data)
    },
  }
  return source
}

/** What became of an answer so far. */
function watch(answer: Promise<Uint8Array> | undefined): { state: string; bytes: Uint8Array } {
  const seen = { state: answer ? 'waits' : 'refused', bytes: new Uint8Array() }
  answer?.then(
    bytes => Object.assign(seen, { state: 'answered', bytes }),
    error => Object.assign(seen, { state: error.code }),
  )
  return seen
}

t.test('an answer is for its channel and its key', async t => {
  const answerer = new Answerer({ source: makeTee(), claims, clock: new FakeClock() })
  const answer = await answerer.answer(spki, channel(1))
  t.match(
    judgeAnswer(answer ?? spki, { leaf, channel: channel(1) }, makeRule({ role: 'workload', service }), trust, at),
    {
      accepted: true,
    },
  )
})

t.test('after a burst of three there is one quote a second, and whoever waits shares it', async t => {
  const clock = new FakeClock()
  const source = counted()
  const answerer = new Answerer({ source, claims, clock })
  const asked = []
  for (let n = 0; n < 10; n++) {
    asked.push(watch(answerer.answer(spki, channel(n))))
    await settle(2)
  }
  t.equal(source.quotes, 3)
  t.same(
    asked.map(({ state }) => state),
    [...Array(3).fill('answered'), ...Array(7).fill('waits')],
  )
  await clock.advance(999)
  t.equal(source.quotes, 3)
  await clock.advance(1)
  t.equal(source.quotes, 4)
  for (const [n, { state, bytes }] of asked.entries()) {
    t.equal(state, 'answered')
    t.same(readAnswer(bytes, readCertificate(leaf), channel(n)).reasons, [], `channel ${n}`)
  }
  t.equal(new Set(asked.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size, 4)
  await clock.advance(60_000)
  t.equal(source.quotes, 4, 'none that nobody asked for')
  t.equal(clock.pending, 0)
})

t.test('those who ask while a quote is being made share the next', async t => {
  const source = counted()
  const answerer = new Answerer({ source, claims, clock: new FakeClock() })
  await Promise.all([1, 2, 3, 4, 5].map(n => answerer.answer(spki, channel(n))))
  t.equal(source.quotes, 2)
})

t.test('more than one quote can serve do not wait: they are refused', async t => {
  const clock = new FakeClock()
  const answerer = new Answerer({ source: makeTee(), claims, clock, burst: 1 })
  await answerer.answer(spki, channel(0))
  const waiting = Array.from({ length: maxChannels }, (_, n) => watch(answerer.answer(spki, channel(n))))
  t.equal(answerer.answer(spki, channel(1)), undefined)
  await clock.advance(1000)
  t.ok(waiting.every(({ state }) => state === 'answered'))
  t.type(answerer.answer(spki, channel(1)), Promise)
})

t.test('connections of another certificate wait for another quote', async t => {
  const clock = new FakeClock()
  const source = counted()
  const answerer = new Answerer({ source, claims, clock, burst: 1, perSecond: 10 })
  await answerer.answer(spki, channel(0))
  const mine = watch(answerer.answer(spki, channel(1)))
  const others = watch(answerer.answer(spkiOf(ecKeys()), channel(2)))
  const mineToo = watch(answerer.answer(spki, channel(3)))
  await clock.advance(100)
  t.same([mine.state, others.state, mineToo.state, source.quotes], ['answered', 'waits', 'answered', 2])
  await clock.advance(100)
  t.same([others.state, source.quotes], ['answered', 3])
})

t.test('a TEE that gives no quote fails those who waited, and the next are tried again', async t => {
  const clock = new FakeClock()
  let good = false
  const tee = makeTee()
  const source: QuoteSource = { ...tee, quote: data => (good ? tee : refusingTee('no')).quote(data) }
  const answerer = new Answerer({ source, claims, clock, burst: 1 })
  await t.rejects(async () => answerer.answer(spki, channel(1)), { code: 'tee-unavailable' })
  good = true
  const next = watch(answerer.answer(spki, channel(2)))
  await settle(2)
  t.equal(next.state, 'waits', 'a failure has cost a token as well')
  await clock.advance(1000)
  t.equal(next.state, 'answered')
})
