import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { toHex } from '../../src/base/bytes.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { floorClock } from '../../src/base/floor.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { type Door, type DoorOptions, makeDoor } from '../../src/function/clients.ts'
import { type Anchor, type EvidenceJudge, evidenceJudge, intelAnchor } from '../../src/function/judge.ts'
import type { FunctionEvent } from '../../src/function/options.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { IssuedBy } from '../../src/identity/issued-by.ts'
import { makeRule, makeTee, mrenclave } from '../support/evidence.ts'
import { callerCredential, dialled, serving } from '../support/function.ts'
import { FakeClock, hour, settle } from '../support/identity.ts'
import { type Certified, enclaveElsewhere, type Issuer, startIssuer, uris } from '../support/issuing.ts'
import { makeCrl, makeIntel, now, serials } from '../support/pki-intel.ts'

const proxy = await callerCredential()
const own = await callerCredential({ source: demoFunction(), role: 'workload' })
const rule = makeRule({ role: 'proxy', enclaves: [{ mrenclave: toHex(demoProxy().mrenclave) }] })

function doorOf(
  anchor: Anchor,
  clock: FakeClock | typeof systemClock = systemClock,
  more = {},
  issued: DoorOptions['issued'] = undefined,
) {
  const events: FunctionEvent[] = []
  const evidence = evidenceJudge({ ...rule, ...more }, anchor, clock)
  const door = makeDoor({ evidence, issued, clock, report: event => events.push(event) })
  t.teardown(() => door.close())
  return { door, events }
}

/** Opens one connection; what the door said, and both ends. */
async function comes(t: Test, door: Door, credential: Credential): Promise<[boolean, TLSSocket]> {
  const server = withKeyPem(own, pem => createServer({ ...pem, requestCert: true, rejectUnauthorized: false }))
  const said: boolean[] = []
  server.prependListener('secureConnection', async socket => said.push(await door.letsIn(socket)))
  const socket = await dialled(t, await serving(t, server), credential)
  while (said.length === 0) await new Promise(resolve => setImmediate(resolve))
  return [said[0] === true, socket]
}

t.test('a proxy that was named comes in, as often as it likes', async t => {
  const { door, events } = doorOf({ root: syntheticRoot, collateral: undefined })
  for (let n = 0; n < 2; n++) t.equal((await comes(t, door, proxy))[0], true)
  t.same(events, [])
})

t.test('without collateral nobody comes in, and it is told at the start', async t => {
  const events: FunctionEvent[] = []
  const report = (event: FunctionEvent): void => void events.push(event)
  const evidence = evidenceJudge(rule, intelAnchor([t.testdir()], report), systemClock)
  const door = makeDoor({ evidence, issued: undefined, clock: systemClock, report })
  t.match(events, [{ event: 'collateral-failed', reason: /^collateral-missing: / }])
  t.equal((await comes(t, door, proxy))[0], false)
  t.match(events[1], { event: 'client-refused', reason: /^collateral-missing: / })
  door.close()
})

t.test('other collateral: who is accepted by it stays, who has been revoked leaves', async t => {
  const intel = await makeIntel()
  const clock = new FakeClock(now)
  let collateral: IntelCollateral = intel.collateral
  let generation = 1
  const source = { generation: () => generation, collateral: () => [collateral] }
  const { door, events } = doorOf({ root: intel.root, collateral: source }, clock, {
    enclaves: [{ mrenclave: toHex(mrenclave) }],
  })
  const tee = makeTee({ platform: intel.platform })
  const [came, socket] = await comes(t, door, await callerCredential({ source: tee, at: () => now }))
  t.equal(came, true)
  await clock.advance(5_000)
  generation++
  await clock.advance(5_000)
  t.same([socket.destroyed, events], [false, []])
  const [, ca] = intel.platform.chain
  collateral = { ...collateral, pckCrl: makeCrl(ca, intel.keys.ca, { revoked: [serials.leaf] }) }
  generation++
  await clock.advance(5_000)
  while (!socket.destroyed) await settle(1)
  t.match(events, [{ event: 'client-refused', reason: /^quote-unverified: .*revoked/ }])
})

