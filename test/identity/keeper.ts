import { createHash } from 'node:crypto'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import type { CertificateSource, Credential, Standing } from '../../src/identity/credential.ts'
import { Keeper, type KeeperEvent } from '../../src/identity/keeper.ts'
import { FakeClock, hour, makeCredential, settle, start } from '../support/identity.ts'

/** A source that delivers what the test pushes. */
class Pushed implements CertificateSource {
  readonly name = 'pushed'
  readonly attested = false
  starts = 0
  ended = 0
  failed: (fault: Fault) => void = () => {}
  #queue: (Credential | Error | 'end')[] = []
  #wake = (): void => {}

  push(item: Credential | Error | 'end'): Promise<void> {
    this.#queue.push(item)
    this.#wake()
    return settle()
  }

  async *credentials(signal: AbortSignal, failed: (fault: Fault) => void): AsyncGenerator<Credential, void, void> {
    this.starts += 1
    this.failed = failed
    try {
      signal.addEventListener('abort', () => this.#wake(), { once: true })
      while (!signal.aborted) {
        const item = this.#queue.shift()
        if (item === 'end') return
        if (item instanceof Error) throw item
        if (item) yield item
        else await new Promise<void>(resolve => (this.#wake = resolve))
      }
    } finally {
      this.ended += 1
    }
  }
}

function setUp(acceptForeignKey?: boolean) {
  const source = new Pushed()
  const clock = new FakeClock()
  const events: KeeperEvent[] = []
  const report = (event: KeeperEvent) => events.push(event)
  const more = acceptForeignKey === undefined ? {} : { acceptForeignKey }
  const keeper = new Keeper({ source, clock, report, ...more })
  const seen: Standing[] = []
  keeper.onChange(standing => seen.push(standing))
  keeper.start()
  keeper.start()
  return { source, clock, events, keeper, seen, phases: () => seen.map(({ phase }) => phase) }
}

const sha256 = (credential: Credential) => createHash('sha256').update(credential.chain[0]).digest('hex')

t.test('empty until the first credential, ready from then on', async t => {
  const { source, keeper, seen, events } = setUp()
  t.strictSame(keeper.standing, { phase: 'empty' })
  const waiting = keeper.ready(1000)
  const credential = await makeCredential()
  await source.push(credential)
  t.equal(await waiting, credential)
  t.equal(await keeper.ready(0), credential)
  t.strictSame(seen, [{ phase: 'ready', credential }])
  t.strictSame(events, [
    {
      event: 'credential-installed',
      source: 'pushed',
      attested: false,
      leafSha256: sha256(credential),
      keyOrigin: 'enclave',
      notBefore: credential.notBefore,
      notAfter: credential.notAfter,
    },
  ])
  const next = await makeCredential()
  await source.push(next)
  t.strictSame(keeper.standing, { phase: 'ready', credential: next })
  t.equal(source.starts, 1, 'start() twice follows once')
  await keeper.stop()
})

t.test('ready() gives up at its deadline, with the last failure as the reason', async t => {
  const { source, keeper, clock } = setUp()
  await settle()
  const first = keeper.ready(500)
  await Promise.all([
    t.rejects(first, { code: 'credential-invalid', message: 'no credential within 500 ms' }),
    clock.advance(500),
  ])
  source.failed(new Fault('tee-unavailable', 'no TEE'))
  t.equal(keeper.standing.phase, 'empty', 'a failure before the first credential changes nothing')
  const second = keeper.ready(500)
  await Promise.all([t.rejects(second, { code: 'tee-unavailable' }), clock.advance(500)])
  t.equal(clock.pending, 0)
  await keeper.stop()
})

t.test('a failed renewal makes it stale, the next credential ready again', async t => {
  const { source, keeper, phases, events } = setUp()
  const credential = await makeCredential()
  await source.push(credential)
  const fault = new Fault('tee-unavailable', 'no quote')
  source.failed(fault)
  t.strictSame(keeper.standing, { phase: 'stale', credential, fault })
  t.equal(await keeper.ready(0), credential, 'stale can still be shown')
  source.failed(fault)
  await source.push(await makeCredential())
  t.strictSame(phases(), ['ready', 'stale', 'stale', 'ready'])
  t.match(events[1], {
    event: 'credential-renewal-failed',
    phase: 'ready',
    code: 'tee-unavailable',
    reason: 'no quote',
  })
  await keeper.stop()
})

t.test('a bad credential is a failed renewal, not an outage', async t => {
  const { source, keeper } = setUp()
  const credential = await makeCredential()
  await source.push(credential)
  await source.push(await makeCredential({ notAfter: start - 1000 }))
  t.match(keeper.standing, { phase: 'stale', fault: { code: 'credential-invalid', message: /expired/ } })
  const now = keeper.standing
  t.equal('credential' in now && now.credential, credential)
  await keeper.stop()
})

for (const keyOrigin of ['file', 'agent'] as const) {
  t.test(`a key born outside the enclave (${keyOrigin}) needs the policy's leave`, async t => {
    const without = setUp()
    await without.source.push(await makeCredential({}, keyOrigin))
    t.equal(without.keeper.standing.phase, 'empty')
    t.match(without.events, [{ event: 'credential-renewal-failed', reason: /born outside the enclave/ }])
    await without.keeper.stop()
    const given = setUp(true)
    await given.source.push(await makeCredential({}, keyOrigin))
    t.equal(given.keeper.standing.phase, 'ready')
    t.match(given.events, [{ event: 'credential-installed', keyOrigin }])
    await given.keeper.stop()
  })
}

t.test('it expires by the clock, and comes back with the next credential', async t => {
  const { source, keeper, clock, phases, events } = setUp()
  const credential = await makeCredential({ notAfter: start + 5 * hour })
  await source.push(credential)
  await clock.advance(5 * hour - 1)
  t.equal(keeper.standing.phase, 'ready')
  await clock.advance(1)
  t.strictSame(phases(), ['ready', 'expired'], 'listeners are told by the clock, without anyone asking')
  t.match(keeper.standing, { phase: 'expired', fault: { message: 'expired at 2026-01-01T05:00:00.000Z' } })
  t.match(events.at(-1), {
    event: 'credential-expired',
    leafSha256: sha256(credential),
    code: 'credential-invalid',
    reason: /^expired at /,
  })
  source.failed(new Fault('tee-unavailable', 'still none'))
  t.equal(keeper.standing.phase, 'expired')
  const waiting = keeper.ready(1000)
  await source.push(await makeCredential())
  await waiting
  t.strictSame(phases(), ['ready', 'expired', 'ready'])
  await keeper.stop()
})

t.test('a clock that jumps is noticed when somebody looks, before any timer', async t => {
  const { source, keeper, clock, phases } = setUp()
  await source.push(await makeCredential({ notAfter: start + hour }))
  source.failed(new Fault('tee-unavailable', 'no quote'))
  clock.jump(2 * hour)
  t.match(keeper.standing, { phase: 'expired', fault: { code: 'tee-unavailable' } })
  clock.jump(-2 * hour)
  t.equal(keeper.standing.phase, 'expired', 'a clock that goes back revives nothing')
  t.strictSame(phases(), ['ready', 'stale', 'expired'])
  await keeper.stop()
})

t.test('a source that breaks off or ends is started again after a while', async t => {
  const { source, keeper, clock, events } = setUp()
  await source.push(new TypeError('secret'))
  t.match(events, [{ event: 'credential-renewal-failed', reason: /: TypeError$/ }])
  await clock.advance(1000)
  t.equal(source.starts, 2)
  await source.push('end')
  t.match(events[1], { reason: 'source pushed ended' })
  await clock.advance(2000)
  t.equal(source.starts, 3)
  await source.push(await makeCredential())
  t.equal(keeper.standing.phase, 'ready')
  await keeper.stop()
})

t.test('a listener that throws is reported and keeps nobody else from hearing', async t => {
  const { source, keeper, events } = setUp()
  keeper.onChange(() => {
    throw new TypeError('secret')
  })
  let heard = 0
  const forget = keeper.onChange(() => {
    heard += 1
  })
  await source.push(await makeCredential())
  t.equal(heard, 1)
  t.match(events.at(-1), { event: 'credential-listener-failed', source: 'pushed' })
  forget()
  await source.push(await makeCredential())
  t.equal(heard, 1)
  await keeper.stop()
})

t.test('stop() lets go of the source and of every timer; what stands, stands', async t => {
  const { source, keeper, clock, events } = setUp()
  const credential = await makeCredential()
  await source.push(credential)
  await keeper.stop()
  t.equal(source.ended, 1)
  t.equal(clock.pending, 0)
  t.strictSame(keeper.standing, { phase: 'ready', credential })
  source.failed(new Fault('tee-unavailable', 'late'))
  t.equal(events.length, 1)
})

t.test('stop() ends every wait, and no wait begins after it', async t => {
  const { keeper, clock } = setUp()
  const waiting = keeper.ready(1000)
  await Promise.all([t.rejects(waiting, { code: 'credential-invalid' }), keeper.stop()])
  await t.rejects(keeper.ready(1000), { code: 'credential-invalid' })
  t.equal(clock.pending, 0)
  await keeper.stop()
})

t.test('stop() during the pause before a source is started again', async t => {
  const { source, keeper, clock } = setUp()
  await source.push('end')
  await keeper.stop()
  t.equal(clock.pending, 0)
  t.equal(source.starts, 1)
})
