// May this client send requests? Its certificate is judged as the container's is judged by the proxy, the other way
// round: genuine evidence, of an enclave that was named, in the role of a proxy.

import type { TLSSocket } from 'node:tls'
import { type CollateralSource, directorySource } from '../attest/directory.ts'
import type { PeerJudgement, Reason } from '../attest/evidence.ts'
import { judgePeer, reasonOf, type Trust } from '../attest/peer.ts'
import type { PeerRule } from '../attest/policy.ts'
import { intelRoot } from '../attest/root.ts'
import { Verdicts } from '../attest/verdicts.ts'
import type { Clock } from '../base/clock.ts'
import type { FunctionEvent } from './options.ts'

/** `until`: milliseconds since the epoch. */
type Admission =
  | { readonly accepted: true; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly Reason[] }

/** What clients' evidence is judged against; without collateral, that of the synthetic PKI, which has none. */
export interface Anchor {
  /** DER. */
  readonly root: Uint8Array
  readonly collateral: CollateralSource | undefined
}

export interface DoorOptions {
  readonly rule: PeerRule
  readonly anchor: Anchor
  readonly clock: Clock
  readonly report: (event: FunctionEvent) => void
}

export interface Door {
  /**
   * Lets a connection in, once its handshake is over, for as long as its verdict holds; whoever may not is gone before
   * anything of his is read. Never throws.
   */
  letsIn(socket: TLSSocket): boolean
  /** Looks after nobody any more. */
  close(): void
}

/** A client that is in. */
interface Guest {
  readonly leaf: Uint8Array
  until: number
  collateralGeneration: number
}

const lookEveryMs = 5_000
/** For a client whose verdict is over: as long as the proxy gives to a tunnel. */
const graceMs = 60_000

export function makeDoor(options: DoorOptions): Door {
  const { clock, report } = options
  const { judge, generation } = makeJudge(options)
  const guests = new Map<TLSSocket, Guest>()

  function refuse(socket: TLSSocket, reasons: readonly Reason[]): false {
    const reason = reasons.map(({ rule, want, got }) => `${rule}: want ${want}, got ${got}`).join('; ')
    report({ event: 'client-refused', reason })
    socket.destroy()
    return false
  }

  /** Other collateral is another verdict: who has been revoked leaves at once. */
  function look(socket: TLSSocket, guest: Guest): void {
    if (guest.collateralGeneration !== generation()) {
      guest.collateralGeneration = generation()
      const admission = judge(guest.leaf)
      if (!admission.accepted) refuse(socket, admission.reasons)
      else guest.until = admission.until
    }
    if (clock.now() >= guest.until + graceMs) socket.destroy()
  }

  const stop = clock.every(lookEveryMs, () => {
    for (const [socket, guest] of guests) look(socket, guest)
  })
  return {
    letsIn(socket) {
      const leaf = leafOf(socket)
      const collateralGeneration = generation()
      const admission = judge(leaf)
      if (!admission.accepted) return refuse(socket, admission.reasons)
      guests.set(socket, { leaf: leaf ?? new Uint8Array(), until: admission.until, collateralGeneration })
      socket.once('close', () => guests.delete(socket))
      return true
    },
    close: stop,
  }
}

/** The certificate that was shown, and whose key was proved, on this connection. */
function leafOf(socket: TLSSocket): Uint8Array | undefined {
  // A session that was resumed shows the certificate of an earlier connection, and proves nothing about its key.
  if (socket.getProtocol() !== 'TLSv1.3' || socket.isSessionReused()) return undefined
  const { raw } = socket.getPeerCertificate()
  return raw && new Uint8Array(raw)
}

function makeJudge({ rule, anchor: { root, collateral }, clock }: DoorOptions) {
  const verdicts = new Verdicts<PeerJudgement>()
  const generation = (): number => collateral?.generation(clock.now()) ?? 0
  generation() // looked at now, so that what is wrong is told at the start

  function judge(leaf: Uint8Array | undefined): Admission {
    if (!leaf) {
      const reason = { rule: 'certificate', want: 'TLS 1.3 with a certificate, shown on this connection', got: 'none' }
      return { accepted: false, reasons: [reason] }
    }
    const at = clock.now()
    try {
      const trust: Trust = { root, collateral: collateral ? collateral.collateral(at) : { kind: 'synthetic' } }
      // There is one policy for the life of the process.
      const key = { leaf, policyDigest: '', collateralGeneration: generation() }
      return verdicts.find(key, at, () => judgePeer(leaf, rule, trust, at))
    } catch (error) {
      return { accepted: false, reasons: [reasonOf(error)] }
    }
  }
  return { judge, generation }
}

/** Intel's, with the collateral of these directories. */
export function intelAnchor(directories: readonly string[], report: (event: FunctionEvent) => void): Anchor {
  const root = intelRoot()
  const collateral = directorySource(directories, root, {
    report({ generation, complaint }) {
      if (complaint === undefined) report({ event: 'collateral-in-force', reason: `generation ${generation}` })
      else report({ event: 'collateral-failed', reason: complaint })
    },
  })
  return { root, collateral }
}
