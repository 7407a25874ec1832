// The enclaves of the demo: none of them exists. Their quotes are signed by the synthetic TEE, whose key everybody has;
// only the policy `demo` accepts them.

import type { QuoteSource } from '../attest/evidence.ts'
import { makeSyntheticTee, measurement } from './tee.ts'

const signer = measurement('postern demo signer')

/** Any enclave. Its measurement is SHA-256 of its name. */
export function enclave(name: string, debug = false): QuoteSource {
  return makeSyntheticTee({ mrenclave: measurement(name), mrsigner: signer, isvProdId: 1, isvSvn: 1, debug })
}

/** What the policy `demo` accepts as the container. */
export const demoFunction = (): QuoteSource => enclave('postern demo function')

/** The same code in a debug enclave, whose memory the host can read. */
export const demoDebugFunction = (): QuoteSource => enclave('postern demo function', true)

/** Some other code. */
export const demoStranger = (): QuoteSource => enclave('postern demo stranger')

/** The proxy itself. */
export const demoProxy = (): QuoteSource => enclave('postern demo proxy')

/** The attesting CA. */
export const demoProvision = (): QuoteSource => enclave('postern demo provision')
