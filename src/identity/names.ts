// Names in certificates: does one of them stand for the peer we want, and may its issuer vouch for it?
//
// Subject alternative names only; a common name is never a name. Comparison is exact, but for one wildcard as the whole
// left-most label of a certificate's DNS name. Rules: RFC 6125 §6.4, RFC 5280 §4.2.1.10, SPIFFE X.509-SVID §2.
// Pure: strings and bytes in, answers out.

import { isIPv4, isIPv6 } from 'node:net'

/** 'ip' values are lower-case hex of 4 or 16 bytes; of twice that, address and mask, in a constraint. */
export interface Name {
  readonly kind: 'dns' | 'uri' | 'ip' | 'other'
  readonly value: string
}

/** One authority's name constraints. */
export interface Constraints {
  readonly permitted: readonly Name[]
  readonly excluded: readonly Name[]
}

/**
 * The name that a policy asks for.
 * @param san 'dns:name', 'uri:scheme://…', 'ip:address', or a bare DNS name or address
 * @returns undefined where it is no name at all
 */
export function wantedName(san: string): Name | undefined {
  const [, prefix, rest = ''] = /^(dns|uri|ip):(.*)$/s.exec(san) ?? [undefined, undefined, san]
  if (prefix === 'uri') return uriHost(rest) === undefined ? undefined : { kind: 'uri', value: rest }
  const address = ipHex(rest)
  if (prefix === 'ip' || (prefix === undefined && address !== undefined)) {
    return address === undefined ? undefined : { kind: 'ip', value: address }
  }
  return dnsName.test(rest) && address === undefined ? { kind: 'dns', value: rest.toLowerCase() } : undefined
}

// Underscores occur in internal names. No wildcard: we want one peer, not a family.
const dnsName = /^(?=.{1,253}$)[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

/** True where one of the certificate's names is the wanted one. */
export function namesInclude(want: Name, names: readonly Name[]): boolean {
  // An SVID has exactly one URI; with several, which is the identity would be a matter of opinion.
  if (want.kind === 'uri' && names.filter(name => name.kind === 'uri').length !== 1) return false
  return names.some(name => name.kind === want.kind && same(want, name))
}

function same(want: Name, have: Name): boolean {
  if (want.kind !== 'dns') return want.value === have.value
  const value = have.value.toLowerCase()
  if (value === want.value) return true
  const dot = want.value.indexOf('.')
  // '*.example.com' stands for one label, and never right below a top-level domain.
  return dot > 0 && value === `*${want.value.slice(dot)}` && want.value.slice(dot + 1).includes('.')
}

/**
 * The first name that an authority may not vouch for, or undefined. Each authority is asked by itself, so one further
 * down can only narrow.
 */
export function nameOutside(constraints: Constraints, names: readonly Name[]): Name | undefined {
  return names.find(name => {
    const ofKind = constraints.permitted.filter(base => base.kind === name.kind)
    if (ofKind.length > 0 && !ofKind.some(base => within(name, base) === true)) return true
    return constraints.excluded.some(base => base.kind === name.kind && within(name, base) !== false)
  })
}

/** Undefined where it cannot be told: neither permitted nor spared. */
function within(name: Name, base: Name): boolean | undefined {
  if (name.kind === 'dns') return domainWithin(name.value, base.value, true)
  if (name.kind === 'uri') {
    const host = uriHost(name.value)
    return host === undefined ? undefined : domainWithin(host, base.value, false)
  }
  if (name.kind === 'ip') return addressWithin(name.value, base.value)
  return undefined
}

/** RFC 5280 §4.2.1.10: 'a.b' holds itself (and, for DNS names, what is below); '.a.b' only what is below. */
function domainWithin(name: string, base: string, below: boolean): boolean {
  const [host, limit] = [name.toLowerCase(), base.toLowerCase()]
  if (limit === '') return true
  if (limit.startsWith('.')) return host.endsWith(limit) && host.length > limit.length
  return host === limit || (below && host.endsWith(`.${limit}`))
}

function addressWithin(address: string, subnet: string): boolean | undefined {
  if (subnet.length !== address.length * 2) return subnet.length === 16 || subnet.length === 64 ? false : undefined
  const [bytes, rule] = [Buffer.from(address, 'hex'), Buffer.from(subnet, 'hex')]
  return bytes.every((byte, at) => {
    const mask = rule.readUInt8(bytes.length + at)
    return (byte & mask) === (rule.readUInt8(at) & mask)
  })
}

/** Host of a hierarchical URI without user info; undefined for any other. */
function uriHost(uri: string): string | undefined {
  return /^[a-z][a-z0-9+.-]*:\/\/([^/?#@:\s]+)(?::\d+)?(?:[/?#]|$)/i.exec(uri)?.[1]
}

/** An address as hex of its bytes; undefined where it is none, or has a zone. */
function ipHex(text: string): string | undefined {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number)).toString('hex')
  if (!isIPv6(text) || text.includes('%')) return undefined
  const dotted = text.replace(/\d+\.\d+\.\d+\.\d+$/, v4 => (ipHex(v4) ?? '').replace(/^.{4}/, '$&:'))
  const [left = [], right] = dotted.split('::').map(half => (half === '' ? [] : half.split(':')))
  const missing = right === undefined ? 0 : 8 - left.length - right.length
  const groups = [...left, ...new Array<string>(missing).fill('0'), ...(right ?? [])]
  return groups.map(group => group.toLowerCase().padStart(4, '0')).join('')
}
