// The policy's part about the attesting CA as the rooms read it, and what goes with the source `provision` and no other.

import { type Origin, originOf } from './origin.ts'
import type { PolicyDocument } from './policy-shape.ts'
import { type Complaint, show } from './shape.ts'

/** The CA that our certificate comes from. */
export interface Issuer extends Origin {
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
  const at = issuerAt(provision.url)
  if (at === undefined) return complain('provision/url', 'https://host[:port]', show(provision.url))
  return { ...at, accept: provision.accept }
}

/** Where it is; undefined for a URL that is more or less than `https://host[:port]`. */
export function issuerAt(text: string): Origin | undefined {
  const url = URL.parse(text)
  const bare = url?.protocol === 'https:' && url.pathname === '/' && url.search === '' && url.hash === ''
  return bare && url.username === '' && url.password === '' ? originOf(url) : undefined
}
