// Ordinary X.509 trust: does a certificate chain to one of these roots, at this time, for this name?
//
// Every rule is checked twice where it can be: here, explicitly, and by pkijs's engine, which adds certificate policies.
// pkijs alone does not do: it ignores path lengths, extended key usages and unknown critical extensions of the leaf, may
// judge another certificate than the leaf it was given, widens name constraints on the way down, and never ends on two
// authorities that certify each other. So paths are found here, within bounds, and it is shown one at a time.
// The only file that knows pkijs, loaded on first use. Rules: RFC 5280 §6.1, RFC 6125, SPIFFE X.509-SVID.

import type { KeyObject } from 'node:crypto'
import type * as Library from 'pkijs'
import { type Authority, authorityOf, type Certificate, isSignedBy, readCertificate } from '../attest/certificate.ts'
import type { Reason } from '../attest/evidence.ts'
import { equalBytes, toHex } from '../base/bytes.ts'
import { describe } from '../base/errors.ts'
import { type Constraints, type Name, nameOutside, namesInclude, wantedName } from './names.ts'

export interface ChainQuestion {
  /** DER. */
  readonly leaf: Uint8Array
  /** DER, any order: what the peer sent along. Believed only as far as a root vouches for it. */
  readonly intermediates: readonly Uint8Array[]
  /** DER: the trust anchors. */
  readonly roots: readonly Uint8Array[]
  /** Milliseconds since the epoch. */
  readonly at: number
  /** 'dns:name', 'uri:spiffe://…', 'ip:address', or a bare DNS name or address. */
  readonly san: string
  /** What the leaf is shown for; 'serverAuth' where absent. */
  readonly usage?: 'serverAuth' | 'clientAuth'
}

export type ChainAnswer =
  /** `until` is the least notAfter on the path, in milliseconds since the epoch. */
  | { readonly ok: true; readonly until: number }
  | { readonly ok: false; readonly reasons: readonly [Reason, ...Reason[]] }

const maxIntermediates = 8
/** Leaf and root included. */
const maxPath = 6
const maxSignatureChecks = 64
const maxPaths = 8
/** ECMA-262 §21.4.1.1, in milliseconds. */
const maxDate = 8.64e15

const usageOids = { serverAuth: '1.3.6.1.5.5.7.3.1', clientAuth: '1.3.6.1.5.5.7.3.2' } as const
const anyUsage = '2.5.29.37.0'
const oid = { keyUsage: '2.5.29.15', san: '2.5.29.17', names: '2.5.29.30', usages: '2.5.29.37' }
/** Critical extensions that are acted upon: by us, and certificate policies (.32, .33, .36, .54) by the engine. */
const understood = new Set([...Object.values(oid), '2.5.29.19', '2.5.29.32', '2.5.29.33', '2.5.29.36', '2.5.29.54'])
/** ECDSA and RSA PKCS#1 with SHA-256, 384, 512. Not Ed25519, which pkijs cannot check; not RSA-PSS, whose hash is hidden. */
export const signatureOids: ReadonlySet<string> = new Set([
  ...['1.2.840.10045.4.3.2', '1.2.840.10045.4.3.3', '1.2.840.10045.4.3.4'],
  ...['1.2.840.113549.1.1.11', '1.2.840.113549.1.1.12', '1.2.840.113549.1.1.13'],
])

/** One certificate as two readers see it, ours and pkijs. */
interface Seen {
  readonly own: Certificate
  readonly authority: Authority
  readonly parsed: Library.Certificate
  /** Subject and key: no path meets the same pair twice. */
  readonly holder: string
}

/**
 * Judges a chain. Never throws for what a peer sent: every reason at once, for the path that came nearest.
 */
export async function verifyChain(question: ChainQuestion): Promise<ChainAnswer> {
  const lib = await import('pkijs')
  const want = wantedName(question.san)
  if (want === undefined) return refused(reason('san', 'a DNS name, address or URI', question.san))
  // Not a number compares false with everything, and would pass for within the dates.
  if (!(Math.abs(question.at) <= maxDate)) return refused(reason('at', 'a time', `${question.at}`))
  if (question.intermediates.length > maxIntermediates) {
    return refused(reason('chain', `at most ${maxIntermediates} intermediates`, `${question.intermediates.length}`))
  }
  const unreadable: Reason[] = []
  const read = (what: string) => (der: Uint8Array) => {
    try {
      return [see(lib, der)]
    } catch (error) {
      unreadable.push(reason('certificate', `${what}: X.509 in DER`, describe(error)))
      return []
    }
  }
  const [leaf] = read('leaf')(question.leaf)
  const roots = question.roots.flatMap(read('root'))
  const known = [question.leaf, ...question.roots].map(der => Buffer.from(der))
  const intermediates = question.intermediates
    .filter((der, index, all) => all.findIndex(other => Buffer.from(other).equals(der)) === index)
    .filter(der => !known.some(other => other.equals(der)))
    .flatMap(read('intermediate'))
  const [first, ...more] = unreadable
  if (first) return refused(first, ...more)
  if (leaf === undefined || roots.length === 0) return refused(reason('root', 'at least one trust anchor', 'none'))

  const search: Search = { roots, intermediates, left: maxSignatureChecks, broken: [] }
  let nearest: readonly Reason[] = []
  let tried = 0
  for (const path of paths(search, [leaf])) {
    const reasons = judgePath(lib, path, question, want)
    if (reasons.length === 0) reasons.push(...(await askEngine(lib, path, question.at)))
    if (reasons.length === 0) return { ok: true, until: Math.min(...path.map(({ own }) => own.notAfter)) }
    if (nearest.length === 0 || reasons.length < nearest.length) nearest = reasons
    tried += 1
    if (tried === maxPaths) break
  }
  const noPath = reason(
    'chain',
    `a path to one of ${roots.length} roots`,
    `none from issuer ${oneLine(leaf.own.x509.issuer)}`,
  )
  const [worst = noPath, ...others] = nearest.length > 0 ? nearest : [...search.broken, noPath]
  return refused(worst, ...others)
}

