// Certificates of the other end of a TLS connection, in the bytes in which they were sent.

import type { TLSSocket } from 'node:tls'

/** DER, leaf first. */
export type Chain = readonly [leaf: Uint8Array, ...rest: Uint8Array[]]

/** Longer chains than this serve nobody but an attacker. */
const maxChain = 8

/**
 * The chain that the peer sent, leaf first. Node hands out a client's view of it once: later calls return nothing, so
 * it is read here and nowhere else.
 */
export function peerChain(socket: TLSSocket): Chain | undefined {
  const leaf = socket.getPeerCertificate(true)
  if (!leaf?.raw) return undefined
  const chain: [Uint8Array, ...Uint8Array[]] = [new Uint8Array(leaf.raw)]
  for (let at = leaf, next = leaf.issuerCertificate; next?.raw && next !== at; at = next, next = at.issuerCertificate) {
    chain.push(new Uint8Array(next.raw))
    if (chain.length > maxChain) return undefined
  }
  return chain
}
