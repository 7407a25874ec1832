// The face of `postern/function/synthetic`: evidence for developing a function where there is no SGX. Whoever imports it
// can be believed by nobody but a policy named demo: the keys that sign are public.

import { toHex } from '../base/bytes.ts'
import type { Synthetic } from '../function/options.ts'
import { demoProxy, enclave } from './enclaves.ts'
import { syntheticRoot } from './tee.ts'

/**
 * An enclave that does not exist.
 * @param name its measurement is SHA-256 of this; the policy `demo` accepts the one that is meant where it is absent
 */
export function synthetic(name = 'postern demo function'): Synthetic {
  return { source: enclave(name), root: syntheticRoot }
}

/** The enclave of a proxy that runs with a policy named demo: for `clients`. */
export const syntheticProxy: { readonly mrenclave: string } = { mrenclave: toHex(demoProxy().mrenclave) }
