import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { TLSSocket } from 'node:tls'
import t, { type Test } from 'tap'
import { collateralFiles } from '../../src/attest/directory.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { type Door, makeDoor } from '../../src/function/clients.ts'
import { type Anchor, evidenceJudge, intelAnchor } from '../../src/function/judge.ts'
import type { FunctionEvent } from '../../src/function/options.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { makeRule, makeTee, mrenclave } from '../support/evidence.ts'
import { callerCredential, dialled, serving } from '../support/function.ts'
import { FakeClock, settle } from '../support/identity.ts'
import { makeCrl, makeIntel, now, serials } from '../support/pki-intel.ts'

const proxy = await callerCredential()
const own = await callerCredential({ source: demoFunction(), role: 'workload' })
const rule = makeRule({ role: 'proxy', enclaves: [{ mrenclave: toHex(demoProxy().mrenclave) }] })

function doorOf(anchor: Anchor, clock: FakeClock | typeof systemClock = systemClock, more = {}) {
  const events: FunctionEvent[] = []
  const evidence = evidenceJudge({ ...rule, ...more }, anchor, clock)
  const door = makeDoor({ evidence, issued: undefined, clock, report: event => events.push(event) })
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

t.test("collateral under another root than Intel's is not taken", async t => {
  const folder = t.testdir()
  const { collateral } = await makeIntel()
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(`${folder}/${file}`, collateral[member as keyof typeof collateralFiles])
  }
  const events: FunctionEvent[] = []
  intelAnchor([folder], event => events.push(event)).collateral?.generation(now)
  t.match(events, [{ event: 'collateral-failed', reason: /^collateral-unverified: / }])
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
