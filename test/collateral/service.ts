import t from 'tap'
import { readAnchor } from '../../src/attest/collateral.ts'
import { verifyAnswer } from '../../src/collateral/document.ts'
import { type ServiceOptions, serviceSource, urlOf } from '../../src/collateral/service.ts'
import { type Source, type Want, wantsOf } from '../../src/collateral/source.ts'
import { pccs, pcs, startService, type Trouble } from '../support/collateral-services.ts'
import { makeWorld, otherFmspc } from '../support/collateral-world.ts'
import { LabClock } from '../support/lab-clock.ts'
import { fmspc } from '../support/pki-intel.ts'

const world = await makeWorld()
const anchor = readAnchor(world.root)
const clock = new LabClock(Date.UTC(2026, 0, 15))
const now = () => clock.now()
const numbers = () => ({ standard: 18, early: 19 })
const intel = await startService(pcs(world, now, numbers))
const cache = await startService(pccs(world, now, numbers))
t.teardown(() => intel.close())
t.teardown(() => cache.close())

const source = (kind: ServiceOptions['kind'], more: Partial<ServiceOptions> = {}): Source =>
  serviceSource({
    kind,
    at: kind === 'pcs' ? intel.url : cache.url,
    rootCrlAt: kind === 'pcs' ? `${intel.url}/IntelSGXRootCA.der` : undefined,
    evaluation: 'standard',
    clock,
    ...more,
  })

/** Numbers of what a source gives for a model, each verified. */
async function numbersOf(asked: Source, model: Parameters<typeof wantsOf>[0]): Promise<string[]> {
  const [first, ...rest] = wantsOf(model)
  const [list] = await asked.ask(first)
  if (!list) throw new Error('no list')
  const { rootCrl, number } = verifyAnswer(first, list, anchor, undefined)
  const found = [`${first.kind} ${number}`]
  for (const want of rest) {
    for (const answer of await asked.ask(want)) {
      found.push(`${want.kind} ${verifyAnswer(want, answer, anchor, rootCrl).number}`)
    }
  }
  return found
}

const models = [
  { fmspc, ca: 'platform' },
  { fmspc: otherFmspc, ca: 'processor' },
] as const
for (const kind of ['pcs', 'pccs', 'azure'] as const) {
  for (const model of models) {
    t.test(`${kind}: everything of a model of the ${model.ca} CA, in its own codings`, async t => {
      const want = ['root-crl 1', 'pck-crl 1', 'tcb-info 18', 'qe-identity 18']
      t.same(await numbersOf(source(kind), model), want)
    })
  }
  t.test(`${kind}: evaluation data for those who ask early`, async t => {
    const early = source(kind, { evaluation: 'early' })
    t.same((await numbersOf(early, models[0])).slice(2), ['tcb-info 19', 'qe-identity 19'])
  })
}

t.test('Intel: evaluation data of one number, and of one that it no longer has', async t => {
  const asked = (evaluation: number) => source('pcs', { evaluation })
  t.same((await numbersOf(asked(19), models[0])).slice(2), ['tcb-info 19', 'qe-identity 19'])
  const want = { code: 'collateral-missing', message: 'no longer has this evaluation data number (410)' }
  await t.rejects(asked(16).ask({ kind: 'tcb-info', fmspc }), want)
})

const tcb: Want = { kind: 'tcb-info', fmspc }
const crl: Want = { kind: 'pck-crl', ca: 'processor' }
const urls: [name: string, want: Want, options: Partial<ServiceOptions>, url: string][] = [
  ['an address', tcb, { at: 'https://a:1' }, `https://a:1/sgx/certification/v4/tcb?fmspc=${fmspc}`],
  [
    'an address with a slash',
    crl,
    { at: 'https://a/' },
    'https://a/sgx/certification/v4/pckcrl?ca=processor&encoding=der',
  ],
  ['a path of its own', { kind: 'qe-identity' }, { at: 'http://a/b/v4' }, 'http://a/b/v4/qe/identity'],
  ['a path with a slash', { kind: 'root-crl' }, { at: 'http://a/b/v4/' }, 'http://a/b/v4/rootcacrl'],
  ["the root's list elsewhere", { kind: 'root-crl' }, { rootCrlAt: 'https://b/c.der' }, 'https://b/c.der'],
  [
    'early, to Intel',
    { kind: 'qe-identity' },
    { kind: 'pcs', at: 'http://a/b/', evaluation: 'early' },
    'http://a/b/qe/identity?update=early',
  ],
  [
    'early, to a PCCS',
    { kind: 'qe-identity' },
    { at: 'http://a/b/', evaluation: 'early' },
    'http://a/b/qe/identity?update=EARLY',
  ],
  [
    'a number',
    { kind: 'qe-identity' },
    { at: 'http://a/b/', evaluation: 18 },
    'http://a/b/qe/identity?tcbEvaluationDataNumber=18',
  ],
]
for (const [name, want, options, url] of urls) {
  t.test(`where is it: ${name}`, async t => {
    const common: ServiceOptions = { kind: 'pccs', at: 'http://x', rootCrlAt: undefined, evaluation: 'standard', clock }
    t.equal(urlOf(want, { ...common, ...options }).href, url)
  })
}

const troubles: [trouble: Trouble, message: string][] = [
  [404, 'does not have it (404)'],
  [460, 'doubts the integrity of what it has (460)'],
  [461, 'does not know this platform (461)'],
  [503, 'is not available (503)'],
  [418, 'answers 418'],
  ['redirect', 'redirects, which is not followed (302)'],
  ['unchained', 'answers without an issuer chain'],
  ['bad-chain', 'answers with an issuer chain that is not URL-encoded'],
]
for (const [trouble, message] of troubles) {
  t.test(`${trouble}: ${message}`, async t => {
    cache.trouble = trouble
    await t.rejects(source('pccs').ask(tcb), { code: 'collateral-missing', message })
  })
}

t.test('who stops lets go of what is being asked', async t => {
  cache.trouble = 'slow'
  const asked = source('pccs')
  const question = asked.ask(tcb)
  asked.stop()
  await t.rejects(question, { message: 'ABORT_ERR' })
})

t.test('its name says what and where, for logs', async t => {
  t.equal(source('pccs').name, `pccs ${cache.url}`)
  t.equal(source('pccs').local, false)
})
