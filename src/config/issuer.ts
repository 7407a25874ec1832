// The policy's part about the attesting CA as the rooms read it, and what goes with the source `provision` and no other.

import { originOf } from './origin.ts'
import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'

/** The CA that our certificate comes from. */
export interface Issuer {
  readonly host: string
  readonly port: number
  /** Key of `peers`, which names at least one enclave. */
  readonly accept: string
}

/** Undefined where our certificate comes from elsewhere, or after at least one complaint. */
export function issuerOf({ identity, peers }: PolicyDocument, complaints: Complaint[]): Issuer | undefined {
  const { source, provision } = identity
  const complain = (path: string, want: string, got: string): undefined => {
    complaints.push({ path: `/identity/${path}`, want, got })
  }
  if (source !== 'provision') {
    return provision && complain('provision', `nothing, as source is "${source}"`, show(provision))
  }
  if (provision === undefined) return complain('provision', 'url and accept, as source is "provision"', 'nothing')
  const peer = peers[provision.accept]
  if (peer === undefined) return complain('provision/accept', 'a key of /peers', show(provision.accept))
  if (peer.enclaves.length === 0) return complain('provision/accept', 'peers with an enclave', show(provision.accept))
  const url = URL.parse(provision.url)
  if (url === null || url.pathname !== '/' || url.search !== '' || url.username !== '') {
    return complain('provision/url', 'https://host[:port]', show(provision.url))
  }
  return { ...originOf(url), accept: provision.accept }
}
