// May this client send requests? Its certificate is judged as the container's is judged by the proxy, the other way
// round: genuine evidence, of an enclave that was named, in the role of a proxy; and where the attesting CA has issued our own
// certificate, in one of the same CA, for a proxy of our service, on our machine.

import type { TLSSocket } from 'node:tls'
import type { Reason } from '../attest/evidence.ts'
import type { Clock } from '../base/clock.ts'
import { describe } from '../base/errors.ts'
import { type Chain, peerChain } from '../base/peer-chain.ts'
import type { IssuedBy } from '../identity/issued-by.ts'
import { type Admission, type EvidenceJudge, textOf } from './judge.ts'
import type { FunctionEvent } from './options.ts'

export interface DoorOptions {
  readonly evidence: EvidenceJudge
  /** The CA, and the SPIFFE ID of our service; undefined where evidence is enough. */
  readonly issued: { readonly by: IssuedBy; readonly service: string } | undefined
  readonly clock: Clock
  readonly report: (event: FunctionEvent) => void
}

export interface Door {
  /**
   * Lets a connection in, once its handshake is over, for as long as its verdict holds; whoever may not is gone before
   * anything of his is read. Never rejects.
   */
  letsIn(socket: TLSSocket): Promise<boolean>
  /** Looks after nobody any more. */
  close(): void
}

/** A client that is in. */
interface Guest {
  readonly chain: Chain
  until: number
  generation: number
}

const lookEveryMs = 5_000
/** For a client whose verdict is over: as long as the proxy gives to a tunnel. */
const graceMs = 60_000

export function makeDoor({ evidence, issued, clock, report }: DoorOptions): Door {
  const guests = new Map<TLSSocket, Guest>()
  const generation = (): number => evidence.generation() + (issued?.by.generation ?? 0)

  /** Both locks. */
  async function judge(chain: Chain): Promise<Admission> {
    const genuine = evidence.judge(chain[0])
    if (!genuine.accepted || !issued) return genuine
    const { service } = issued
    const whose = { service, role: 'proxy', usage: 'clientAuth', fresh: true, samePlatform: true } as const
    const vouched = await issued.by.judge(chain, whose, clock.now())
    return vouched.accepted ? { accepted: true, until: Math.min(genuine.until, vouched.until) } : vouched
  }

  function refuse(socket: TLSSocket, reasons: readonly Reason[]): false {
    report({ event: 'client-refused', reason: textOf(reasons) })
    socket.destroy()
    return false
  }

  function broken(socket: TLSSocket, error: unknown): false {
    return refuse(socket, [{ rule: 'internal', want: 'a judgement', got: describe(error) }])
  }

  /** Other collateral, or another bundle, is another verdict: who has been revoked leaves at once. */
  async function look(socket: TLSSocket, guest: Guest): Promise<void> {
    const now = generation()
    if (guest.generation !== now) {
      guest.generation = now
      const admission = await judge(guest.chain)
      if (!admission.accepted) refuse(socket, admission.reasons)
      else guest.until = admission.until
    }
    if (clock.now() >= guest.until + graceMs) socket.destroy()
  }

  const stop = clock.every(lookEveryMs, () => {
    for (const [socket, guest] of guests) look(socket, guest).catch(error => broken(socket, error))
  })

  async function letsIn(socket: TLSSocket): Promise<boolean> {
    const chain = chainOf(socket)
    if (!chain) {
      const want = 'TLS 1.3 with a certificate, shown on this connection'
      return refuse(socket, [{ rule: 'certificate', want, got: 'none' }])
    }
    const guest = { chain, until: 0, generation: generation() }
    const admission = await judge(chain)
    if (!admission.accepted) return refuse(socket, admission.reasons)
    if (socket.destroyed) return false
    guest.until = admission.until
    guests.set(socket, guest)
    socket.once('close', () => guests.delete(socket))
    return true
  }

  return { letsIn: socket => letsIn(socket).catch(error => broken(socket, error)), close: stop }
}

/** The certificates that were shown, and whose key was proved, on this connection. */
function chainOf(socket: TLSSocket): Chain | undefined {
  // A session that was resumed shows the certificate of an earlier connection, and proves nothing about its key.
  if (socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused()) return undefined
  return peerChain(socket)
}
