// What a request's head must be before anybody may decide about it: a target that two parsers read alike (RFC 9112 §3.2)
// and one well-formed Host (§3.2). What is passed on is passed byte for byte; what is ambiguous is refused, never
// repaired.

/** What stands in a request line, taken apart as far as forwarding needs. */
export interface Target {
  /** What the container gets in its request line. */
  readonly path: string
  /** Authority of an absolute-form target without its user information: it is the Host then, whatever the field says. */
  readonly authority: string | undefined
}

const absoluteForm = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)(.*)$/
const badEscape = /%(?![0-9A-Fa-f]{2})/

/** Go's httpguts.ValidHostHeader. */
const hostCharacters = /^[A-Za-z0-9!$%&'()*+,\-.:;=[\]_~]*$/

/** A value that may stand in Host: registered characters, no user information, no path. */
export function validHost(value: string): boolean {
  return hostCharacters.test(value)
}

/**
 * @param target as received, one character per byte
 * @returns undefined where it is malformed or could be read in two ways
 */
export function parseTarget(method: string, target: string): Target | undefined {
  if (method === 'CONNECT') return { path: target, authority: undefined }
  if (target === '*') return { path: '*', authority: undefined }
  // A fragment never belongs into a request: some parsers cut it off, some take it for the path.
  if (target.includes('#')) return undefined
  if (target.startsWith('/')) return goodEscapes(target) ? { path: target, authority: undefined } : undefined
  const match = absoluteForm.exec(target)
  if (!match) return undefined
  const authority = (match[1] ?? '').split('@').at(-1) ?? ''
  const rest = match[2] ?? ''
  const path = rest.startsWith('/') ? rest : `/${rest}`
  return authority !== '' && validHost(authority) && goodEscapes(path) ? { path, authority } : undefined
}

/** The query is the container's business, whatever stands in it; a path with a broken escape has no one meaning. */
function goodEscapes(target: string): boolean {
  const query = target.indexOf('?')
  return !badEscape.test(query < 0 ? target : target.slice(0, query))
}

/**
 * Why a request cannot be taken, as Go's server words it: status and phrase; undefined where it can.
 * @param version as in the request line, `1.1`
 * @param hosts all values of Host, as received
 */
export function headProblem(version: string, hosts: readonly string[]): string | undefined {
  if (!version.startsWith('1.')) return '505 HTTP Version Not Supported: unsupported protocol version'
  const [host, second] = hosts
  if (second !== undefined) return malformed
  if (host === undefined) return version === '1.0' ? undefined : `${malformed}: missing required Host header`
  return validHost(host) ? undefined : `${malformed}: malformed Host header`
}

export const malformed = '400 Bad Request'
