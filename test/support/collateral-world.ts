// Intel as the years go by, under a test root: every document and list of a day, issued anew each day and valid for a
// month (the root's list for a year), in one of the truths that stand beside each other. Signed when asked for.

import type { SyntheticPlatform } from '../../src/demo/tee.ts'
import { type Keys, names } from './certificates.ts'
import { fmspc, makeCrl, makeIntel, pem, qeIdentity, signDocument, tcbInfo } from './pki-intel.ts'

export const day = 86_400_000
export const month = 30 * day
const iso = (ms: number): string => new Date(ms).toISOString().replace('.000Z', 'Z')
export const otherFmspc = '5f5f5f000001'

/** Everything that a service needs of one day. */
export interface Edition {
  /** When all of it was issued. */
  readonly issued: number
  readonly tcbInfo: (fmspc: string) => Uint8Array
  readonly qeIdentity: Uint8Array
  readonly pckCrl: (ca: string) => Uint8Array
  readonly rootCrl: Uint8Array
  readonly signingChain: Uint8Array
  readonly caChain: (ca: string) => Uint8Array
}

export interface CollateralWorld {
  readonly root: Uint8Array
  /** Of the platform CA, with the first model; of the processor CA, with the other. */
  readonly platforms: { readonly platform: SyntheticPlatform; readonly processor: SyntheticPlatform }
  readonly fmspcs: readonly string[]
  /** Serial numbers on the PCK list, from the next edition on. */
  readonly revoked: string[]
  /** What Intel publishes at this time. */
  edition(at: number, evaluationDataNumber: number): Edition
}

export async function makeWorld(): Promise<CollateralWorld> {
  const one = await makeIntel()
  const two = await makeIntel({
    root: { keys: one.keys.root },
    ca: { name: names.ca.replace('Platform', 'Processor'), serial: '12' },
    leaf: { serial: '13' },
    sgx: { fmspc: otherFmspc },
  })
  const [, platformCa] = one.platform.chain
  const [, processorCa] = two.platform.chain
  const cas: Readonly<Record<string, { der: Uint8Array; keys: Keys }>> = {
    platform: { der: platformCa, keys: one.keys.ca },
    processor: { der: processorCa, keys: two.keys.ca },
  }
  const caOf = (ca: string) => {
    const found = cas[ca]
    if (!found) throw new Error(`no CA ${ca}`)
    return found
  }
  const revoked: string[] = []
  const made = new Map<string, Uint8Array>()
  const once = (name: string, make: () => Uint8Array): Uint8Array => {
    const known = made.get(name) ?? make()
    made.set(name, known)
    return known
  }
  return {
    root: one.root,
    platforms: { platform: one.platform, processor: two.platform },
    fmspcs: [fmspc, otherFmspc],
    revoked,
    edition(at, number) {
      const issued = Math.floor(at / day) * day
      const dates = { issueDate: iso(issued), nextUpdate: iso(issued + month), tcbEvaluationDataNumber: number }
      const list = { thisUpdate: issued, nextUpdate: issued + month, number: 1 }
      const numbered = (what: string, make: () => Uint8Array) => once(`${what} ${issued} ${number}`, make)
      const dated = (what: string, make: () => Uint8Array) => once(`${what} ${issued} ${revoked}`, make)
      return {
        issued,
        tcbInfo: fmspc =>
          numbered(`tcb ${fmspc}`, () => signDocument('tcbInfo', tcbInfo({ ...dates, fmspc }), one.keys.signing)),
        qeIdentity: numbered('qe', () => signDocument('enclaveIdentity', qeIdentity(dates), one.keys.signing)),
        pckCrl: ca => dated(`crl ${ca}`, () => makeCrl(caOf(ca).der, caOf(ca).keys, { ...list, revoked })),
        rootCrl: dated('root', () => makeCrl(one.root, one.keys.root, { ...list, nextUpdate: issued + 12 * month })),
        signingChain: one.collateral.tcbInfoIssuerChain,
        caChain: ca => pem(caOf(ca).der, one.root),
      }
    },
  }
}
