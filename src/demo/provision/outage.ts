// The acts about a CA that goes away, in whose place somebody else turns up, and that comes back as another process.

import { toHex } from '../../base/bytes.ts'
import { demoProxy, demoStranger } from '../enclaves.ts'
import { demoCredential, startContainer } from '../function.ts'
import { probe } from '../visitor.ts'
import { auditOf, checkLog, handOver, refusedBy, startAuthority, stopAuthority, unlock } from './authority.ts'
import { type Cast, certified, installed, someRequests, traffic } from './cast.ts'
import type { Learned, Seen } from './client.ts'
import type { Counts } from './load.ts'

/** The proxy's certificate has just changed: nearly all of its life is to come. */
export async function goesAway(cast: Cast): Promise<void> {
  const { ca, ports, client, proxy, note } = cast
  await client.ask('begin')
  const code = await stopAuthority(ca)
  const { fresh: before } = await client.ask<Counts>('counts')
  await isReplaced(cast)
  await wroteItDown(cast)
  const body = await proxy.child.until('lose its certificate', async () => {
    const answer = await probe(ports.serving)
    const { late } = await client.ask<Counts>('counts')
    return late > 0 && answer.body.startsWith('certificate expired') ? answer.body.trim() : undefined
  })
  const { fresh, failed, problem } = await client.ask<Counts>('end')
  const { status } = await client.ask<Seen>('ask')
  note({
    what: "until the proxy's certificate ends",
    want: 'CA: exit 0; served, 0 failed; then no handshake',
    got: `CA: exit ${code}; ${fresh > before ? 'served' : 'not served'}, ${failed} failed; then ${status ?? 'no handshake'}`,
    why:
      problem ??
      `${fresh - before} new connections without a CA; then 503 to the kubelet, ${body}, and no way to the function either`,
  })
}

async function isReplaced({ ports, client, proxy, note }: Cast): Promise<void> {
  const impostor = await startContainer(ports.ca, await demoCredential(demoStranger(), 'provision'))
  try {
    const { child } = proxy
    const refusal = /"certificate authority refused".*"rule":"mrenclave"/
    await child.until('refuse who is in the place of the CA', () => child.lines.find(line => refusal.test(line)))
    const { problem = 'accepted' } = await client.ask<Learned>('learn')
    note({
      what: 'the CA is stopped; in its place: an enclave with other code',
      want: 'refused by mrenclave, 0 bytes',
      got: `${/^issuer-untrusted: .*mrenclave: want/.test(problem) ? 'refused by mrenclave' : problem}, ${impostor.requestBytes()} bytes`,
      why: 'neither the proxy nor the client has said a word to it',
    })
  } finally {
    await impostor.close()
  }
}

/** Whom it has issued to, by the log that it leaves behind. */
async function wroteItDown(cast: Cast): Promise<void> {
  const { ca, stage, note } = cast
  const issued = auditOf(ca).filter(({ event }) => event === 'issued')
  const own = ['proxy', toHex(stage.policyDigest), toHex(demoProxy().mrenclave)].join()
  const others = issued.filter(({ role, policyDigest, mrenclave }) => [role, policyDigest, mrenclave].join() !== own)
  const taken = installed(cast)
  const log = await checkLog(stage, ca)
  note({
    what: "the CA's log, by postern ca audit",
    want: `whole; ${taken} issued, 0 to others`,
    got: `${log.split(':')[0]}; ${issued.length} issued, ${others.length} to others`,
    why: `the proxy has taken ${taken}; ${log}`,
  })
}

export async function comesBack(cast: Cast): Promise<void> {
  const { ports, stage, client, note } = cast
  const before = installed(cast)
  cast.ca = await startAuthority(stage, ports)
  note({
    what: 'the CA is started again, and given the statement of before',
    want: 'refused by ca',
    got: refusedBy(await handOver(stage)),
    why: 'it has another key and is locked: who restarts it has gained nothing',
  })
  const said = await unlock(stage)
  await client.ask<Learned>('learn')
  const seen = await certified(client)
  await client.ask('begin')
  await traffic(cast, ({ fresh }) => fresh >= someRequests)
  const { kept, fresh, failed, late, problem } = await client.ask<Counts>('end')
  note({
    what: 'it is unlocked again, and the proxy recovers by itself',
    want: 'unlocked, 200, 0 failed',
    got: `${said}, ${seen.status}, ${failed + late} failed`,
    why: problem ?? `${fresh + kept} requests, below the new key; it took ${installed(cast) - before} since`,
  })
}
