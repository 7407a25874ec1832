// `postern verify HOST:PORT`: a TLS handshake with a live peer, the judgement of the certificate that it showed, and not
// one byte of an application. It asks as a proxy under this policy would.

import { connect, type TLSSocket } from 'node:tls'
import type { Reason, SgxClaims } from '../attest/evidence.ts'
import { judgePeer, needsOf, type Trust } from '../attest/peer.ts'
import type { PeerRule } from '../attest/policy.ts'
import { intelRoot } from '../attest/root.ts'
import { systemClock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { floorClock } from '../base/floor.ts'
import { openStore } from '../collateral/open.ts'
import type { Policy } from '../config/policy.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { report } from './report.ts'
import { acceptedBy, readPolicyOf } from './subject.ts'

const dialMs = 10_000

/** @returns 0 accepted, 1 refused or unreachable. @throws Fault 'usage', 'policy-invalid' */
export async function verifyPeer({ positionals, values }: Parsed, io: Io): Promise<number> {
  const { host, port } = readAddress(positionals[0] ?? '')
  const { policy } = readPolicyOf(String(values['policy']), io)
  const rule: PeerRule = {
    ...acceptedBy(policy),
    maxCollateralAgeMs: policy.collateral.maxAgeMs,
    dangerAcceptSynthetic: policy.dangerSyntheticRoot !== undefined,
    refuse: { leafSha256s: [], mrenclave: undefined },
  }
  const asJson = values['json'] === true
  const refuse = (reasons: readonly Reason[], claims?: SgxClaims): number => {
    io.write(report({ claims, accepted: false, reasons }, asJson))
    return 1
  }
  try {
    const leaf = await leafOf(host, port)
    const judgement = judgePeer(leaf, rule, await trustFor(leaf, policy, io.now), io.now())
    if (!judgement.accepted) return refuse(judgement.reasons, judgement.refused)
    io.write(report({ claims: judgement.claims, accepted: true, reasons: [] }, asJson))
    return 0
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return refuse([{ rule: error.code, want: `a peer at ${host}:${port} to judge`, got: error.message }])
  }
}

/**
 * What a policy judges a peer by.
 * @throws Fault where collateral cannot be had, or where the peer names no machine that it could be for
 */
export async function trustFor(
  leaf: Uint8Array,
  { dangerSyntheticRoot, collateral }: Policy,
  now: () => number,
): Promise<Trust> {
  if (dangerSyntheticRoot) return { root: dangerSyntheticRoot, collateral: { kind: 'synthetic' } }
  if (collateral.sources.length === 0) {
    throw new Fault('collateral-missing', 'the policy names no source of collateral')
  }
  const root = intelRoot()
  const { model, stapled } = needsOf(leaf, root)
  const store = openStore(collateral, root, floorClock({ ...systemClock, now }, 0), () => undefined)
  const mayStaple = collateral.sources.some(source => source.kind === 'stapled')
  return {
    root,
    collateral: await store.provide(model, mayStaple ? stapled() : undefined),
    pastNextUpdateMs: collateral.dangerPastNextUpdateSeconds * 1000,
  }
}

/** The certificate that the peer proved possession of. @throws Fault 'upstream-unreachable', 'certificate-malformed' */
function leafOf(host: string, port: number): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    // The peer's evidence is what counts; whether some CA knows it does not, so OpenSSL is not asked.
    const socket: TLSSocket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const fail = (what: string): void => {
      socket.destroy()
      reject(new Fault('upstream-unreachable', `${host}:${port}: ${what}`))
    }
    socket.setTimeout(dialMs, () => fail('timed out'))
    socket.once('error', error => fail(describe(error)))
    socket.once('close', () => fail('closed before the handshake was done'))
    socket.once('secureConnect', () => {
      const leaf = socket.getPeerX509Certificate()?.raw
      socket.destroy()
      if (leaf) resolve(new Uint8Array(leaf))
      else reject(new Fault('certificate-malformed', 'the peer showed no certificate'))
    })
  })
}

/** @throws Fault 'usage' */
function readAddress(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:]+)\]|([^:[\]]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  const port = Number(digits)
  if (host === undefined || !(port >= 1 && port <= 65_535)) {
    throw new Fault('usage', `postern verify: want HOST:PORT, got ${JSON.stringify(text)}; see postern verify --help`)
  }
  return { host, port }
}
