// Forms of values that occur in more than one part of the policy document.

import { X509Certificate } from 'node:crypto'
import { parsed, type Shape, text } from './shape.ts'

export const label = '[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?'
export const trustDomain = '[a-z0-9][a-z0-9._-]{0,254}'

export const spiffeId = text(new RegExp(`^spiffe://${trustDomain}(?:/[A-Za-z0-9._-]+)+$`), 'a SPIFFE ID with a path')
/** A name that a certificate must carry. */
export const sanName = text(/^[\x21-\x7e]{1,255}$/, 'a DNS name or a URI')
/** A key of `peers`. */
export const peerName = /^[a-z][a-z0-9-]{0,62}$/

/** One or more PEM certificates that parse, and nothing else. */
export const certificates = (most: number): Shape<readonly [X509Certificate, ...X509Certificate[]]> =>
  parsed({
    pattern: /^(?:-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----\s*)+$/,
    want: most === 1 ? 'one certificate in PEM' : 'certificates in PEM',
    as: found => {
      const blocks = found.match(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----/g) ?? []
      try {
        const [first, ...rest] = blocks.map(block => new X509Certificate(block))
        return first === undefined || rest.length >= most ? undefined : ([first, ...rest] as const)
      } catch {
        return undefined
      }
    },
  })
