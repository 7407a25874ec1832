import { createHash } from 'node:crypto'
import { once } from 'node:events'
import type { Socket } from 'node:net'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import type { Engine } from '../../src/engine/engine.ts'
import type { CertificateSource, Credential } from '../../src/identity/credential.ts'
import { Keeper } from '../../src/identity/keeper.ts'
import { Credentials } from '../../src/proxy/credentials.ts'
import { tlsListener } from '../../src/proxy/listeners.ts'
import { eventually, FakeClock, hour, makeCredential, start } from '../support/identity.ts'
import { listen } from '../support/sockets.ts'

const sha256 = (der: Uint8Array): string => createHash('sha256').update(der).digest('hex')

/** A source that delivers what the test gives it. */
function handFed() {
  const waiting: Credential[] = []
  let wake = (): void => {}
  const source: CertificateSource = {
    name: 'test',
    attested: false,
    async *credentials(signal) {
      while (!signal.aborted) {
        const next = waiting.shift()
        if (next) yield next
        else
          await new Promise<void>(resolve => {
            wake = resolve
            signal.addEventListener('abort', () => resolve())
          })
      }
    },
  }
  return {
    source,
    give(credential: Credential) {
      waiting.push(credential)
      wake()
    },
  }
}

function serve(socket: Socket): () => void {
  socket.write('served')
  return () => {}
}

async function setUp(t: Test) {
  const clock = new FakeClock()
  const { source, give } = handFed()
  const listener = tlsListener({ accept: serve } as Partial<Engine> as Engine, 100, {
    minVersion: 'TLSv1.3',
    maxVersion: 'TLSv1.3',
    ciphers: undefined,
    curves: undefined,
  })
  const port = await listen(t, listener.server)
  const keeper = new Keeper({ source, clock, report: () => {} })
  t.teardown(() => keeper.stop())
  const credentials = new Credentials()
  credentials.follow(keeper, listener)
  keeper.start()
  const shown = async (options: ConnectionOptions = {}): Promise<{ leaf: string; socket?: TLSSocket }> => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options })
    t.teardown(() => socket.destroy())
    try {
      await once(socket, 'secureConnect')
      const der = socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0)
      socket.on('error', () => {})
      return { leaf: sha256(der), socket }
    } catch (error) {
      return { leaf: (error as NodeJS.ErrnoException).code ?? 'failed' }
    }
  }
  return { clock, give, credentials, shown }
}

t.test('nothing is shown before the first credential', async t => {
  const { credentials, shown } = await setUp(t)
  t.match((await shown()).leaf, /^(ERR_|ECONN)/)
  t.equal(credentials.current, undefined)
  t.equal(credentials.expired, undefined, 'what never was has not ended')
  t.equal(credentials.leafSha256s.size, 0)
})

t.test('a rotation shows the new one, keeps old connections and remembers every leaf', async t => {
  const { give, credentials, shown } = await setUp(t)
  const [first, second] = [await makeCredential(), await makeCredential()]
  give(first)
  await eventually(() => credentials.current === first)
  const { leaf, socket } = await shown()
  t.equal(leaf, sha256(first.chain[0]))
  give(second)
  await eventually(() => credentials.current === second)
  t.equal((await shown()).leaf, sha256(second.chain[0]))
  t.notOk(socket?.destroyed)
  t.same([...credentials.leafSha256s], [sha256(first.chain[0]), sha256(second.chain[0])])
})

t.test('an expired credential is shown to nobody, not even to those who have a ticket', async t => {
  const { clock, give, credentials, shown } = await setUp(t)
  const credential = await makeCredential({ notAfter: start + hour })
  give(credential)
  await eventually(() => credentials.current === credential)
  const { socket } = await shown()
  const [session] = (await once(socket ?? t, 'session')) as [Buffer]
  t.equal(credentials.expired, undefined)
  await clock.advance(hour)
  t.equal(credentials.expired, 'credential-invalid', 'the reason why there is no other')
  t.equal(credentials.current, undefined)
  t.match((await shown()).leaf, /^(ERR_|ECONN)/)
  t.match((await shown({ session })).leaf, /^(ERR_|ECONN)/)
  t.ok(credentials.leafSha256s.has(sha256(credential.chain[0])), 'it still is one of ours')

  const next = await makeCredential()
  give(next)
  await eventually(() => credentials.current === next)
  t.equal((await shown()).leaf, sha256(next.chain[0]), 'the next one is shown again')
  t.equal(credentials.expired, undefined)
})

t.test('a renewal that fails changes nothing', async t => {
  const { give, credentials, shown } = await setUp(t)
  const good = await makeCredential()
  give(good)
  await eventually(() => credentials.current === good)
  give(await makeCredential({ notAfter: start - 1 }))
  give(await makeCredential({}, 'file'))
  t.equal((await shown()).leaf, sha256(good.chain[0]))
  t.equal(credentials.current, good)
})

t.test('a leaf is forgotten once it is over for everybody', async t => {
  const { clock, give, credentials } = await setUp(t)
  const [first, second] = [await makeCredential({ notAfter: start + hour }), await makeCredential()]
  give(first)
  await eventually(() => credentials.current === first)
  give(second)
  await eventually(() => credentials.current === second)
  t.equal(credentials.leafSha256s.size, 2)
  clock.jump(26 * hour)
  const dates = { notBefore: clock.now(), notAfter: clock.now() + hour }
  const third = await makeCredential(dates)
  give(third)
  await eventually(() => credentials.current === third)
  t.same([...credentials.leafSha256s], [sha256(second.chain[0]), sha256(third.chain[0])])
})
