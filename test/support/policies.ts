// Random policies over few values, so that two of them often agree, and what a policy lets happen, asked one thing at a
// time of the code that decides it. Which of two is wider then shows without knowing how anybody compares them.

import fc from 'fast-check'
import { readReportBody } from '../../src/attest/body.ts'
import type { EvidenceFacts, SgxClaims } from '../../src/attest/evidence.ts'
import { judge } from '../../src/attest/policy.ts'
import { peersOf } from '../../src/config/policy-rules.ts'
import { type PolicyDocument, policyShape } from '../../src/config/policy-shape.ts'
import { type Complaint, told, unfit } from '../../src/config/shape.ts'
import { at, platform } from './evidence.ts'

type Values = Readonly<Record<string, unknown>>

export function documentOf(value: unknown): PolicyDocument {
  const complaints: Complaint[] = []
  const document = policyShape.read(value, '', complaints)
  if (document === unfit) throw new Error(complaints.map(told).join('; '))
  return document
}

const hexes = ['aa', 'bb'].map(byte => byte.repeat(32))
const ids = ['01', '02'].map(byte => byte.repeat(16))
const dates = [at - 2000, at, at + 2000].map(ms => new Date(ms).toISOString())
const kss = fc.record(
  {
    isvExtProdId: fc.constantFrom(...ids),
    minConfigSvn: fc.integer({ min: 0, max: 2 }),
    until: fc.constantFrom(...dates),
  },
  { requiredKeys: [] },
)
const enclave = fc
  .tuple(
    fc.oneof(
      fc.record({ mrenclave: fc.constantFrom(...hexes) }),
      fc.record({
        mrsigner: fc.constantFrom(...hexes),
        isvProdId: fc.integer({ min: 1, max: 2 }),
        minIsvSvn: fc.integer({ min: 1, max: 3 }),
      }),
    ),
    kss,
  )
  .map(([entry, more]) => ({ ...entry, ...more }))
const some = (...values: readonly string[]) => fc.subarray([...values])
const floor = fc.option(fc.integer({ min: 1, max: 3 }))
const date = fc.option(fc.constantFrom(...dates))
const pair = (a: string, b: string) =>
  fc.option(fc.record({ [a]: fc.integer({ min: 1, max: 3 }), [b]: fc.integer({ min: 1, max: 3 }) }))
const pins = [1, 2].map(byte => `sha256/${Buffer.alloc(32, byte).toString('base64')}`)

/** A value, as written, for each key that has a row of its own; undefined leaves the key out. */
export const values: Readonly<Record<string, fc.Arbitrary<unknown>>> = {
  service: fc.constantFrom(null, 'spiffe://c1.example.org/ns/shop/svc/cart', 'spiffe://c1.example.org/ns/shop/svc/pay'),
  hosts: some('a.example', 'b.example'),
  'limits.concurrency': floor,
  'inbound.strip': some('x-a', 'x-b'),
  'upstream.maxConnectionAgeSeconds': fc.integer({ min: 1, max: 3 }),
  'upstream.allowUnframed': fc.boolean(),
  'upstream.freshness': fc.constantFrom(undefined, 'issued', 'challenge', 'none'),
  'upstream.upgrade.allow': fc.oneof(some('websocket', 'a'), fc.constant(['*'])),
  'upstream.probe': fc.constantFrom(undefined, { path: '/' }, { path: '/ready' }),
  'upstream.pins': fc.option(some(...pins), { nil: undefined }),
  'peers.app.enclaves': fc.array(enclave, { maxLength: 3 }),
  'peers.app.tcb.profile': fc.constantFrom('strict', 'swHardeningOk', 'dangerOutOfDate'),
  'peers.app.tcb.advisories': some('INTEL-SA-00001', 'INTEL-SA-00002'),
  'peers.app.tcb.minEvaluationDataNumber': pair('tcbInfo', 'qeIdentity'),
  'peers.app.tcb.minTcbDate': date,
  'peers.app.tcb.minCrlNumber': pair('root', 'pck'),
  'peers.app.tcb.minIssueDate': date,
  'peers.app.platforms': some(...ids),
  'peers.app.policyDigests': some(...hexes),
  'collateral.maxAgeSeconds': fc.integer({ min: 1, max: 3 }),
  'observe.allow': fc.oneof(some('method', 'status'), fc.constant(['*'])),
}

/** A document with these values at their paths. */
export function written(leaves: Values): Values {
  const all: Values = { version: 1, name: 'mine', upstream: { mode: 'attested', accept: 'app' }, peers: { app: {} } }
  const placed = (value: unknown, [key, ...rest]: readonly string[], leaf: unknown): unknown =>
    key === undefined ? leaf : { ...(value as Values), [key]: placed((value as Values)?.[key], rest, leaf) }
  return Object.entries(leaves).reduce(
    (sum, [path, leaf]) => (leaf === undefined ? sum : (placed(sum, path.split('.'), leaf) as Values)),
    all,
  )
}

export const leaves: fc.Arbitrary<Values> = fc.record(values)

/** Some of a policy's values, others than they were. */
export const changes: fc.Arbitrary<Values> = fc
  .subarray(Object.keys(values), { minLength: 1, maxLength: 3 })
  .chain(paths => fc.record(Object.fromEntries(paths.map(path => [path, values[path] ?? fc.constant(null)]))))

/** One thing that may be asked of a policy. */
export type Question = readonly [name: string, path: string, allowed: (document: PolicyDocument) => boolean]

