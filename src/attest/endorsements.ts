// Collateral that a peer brings along in its certificate (interoperable RA-TLS of the CCC attestation SIG: extension
// 2.23.133.5.4.2, fields in the order of Open Enclave's oe_sgx_endorsements_fields_t). All of it is signed by Intel, so it
// is believed like any other; that it comes from the peer says nothing for it and nothing against it.

import { type Cbor, decodeCbor, isTagged } from '../base/cbor.ts'
import { tag } from '../base/der.ts'
import { Fault } from '../base/errors.ts'
import type { Certificate } from './certificate.ts'
import type { IntelCollateral } from './evidence.ts'

export const endorsementsOid = '2.23.133.5.4.2'

const code = 'collateral-malformed'
const quoteTag = 60_000

/**
 * What a certificate carries; undefined where it carries none. Nothing is verified.
 * @throws Fault 'collateral-malformed'
 */
export function readEndorsements({ extensions }: Certificate): IntelCollateral | undefined {
  const extension = extensions.find(({ oid }) => oid === endorsementsOid)
  if (extension === undefined) return undefined
  const item = decodeCbor(extension.value, code)
  const fields: readonly Cbor[] = isTagged(item) && item.tag === quoteTag && Array.isArray(item.value) ? item.value : []
  // The version says nothing that the fields do not, and the time at which somebody gathered them is nobody's word.
  const [version, ...rest] = fields
  if (version === undefined || rest.length < 7 || rest.length > 8) {
    throw new Fault(code, `endorsements: want CBOR tag ${quoteTag} with an array of 8 or 9 fields`)
  }
  const field = (at: number): Uint8Array => {
    const value = rest[at]
    if (value instanceof Uint8Array) return withoutEnd(value)
    throw new Fault(code, `endorsements: want a byte string as field ${at + 1}`)
  }
  return {
    kind: 'intel',
    tcbInfo: field(0),
    tcbInfoIssuerChain: field(1),
    pckCrl: field(2),
    rootCaCrl: field(3),
    pckCrlIssuerChain: field(4),
    qeIdentity: field(5),
    qeIdentityIssuerChain: field(6),
  }
}

/** Texts may end as C's strings do; DER may end with any byte. */
function withoutEnd(value: Uint8Array): Uint8Array {
  if (value[0] === tag.sequence) return value
  const end = value.findLastIndex(byte => byte !== 0) + 1
  return value.subarray(0, end)
}
