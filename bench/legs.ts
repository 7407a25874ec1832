// The two legs of a request, from the client to the proxy and from the proxy to the container, each plain HTTP/1.1 or
// over TLS 1.3.

export type Side = 'h' | 'tls'

export type LegName = `${Side}-${Side}`

export interface Leg {
  readonly inbound: Side
  readonly upstream: Side
}

export const legs: Readonly<Record<LegName, Leg>> = {
  'h-h': { inbound: 'h', upstream: 'h' },
  'h-tls': { inbound: 'h', upstream: 'tls' },
  'tls-h': { inbound: 'tls', upstream: 'h' },
  'tls-tls': { inbound: 'tls', upstream: 'tls' },
}

/** As it is written in reports: h→TLS. */
export function showLeg(leg: LegName): string {
  return leg.replace('-', '→').replaceAll('tls', 'TLS')
}
