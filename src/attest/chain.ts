// Certificate chains of Intel's SGX PKI, link by link: root, PCK CA and PCK leaf, root and TCB signing certificate. Three
// kinds of certificates that are known by name, so this is no general path building (RFC 5280 §6), but stricter.
//
// Says nothing about revocation (crl.ts) and nothing about dates but what they are: verify.ts knows the time.

import { equalBytes } from '../base/bytes.ts'
import { Fault, type FaultCode } from '../base/errors.ts'
import { authorityOf, type Certificate, isSignedBy } from './certificate.ts'

/** A place in a chain, and what must be true of a certificate there. */
export interface Station {
  /** For messages. */
  readonly name: string
  /** For messages about the link to another station. */
  readonly short: string
  /** What the common name must hold. */
  readonly phrase: RegExp
  /** How many CA certificates may follow below; undefined for what must not be a CA. */
  readonly below: number | undefined
  readonly code: FaultCode
}

/** Every station there is. */
export const stations = {
  root: { name: 'root', short: 'root', phrase: /SGX Root CA/, below: 1, code: 'quote-unverified' },
  pckCa: {
    name: 'PCK CA',
    short: 'CA',
    phrase: /SGX PCK (?:Platform|Processor) CA/,
    below: 0,
    code: 'quote-unverified',
  },
  pckLeaf: {
    name: 'PCK leaf',
    short: 'leaf',
    phrase: /SGX PCK Certificate/,
    below: undefined,
    code: 'quote-unverified',
  },
  crlCa: {
    name: 'PCK CRL issuer',
    short: 'PCK CRL issuer',
    phrase: /SGX PCK (?:Platform|Processor) CA/,
    below: 0,
    code: 'collateral-unverified',
  },
  tcbSigning: {
    name: 'TCB signing certificate',
    short: 'TCB signing certificate',
    phrase: /SGX TCB Signing/,
    below: undefined,
    code: 'collateral-unverified',
  },
} as const satisfies Record<string, Station>

/** Milliseconds since the epoch between which something holds, both ends included; `name` is for messages. */
export interface Dated {
  readonly name: string
  readonly from: number
  readonly until: number
}

const ecdsaWithSha256 = '1.2.840.10045.4.3.2'
// Critical extensions that are read here. RFC 5280 §4.2: one that is critical and not understood refuses the certificate.
const understood = new Set(['2.5.29.15', '2.5.29.19'])

/** Requires a self-issued, self-signed root. @throws Fault 'quote-unverified' */
export function requireRoot(root: Certificate): void {
  requireStation(root, stations.root)
  if (!root.selfIssued) throw new Fault(stations.root.code, 'the root is not self-issued')
  if (!isSignedBy(root, root)) throw new Fault(stations.root.code, 'the root is not signed by itself')
}

/**
 * Requires that `certificate` may stand at `at` and that `issuer`, which stands at `above`, issued it.
 * @throws Fault with the station's code
 */
export function requireLink(certificate: Certificate, at: Station, issuer: Certificate, above: Station): void {
  requireStation(certificate, at)
  if (!equalBytes(certificate.issuer, issuer.subject)) {
    throw new Fault(at.code, `the ${at.short} is not issued by the ${above.short}`)
  }
  if (!isSignedBy(certificate, issuer)) throw new Fault(at.code, `the ${at.short} is not signed by the ${above.short}`)
}

/** The dates of a certificate. */
export function datesOf(certificate: Certificate, name: string): Dated {
  return { name, from: certificate.notBefore, until: certificate.notAfter }
}

/**
 * The time in which all of these hold together.
 * @throws Fault with `code` where `at` is outside of one of them
 */
export function requireDates(all: readonly Dated[], at: number, code: FaultCode): { from: number; until: number } {
  // Written so that a time which is not a number is outside.
  const off = all.find(({ from, until }) => !(from <= at && at <= until))
  if (off !== undefined) throw new Fault(code, `${off.name}: not valid at the given time (${spanText(off)})`)
  return { from: Math.max(...all.map(({ from }) => from)), until: Math.min(...all.map(({ until }) => until)) }
}

function spanText({ from, until }: Dated): string {
  return `${new Date(from).toISOString()} to ${new Date(until).toISOString()}`
}

/** Name, algorithm, authority, extensions: what a certificate must be whoever signed it. */
function requireStation(certificate: Certificate, { name, phrase, below, code }: Station): void {
  const { commonName, signatureAlgorithm, curve, extensions } = certificate
  if (!phrase.test(commonName ?? '')) {
    throw new Fault(code, `${name}: want ${phrase.source} in its common name, got ${commonName ?? 'none'}`)
  }
  if (signatureAlgorithm !== ecdsaWithSha256 || curve !== 'P-256') {
    throw new Fault(code, `${name}: want a P-256 key and ECDSA with SHA-256`)
  }
  const authority = authorityOf(certificate)
  if (below === undefined) {
    if (authority.ca || authority.keyCertSign || authority.crlSign) throw new Fault(code, `${name}: must not be a CA`)
    if (!authority.digitalSignature) throw new Fault(code, `${name}: want a key that may sign`)
  } else if (!authority.ca || !authority.keyCertSign || (authority.pathLength ?? below) < below) {
    throw new Fault(code, `${name}: want a CA that may sign what is below it`)
  }
  const strange = extensions.find(extension => extension.critical && !understood.has(extension.oid))
  if (strange) throw new Fault(code, `${name}: critical extension ${strange.oid} is not understood`)
}
