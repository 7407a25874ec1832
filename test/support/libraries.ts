// Two other verifiers of the same quotes, as second opinions: @phala/dcap-qvl (JavaScript) and @phala/dcap-qvl-web (an
// older Rust library as wasm). Both take collateral in one object with lists in hex; the wasm knows Intel's root only.

import { readFileSync } from 'node:fs'
import { QuoteVerifier } from '@phala/dcap-qvl'
import { initSync, js_verify } from '@phala/dcap-qvl-web'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { toHex } from '../../src/base/bytes.ts'

/** Status and advisories of a library that accepts; why not of one that does not. */
export type Opinion =
  | { readonly accepts: true; readonly status: string; readonly advisoryIds: readonly string[] }
  | { readonly accepts: false; readonly why: string }

interface Foreign {
  readonly status: string
  readonly advisory_ids: readonly string[]
}

let loaded = false

function load(): void {
  if (loaded) return
  const wasm = new URL('../../node_modules/@phala/dcap-qvl-web/dcap-qvl-web_bg.wasm', import.meta.url)
  initSync({ module: readFileSync(wasm) })
  loaded = true
}

/** What both libraries call a collateral. @throws where a document is no JSON */
export function foreignCollateral(collateral: IntelCollateral) {
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('utf8')
  const tcb = split(text(collateral.tcbInfo), 'tcbInfo')
  const qe = split(text(collateral.qeIdentity), 'enclaveIdentity')
  return {
    pck_crl_issuer_chain: text(collateral.pckCrlIssuerChain),
    root_ca_crl: toHex(collateral.rootCaCrl),
    pck_crl: toHex(collateral.pckCrl),
    tcb_info_issuer_chain: text(collateral.tcbInfoIssuerChain),
    tcb_info: tcb.value,
    tcb_info_signature: tcb.signature,
    qe_identity_issuer_chain: text(collateral.qeIdentityIssuerChain),
    qe_identity: qe.value,
    qe_identity_signature: qe.signature,
  }
}

/** The bytes of the value as they stand, as Intel's documents are always written. */
function split(text: string, member: string): { readonly value: string; readonly signature: string } {
  const [, value = '', signature = ''] =
    new RegExp(`^\\{"${member}":(.*),"signature":"([0-9a-fA-F]*)"\\}$`, 's').exec(text) ?? []
  return { value, signature }
}

/** @phala/dcap-qvl. @param root DER of the trust anchor */
export function askJavaScript(quote: Uint8Array, collateral: IntelCollateral, at: number, root: Uint8Array): Opinion {
  return opinion(() => {
    const verifier = QuoteVerifier.newWithRootCa(Buffer.from(root))
    return verifier.verify(Buffer.from(quote), foreignCollateral(collateral), Math.floor(at / 1000)) as Foreign
  })
}

/** @phala/dcap-qvl-web, under Intel's root. */
export function askWasm(quote: Uint8Array, collateral: IntelCollateral, at: number): Opinion {
  load()
  return opinion(() => js_verify(quote, foreignCollateral(collateral), BigInt(Math.floor(at / 1000))) as Foreign)
}

function opinion(run: () => Foreign): Opinion {
  try {
    const { status, advisory_ids } = run()
    return { accepts: true, status, advisoryIds: [...advisory_ids].sort() }
  } catch (error) {
    return { accepts: false, why: error instanceof Error ? error.message : String(error) }
  }
}
