import { writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import t from 'tap'
import { collateralFiles } from '../../src/attest/directory.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { syntheticRoot } from '../../src/demo/tee.ts'
import { makeDoor } from '../../src/function/clients.ts'
import { type FunctionEvent, readOptions } from '../../src/function/options.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { makeRule } from '../support/evidence.ts'
import { callerCredential, clients, dialled, serving } from '../support/function.ts'
import { makeIntel } from '../support/pki-intel.ts'

const proxy = await callerCredential()
const synthetic = { source: demoFunction(), root: syntheticRoot }

/** Opens one connection and tells what the door said, and what it reported. */
async function tried(t: Parameters<typeof dialled>[0], door: ReturnType<typeof makeDoor>): Promise<boolean[]> {
  const server = withKeyPem(await callerCredential({ source: demoFunction(), role: 'workload' }), pem =>
    createServer({ ...pem, requestCert: true, rejectUnauthorized: false }),
  )
  const said: boolean[] = []
  server.prependListener('secureConnection', socket => said.push(door(socket)))
  const port = await serving(t, server)
  for (let n = 1; n <= 2; n++) {
    await dialled(t, port, proxy)
    while (said.length < n) await new Promise(resolve => setImmediate(resolve))
  }
  return said
}

t.test('a proxy that was named comes in, as often as it likes', async t => {
  const { clients: settings } = readOptions({ clients, dangerSynthetic: synthetic }, 'ee'.repeat(32))
  const events: FunctionEvent[] = []
  const report = (event: FunctionEvent): void => void events.push(event)
  const door = makeDoor({ clients: settings ?? t.fail(), syntheticRoot, clock: systemClock, report } as never)
  t.same([await tried(t, door), events], [[true, true], []])
})

t.test('without collateral nobody comes in, and it is told at the start', async t => {
  const events: FunctionEvent[] = []
  const rule = makeRule({
    role: 'proxy',
    enclaves: [{ mrenclave: Buffer.from(demoProxy().mrenclave).toString('hex') }],
  })
  const folder = t.testdir()
  const door = makeDoor({
    clients: { rule, directories: [folder] },
    syntheticRoot: undefined,
    clock: systemClock,
    report: event => events.push(event),
  })
  t.match(events, [{ event: 'collateral-failed', reason: /^collateral-missing: / }])
  t.same(await tried(t, door), [false, false])
  t.match(events.slice(1), [
    { event: 'client-refused', reason: /^collateral-missing: / },
    { event: 'client-refused', reason: /^collateral-missing: / },
  ])
})

t.test("collateral under another root than Intel's is not taken", async t => {
  const folder = t.testdir()
  const { collateral } = await makeIntel()
  for (const [member, file] of Object.entries(collateralFiles)) {
    writeFileSync(`${folder}/${file}`, collateral[member as keyof typeof collateralFiles])
  }
  const events: FunctionEvent[] = []
  makeDoor({
    clients: { rule: makeRule({ role: 'proxy' }), directories: [folder] },
    syntheticRoot: undefined,
    clock: systemClock,
    report: event => events.push(event),
  })
  t.match(events, [{ event: 'collateral-failed', reason: /^collateral-unverified: / }])
})