const body = readReportBody(new Uint8Array(384))
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, 'hex'))

const claims: fc.Arbitrary<{ claims: SgxClaims; evidence: EvidenceFacts; at: number }> = fc
  .record({
    mrenclave: fc.constantFrom(...hexes),
    mrsigner: fc.constantFrom(...hexes),
    isvProdId: fc.integer({ min: 1, max: 2 }),
    isvSvn: fc.integer({ min: 1, max: 3 }),
    isvExtProdId: fc.constantFrom(...ids),
    configSvn: fc.integer({ min: 0, max: 2 }),
    tcbStatus: fc.constantFrom('UpToDate', 'SWHardeningNeeded', 'OutOfDate'),
    advisoryIds: some('INTEL-SA-00001', 'INTEL-SA-00002'),
    number: fc.integer({ min: 1, max: 3 }),
    date: fc.constantFrom(at - 2000, at, at + 2000),
    piid: fc.constantFrom(...ids),
    policy: fc.constantFrom(...hexes),
    at: fc.constantFrom(at - 1000, at + 1000),
  } as const)
  .map(said => ({
    at: said.at,
    claims: {
      version: 3,
      tee: 'sgx',
      synthetic: false,
      body: {
        ...body,
        ...said,
        mrenclave: bytes(said.mrenclave),
        mrsigner: bytes(said.mrsigner),
        isvExtProdId: bytes(said.isvExtProdId),
        attributes: { flags: 5n, xfrm: 0n },
      },
      tcbStatus: said.tcbStatus,
      tcb: {
        platformStatus: said.tcbStatus,
        qeStatus: 'UpToDate',
        advisoryIds: said.advisoryIds,
        tcbDate: said.date,
        evaluationDataNumber: { tcbInfo: said.number, qeIdentity: said.number },
        crlNumber: { root: BigInt(said.number), pck: BigInt(said.number) },
        issuedAt: said.date,
      },
      platform: { ...platform, piid: said.piid },
      window: { from: at - 10_000, until: at + 10_000 },
    },
    evidence: {
      format: 'tagged',
      leafSha256: 'ff'.repeat(32),
      postern: { use: 'tls', role: 'workload', policyDigest: bytes(said.policy), service: undefined },
    },
  }))

/** May this enclave, on this machine and day, be the container? Asked of the judge. */
export const enclaveQuestions: fc.Arbitrary<Question> = claims.map(({ claims: said, evidence, at: day }) => [
  'an enclave',
  'peers.app.enclaves',
  ({ peers, collateral }) =>
    peers['app'] !== undefined &&
    judge(
      said,
      evidence,
      {
        ...peersOf(peers['app']),
        maxCollateralAgeMs: (collateral.maxAgeSeconds ?? Number.POSITIVE_INFINITY) * 1000,
        dangerAcceptSynthetic: false,
        refuse: { leafSha256s: [], mrenclave: undefined },
      },
      day,
    ).accepted,
])

const freshest = { challenge: 2, issued: 1, none: 0 }
const questions: Question[] = [
  ...[null, 'cart', 'pay'].map(
    (name): Question => [`an identity as ${name}`, 'service', ({ service }) => name !== null && service?.name === name],
  ),
  ...['a.example', 'b.example', 'c.example'].map(
    (name): Question => [`a request for ${name}`, 'hosts', ({ hosts }) => hosts.length === 0 || hosts.includes(name)],
  ),
  ...[1, 2, 3, 4].map(
    (n): Question => [`${n} requests at once`, 'limits.concurrency', ({ limits }) => n <= (limits.concurrency ?? n)],
  ),
  ...['x-a', 'x-b'].map(
    (name): Question => [
      `a header ${name} for the container`,
      'inbound.strip',
      ({ inbound }) => !inbound.strip.includes(name),
    ],
  ),
  ...[1, 2, 3].map(
    (age): Question => [
      `a connection of ${age} s`,
      'upstream.maxConnectionAgeSeconds',
      ({ upstream }) => age <= upstream.maxConnectionAgeSeconds,
    ],
  ),
  ['a response without an end', 'upstream.allowUnframed', ({ upstream }) => upstream.allowUnframed],
  ...[0, 1, 2].map(
    (fresh): Question => [
      `evidence of freshness ${fresh}`,
      'upstream.freshness',
      ({ upstream }) => fresh >= freshest[upstream.freshness ?? 'issued'],
    ],
  ),
  ...['websocket', 'a', 'other'].map(
    (token): Question => [
      `a tunnel of ${token}`,
      'upstream.upgrade.allow',
      ({ upstream }) => upstream.upgrade.allow.includes(token) || upstream.upgrade.allow.includes('*'),
    ],
  ),
  ...['/', '/ready'].map(
    (path): Question => [
      `a request of our own for ${path}`,
      'upstream.probe',
      ({ upstream }) => upstream.probe?.path === path,
    ],
  ),
  ...pins.map(
    (pin, i): Question => [
      `the pinned key ${i}`,
      'upstream.pins',
      ({ upstream }) => upstream.pins?.includes(Buffer.from(pin.slice(7), 'base64').toString('hex')) === true,
    ],
  ),
  ...(['method', 'status', 'route'] as const).map(
    (field): Question => [
      `a ${field} in the log`,
      'observe.allow',
      ({ observe }) => observe.allow.includes(field) || observe.allow.includes('*'),
    ],
  ),
]
export const plainQuestions: readonly Question[] = questions
