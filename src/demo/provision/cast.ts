// Who plays in the tour, and what every act of it needs of them.

import type { Child } from '../child.ts'
import type { ProxyProcess, proxyPorts } from '../process.ts'
import type { Scene } from '../tour.ts'
import type { Seen } from './client.ts'
import type { Part } from './conversation.ts'
import type { Counts } from './load.ts'
import type { Stage } from './stage.ts'

export type Port = (typeof proxyPorts)[number] | 'ca' | 'side'

export interface Cast extends Scene<Port> {
  readonly stage: Stage
  /** Another one after it was away. */
  ca: Child
  readonly proxy: ProxyProcess
  readonly container: Part
  readonly client: Part
}

/** What a stretch of traffic is made of at least, so that it proves something. */
export const someRequests = 20

/** Asks until the proxy shows a certificate that the client accepts. */
export function certified(client: Part): Promise<Seen> {
  return client.child.until('get an answer', async () => {
    const seen = await client.ask<Seen>('ask')
    return seen.status === undefined ? undefined : seen
  })
}

/** Lets the client's traffic go on until there is enough of it. What failed ends it too: that is what is told then. */
export function traffic({ client }: Cast, enough: (counts: Counts) => boolean): Promise<Counts> {
  return client.child.until('send requests', async () => {
    const counts = await client.ask<Counts>('counts')
    return counts.failed + counts.late > 0 || enough(counts) ? counts : undefined
  })
}

/** Certificates that the proxy has taken. */
export function installed({ proxy }: Cast): number {
  return proxy.child.lines.filter(line => line.includes('"certificate installed"')).length
}