interface Search {
  readonly roots: readonly Seen[]
  readonly intermediates: readonly Seen[]
  /** Signatures that may still be checked: what a peer sends must not keep us busy. */
  left: number
  readonly broken: Reason[]
}

/** Paths from the leaf to a root, each signature on them checked; roots are tried first, so shorter ones tend to come first. */
function* paths(search: Search, path: readonly [Seen, ...Seen[]]): Generator<readonly [Seen, ...Seen[]]> {
  const last = path[path.length - 1] ?? path[0]
  for (const issuer of [...search.roots, ...search.intermediates]) {
    if (path.some(seen => seen.holder === issuer.holder)) continue
    if (!last.own.x509.checkIssued(issuer.own.x509)) {
      if (!equalBytes(last.own.issuer, issuer.own.subject)) continue
      const got = 'ruled out by key identifier, key usage or a malformed extension'
      search.broken.push(
        reason('chain', `${oneLine(last.own.x509.subject)} issued by ${oneLine(issuer.own.x509.subject)}`, got),
      )
      continue
    }
    if (search.left === 0 || path.length === maxPath) {
      if (search.broken.length === 0) search.broken.push(reason('chain', 'a short search', 'too many possible paths'))
      return
    }
    search.left -= 1
    if (!isSignedBy(last.own, issuer.own)) {
      search.broken.push(
        reason(
          'signature',
          `${oneLine(last.own.x509.subject)} signed by ${oneLine(issuer.own.x509.subject)}`,
          'not so',
        ),
      )
      continue
    }
    if (search.roots.includes(issuer)) yield [...path, issuer]
    else yield* paths(search, [...path, issuer])
  }
}

/** Our own reading of RFC 5280 §6.1 for one path, leaf first. */
function judgePath(lib: Lib, path: readonly [Seen, ...Seen[]], question: ChainQuestion, want: Name): Reason[] {
  const reasons: Reason[] = []
  const usage = usageOids[question.usage ?? 'serverAuth']
  const [leaf] = path
  const leafNames = namesOf(lib, leaf)
  for (const [index, seen] of path.entries()) {
    const say = (rule: string, wanted: string, got: string): void => {
      reasons.push(reason(rule, wanted, `${got} in ${oneLine(seen.own.x509.subject)}`))
    }
    const isRoot = index === path.length - 1
    if (question.at < seen.own.notBefore) say('not-before', `valid at ${iso(question.at)}`, iso(seen.own.notBefore))
    if (question.at >= seen.own.notAfter) say('not-after', `valid at ${iso(question.at)}`, iso(seen.own.notAfter))
    const algorithm = seen.own.signatureAlgorithm
    if (!isRoot && !signatureOids.has(algorithm)) say('algorithm', 'SHA-256 or better', algorithm)
    if (!strong(seen.own.publicKey))
      say('key', 'RSA of 2048 bits, P-256, P-384, P-521 or Ed25519', keyName(seen.own.publicKey))

    for (const { extnID, critical, parsedValue } of seen.parsed.extensions ?? []) {
      const readable = typeof parsedValue === 'object' && parsedValue !== null && !('parsingError' in parsedValue)
      if (understood.has(extnID) ? !readable : critical) say('extension', 'critical ones understood', extnID)
    }
    const usages = lookUp(seen, oid.usages, lib.ExtKeyUsage)?.keyPurposes
    const { ca, pathLength = Number.POSITIVE_INFINITY, keyCertSign } = seen.authority
    const keyUsage = seen.own.extensions.find(extension => extension.oid === oid.keyUsage)?.value
    if (index === 0) {
      if (ca) say('leaf', 'an end-entity certificate', 'a CA flag')
      if (usages && !usages.includes(usage)) say('usage', usage, usages.join(' '))
      // BIT STRING: tag, length, unused bits, bits; digitalSignature is the first.
      if (keyUsage && ((keyUsage[3] ?? 0) & 0x80) === 0) say('key-usage', 'digitalSignature', 'none')
      continue
    }
    if (!ca) say('ca', 'a CA flag', 'none')
    if (keyUsage && !keyCertSign) say('key-usage', 'keyCertSign', 'none')
    if (usages && !usages.includes(usage) && !usages.includes(anyUsage)) say('usage', usage, usages.join(' '))
    const below = path.slice(1, index).filter(({ own }) => !own.selfIssued).length
    if (below > pathLength) say('path-length', `at most ${pathLength} authorities below`, `${below}`)
    const constraints = constraintsOf(lib, seen)
    // The wanted name too: '*.a.b' may be spared where 'x.a.b', for which it stands, is excluded.
    const outside = constraints && nameOutside(constraints, [...leafNames, want])
    if (outside) say('name-constraints', 'a name that the CA may certify', `${outside.kind}:${outside.value}`)
    // The engine would take any of several levels' permitted directories; we take none.
    const bases = [...(constraints?.permitted ?? []), ...(constraints?.excluded ?? [])]
    if (bases.some(({ value }) => value === directory)) say('name-constraints', 'DNS, URI or IP', 'a directory name')
  }
  if (!namesInclude(want, leafNames)) {
    const got = leafNames.map(name => `${name.kind}:${name.value}`).join(' ')
    reasons.push(reason('san', `${want.kind}:${want.value}`, got.slice(0, 512) || 'no name'))
  }
  return reasons
}

