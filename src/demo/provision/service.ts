// The acts about requests: none is lost while certificates change, nor while the proxy leaves.

import { probe } from '../visitor.ts'
import { stopAuthority } from './authority.ts'
import { type Cast, someRequests, traffic } from './cast.ts'
import type { FunctionReport } from './container.ts'
import { type Counts, keptVisitors } from './load.ts'

/** Of the proxy's certificate, under load. */
const rotations = 3

export async function rotates(cast: Cast): Promise<void> {
  const { client, container, note } = cast
  await client.ask('begin')
  await traffic(cast, ({ certificates }) => certificates > rotations)
  const { certificates, kept, fresh, failed, late, connections, problem } = await client.ask<Counts>('end')
  const { requests } = await container.ask<FunctionReport>('report')
  note({
    what: `requests without a pause, while the certificate changes ${rotations} times`,
    want: `${rotations} changes, 0 failed, ${keptVisitors} connections kept`,
    got: `${Math.min(rotations, certificates - 1)} changes, ${failed + late} failed, ${connections} connections kept`,
    why:
      problem ??
      `${fresh} on new connections, ${kept} on those that were kept; ${requests} seen by the function, which was challenged`,
  })
}

/** From TERM on nobody new is to come; whoever comes all the same is served. */
export async function drains(cast: Cast): Promise<void> {
  const { ports, ca, client, container, proxy, note } = cast
  await client.ask('begin')
  await traffic(cast, ({ fresh }) => fresh > 0)
  proxy.child.signal('SIGTERM')
  const probed = await proxy.child.until('tell the kubelet', async () => {
    const { status } = await probe(ports.serving)
    return status === 200 ? undefined : status
  })
  const { fresh: before } = await client.ask<Counts>('counts')
  await traffic(cast, ({ fresh }) => fresh - before >= someRequests)
  const { fresh, failed, late, problem } = await client.ask<Counts>('end')
  note({
    what: 'TERM under load: the proxy leaves',
    want: '503 to the kubelet, 0 failed',
    got: `${probed} to the kubelet, ${failed + late} failed`,
    why:
      problem ??
      `${fresh - before} new connections since; it would stay until 30 s have passed without a request, and a second TERM spares us that`,
  })
  await proxy.stop()
  const codes = [await stopAuthority(ca), await container.leave(), await client.leave()]
  note({
    what: 'CA, function and client leave',
    want: 'exit 0, 0, 0',
    got: `exit ${codes.join(', ')}`,
    why: 'all is answered, and nothing holds them',
  })
}
