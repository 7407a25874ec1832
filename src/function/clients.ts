// May this client send requests? Its certificate is judged as the container's is judged by the proxy, the other way
// round: genuine evidence, of an enclave that was named, in the role of a proxy.

import type { TLSSocket } from 'node:tls'
import { directorySource } from '../attest/directory.ts'
import type { PeerJudgement, Reason } from '../attest/evidence.ts'
import { judgePeer, reasonOf, type Trust } from '../attest/peer.ts'
import { intelRoot } from '../attest/root.ts'
import { Verdicts } from '../attest/verdicts.ts'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { at as calledAt } from '../identity/rotate.ts'
import type { FunctionEvent, Settings } from './options.ts'

/** `until`: milliseconds since the epoch. */
type Admission =
  | { readonly accepted: true; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly Reason[] }

export interface DoorOptions {
  readonly clients: NonNullable<Settings['clients']>
  /** DER of the root of synthetic evidence, where that is what counts. */
  readonly syntheticRoot: Uint8Array | undefined
  readonly clock: Clock
  readonly report: (event: FunctionEvent) => void
}

/** For a client whose verdict is over: as long as the proxy gives to a tunnel. */
const graceMs = 60_000

/**
 * Lets a connection in until its verdict ends, once its handshake is over; whoever may not is gone before anything of his
 * is read.
 * @returns tells whether it may; never throws
 */
export function makeDoor(options: DoorOptions): (socket: TLSSocket) => boolean {
  const { clock, report } = options
  const judge = makeJudge(options)
  return socket => {
    const admission = judge(socket)
    if (!admission.accepted) {
      const reason = admission.reasons.map(({ rule, want, got }) => `${rule}: want ${want}, got ${got}`).join('; ')
      report({ event: 'client-refused', reason })
      socket.destroy()
      return false
    }
    const forget = calledAt(clock, admission.until + graceMs, () => socket.destroy())
    socket.once('close', forget)
    return true
  }
}

function makeJudge({ clients, syntheticRoot, clock, report }: DoorOptions): (socket: TLSSocket) => Admission {
  const verdicts = new Verdicts<PeerJudgement>()
  const collateral = syntheticRoot
    ? undefined
    : directorySource(clients.directories, intelRoot(), {
        report({ generation, complaint }) {
          if (complaint === undefined) report({ event: 'collateral-in-force', reason: `generation ${generation}` })
          else report({ event: 'collateral-failed', reason: complaint })
        },
      })
  collateral?.generation(clock.now()) // looked at now, so that what is wrong is told at the start

  function trustAt(at: number): Trust {
    if (syntheticRoot) return { root: syntheticRoot, collateral: { kind: 'synthetic' } }
    if (collateral) return { root: intelRoot(), collateral: collateral.collateral(at) }
    throw new Fault('collateral-missing', 'no source of collateral')
  }

  return socket => {
    const at = clock.now()
    // A session that was resumed shows the certificate of an earlier connection, and proves nothing about its key.
    const leaf = socket.isSessionReused() ? undefined : socket.getPeerCertificate().raw
    if (socket.getProtocol() !== 'TLSv1.3' || !leaf) {
      const reason = { rule: 'certificate', want: 'TLS 1.3 with a certificate, shown on this connection', got: 'none' }
      return { accepted: false, reasons: [reason] }
    }
    try {
      // There is one policy for the life of the process.
      const key = { leaf, policyDigest: '', collateralGeneration: collateral?.generation(at) ?? 0 }
      return verdicts.find(key, at, () => judgePeer(new Uint8Array(leaf), clients.rule, trustAt(at), at))
    } catch (error) {
      return { accepted: false, reasons: [reasonOf(error)] }
    }
  }
}