/** pkijs's opinion of the very same path, at the same time. */
async function askEngine(lib: Lib, path: readonly [Seen, ...Seen[]], at: number): Promise<Reason[]> {
  const parsed = path.map(seen => seen.parsed)
  const [leaf] = parsed
  const root = parsed.pop()
  // The engine judges the last of `certs`: the leaf.
  const engine = new lib.CertificateChainValidationEngine({
    trustedCerts: root ? [root] : [],
    certs: parsed.reverse(),
    checkDate: new Date(at),
  })
  const { result, resultMessage, certificatePath } = await engine.verify()
  if (result && certificatePath?.[0] === leaf && certificatePath?.length === path.length) return []
  return [reason('engine', 'a path that the chain engine accepts', resultMessage || 'another path')]
}

type Lib = typeof Library

function see(lib: Lib, der: Uint8Array): Seen {
  const own = readCertificate(der)
  const parsed = lib.Certificate.fromBER(new Uint8Array(der))
  const holder = `${toHex(own.subject)} ${toHex(own.spki)}`
  return { own, authority: authorityOf(own), parsed, holder }
}

/** The parsed value of one extension, undefined where it is absent or not of this shape. */
function lookUp<T>(seen: Seen, extnId: string, type: new () => T): T | undefined {
  const value: unknown = seen.parsed.extensions?.find(extension => extension.extnID === extnId)?.parsedValue
  return value instanceof type ? value : undefined
}

function namesOf(lib: Lib, seen: Seen): Name[] {
  return (lookUp(seen, oid.san, lib.AltName)?.altNames ?? []).map(nameOf)
}

const directory = 'type 4'
const kinds: Readonly<Record<number, Name['kind']>> = { 2: 'dns', 6: 'uri', 7: 'ip' }

function nameOf(name: Library.GeneralName): Name {
  const kind = kinds[name.type] ?? 'other'
  if (kind === 'ip') return { kind, value: Buffer.from(name.value.valueBlock.valueHexView).toString('hex') }
  return { kind, value: kind === 'other' ? `type ${name.type}` : String(name.value) }
}

/** Forms other than DNS, URI and IP become 'other', which admits no name of that kind. */
function constraintsOf(lib: Lib, seen: Seen): Constraints | undefined {
  const value = lookUp(seen, oid.names, lib.NameConstraints)
  if (value === undefined) return undefined
  const bases = (subtrees: Library.GeneralSubtree[] | undefined): Name[] =>
    (subtrees ?? []).map(({ base }) => nameOf(base))
  return { permitted: bases(value.permittedSubtrees), excluded: bases(value.excludedSubtrees) }
}

function strong(key: KeyObject): boolean {
  const { modulusLength = 0, namedCurve = '' } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'ed25519') return true
  if (key.asymmetricKeyType === 'ec') return ['prime256v1', 'secp384r1', 'secp521r1'].includes(namedCurve)
  return (key.asymmetricKeyType ?? '').startsWith('rsa') && modulusLength >= 2048
}

function keyName(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  return [key.asymmetricKeyType, namedCurve ?? modulusLength].filter(part => part !== undefined).join(' ')
}

/** A distinguished name on one line and of bounded length; OpenSSL escapes what is not printable. */
function oneLine(name: string | undefined): string {
  return (name ?? '').replaceAll('\n', ', ').slice(0, 256) || 'an empty name'
}

function iso(ms: number): string {
  return new Date(ms).toISOString()
}

function reason(rule: string, want: string, got: string): Reason {
  return { rule, want, got }
}

function refused(first: Reason, ...rest: Reason[]): ChainAnswer {
  return { ok: false, reasons: [first, ...rest] }
}