t.test('a verdict that has ended is the end of the connection, a minute later', async t => {
  const clock = new FakeClock(Date.now())
  const until = clock.now() + 60_000
  const enclaves = [{ mrenclave: toHex(demoProxy().mrenclave), until }]
  const { door } = doorOf({ root: syntheticRoot, collateral: undefined }, clock, { enclaves })
  const [came, socket] = await comes(t, door, proxy)
  t.equal(came, true)
  await clock.advance(115_000)
  t.equal(socket.destroyed, false)
  await clock.advance(5_000)
  while (!socket.destroyed) await settle(1)
  door.close()
  t.equal(clock.pending, 0)
})

const service = 'spiffe://c1.example.org/ns/shop/svc/cart'

/** What a function knows whose own certificate is of this CA. */
async function issuedBy(issuer: Issuer, clock: Clock = systemClock): Promise<IssuedBy> {
  const by = new IssuedBy(floorClock(clock, 0))
  by.learn(await issuer.learned())
  return by
}

t.test('a judgement that breaks lets nobody in, and nobody stay', async t => {
  const events: FunctionEvent[] = []
  const report = (event: FunctionEvent): void => void events.push(event)
  const clock = new FakeClock(Date.now())
  let well = true
  let generation = 0
  const evidence: EvidenceJudge = {
    generation: () => generation,
    judge() {
      if (!well) throw new TypeError('broken')
      return { accepted: true, until: clock.now() + hour }
    },
  }
  const door = makeDoor({ evidence, issued: undefined, clock, report })
  t.teardown(() => door.close())
  const [came, socket] = await comes(t, door, proxy)
  t.equal(came, true)
  well = false
  t.equal((await comes(t, door, proxy))[0], false)
  generation++
  await clock.advance(5_000)
  while (!socket.destroyed) await settle(1)
  t.match(events, [{ reason: /^internal: / }, { reason: /^internal: / }])
})

t.test('with the attesting CA, evidence of a proxy is not enough', async t => {
  const issuer = await startIssuer(t, service)
  const by = await issuedBy(issuer)
  const { door, events } = doorOf(
    { root: syntheticRoot, collateral: undefined },
    systemClock,
    { service },
    { by, service },
  )
  const certified = (who: Certified = {}): Promise<Credential> =>
    issuer.certify({ tee: demoProxy(), role: 'proxy', ...who })
  t.equal((await comes(t, door, await certified()))[0], true)
  const elsewhere = await enclaveElsewhere(demoProxy())
  const other = 'spiffe://c1.example.org/ns/shop/svc/other'
  const rows: [name: string, rule: string, credential: Credential][] = [
    ['evidence in a certificate that signs itself', 'chain', await callerCredential({ service })],
    ["another service's proxy", 'service', await certified({ service: other })],
    ['a proxy of ours by evidence, of another service by certificate', 'san', await certified(uris(`${other}/proxy`))],
    ['a workload', 'role', await certified({ role: 'workload' })],
    ['a proxy on another machine', 'same-platform', await certified({ tee: elsewhere })],
    ["another CA's", 'chain', await (await startIssuer(t, service)).certify({ tee: demoProxy(), role: 'proxy' })],
    ['one for servers alone', 'usage', await certified({ fields: { usages: ['serverAuth'] } })],
    ['one for a week', 'issued', await certified({ fields: { notAfter: Date.now() + 7 * 24 * hour } })],
  ]
  for (const [name, broken, credential] of rows) {
    events.length = 0
    t.equal((await comes(t, door, credential))[0], false, name)
    t.match(events, [{ event: 'client-refused', reason: new RegExp(`(^|; )${broken}: `) }], name)
  }
})

t.test('who has a certificate of a CA that was replaced leaves when that counts no longer', async t => {
  const issuer = await startIssuer(t, service)
  const clock = new FakeClock(Date.now())
  const by = await issuedBy(issuer, clock)
  const { door, events } = doorOf({ root: syntheticRoot, collateral: undefined }, clock, { service }, { by, service })
  by.learn(await (await startIssuer(t, service)).learned())
  await clock.advance(2 * hour)
  const fields = { notBefore: clock.now() - hour, notAfter: clock.now() + 23 * hour }
  const [came, socket] = await comes(t, door, await issuer.certify({ tee: demoProxy(), role: 'proxy', fields }))
  t.equal(came, true, 'it counts for a day yet')
  await clock.advance(21 * hour)
  t.equal(socket.destroyed, false)
  await clock.advance(hour + 5_000)
  while (!socket.destroyed) await settle(1)
  t.match(events, [{ event: 'client-refused', reason: /^chain: / }])
})
