// A second reading of HTTP/1.1 (RFC 9112), for tests: short, slow, by regular expressions over whole texts, and as strict
// as what it judges.

const token = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+"
const text = '[\\t\\x20-\\x7e\\x80-\\xff]'

const requestLine = new RegExp(`^(${token}) ([\\x21-\\x7e\\x80-\\xff]+) HTTP/([0-9])\\.([0-9])$`)
const statusLine = new RegExp(`^HTTP/([0-9])\\.([0-9]) ([0-9]{3})(?: ${text}*)?$`)
const fieldLine = new RegExp(`^(${token}):[ \\t]*(${text}*?)[ \\t]*$`)

export type Kind = 'request' | 'response' | 'trailers'

export interface ReadHead {
  /** Of a request: method, target, version. Of a response: status, version. */
  readonly first: readonly string[]
  readonly fields: readonly (readonly [name: string, value: string])[]
  /** Characters up to and with the empty line. */
  readonly length: number
}

/** The head that a text begins with; undefined where that is none, or not all of it is there. */
export function readHead(kind: Kind, from: string): ReadHead | undefined {
  const lines: string[] = []
  let at = 0
  for (;;) {
    const end = from.indexOf('\r\n', at)
    if (end < 0) return undefined
    const line = from.slice(at, end)
    at = end + 2
    if (line === '') break
    lines.push(line)
  }
  const first = kind === 'trailers' ? [] : firstLine(kind, lines.shift() ?? '')
  if (!first) return undefined
  const fields: [string, string][] = []
  for (const line of lines) {
    const [, name, value] = fieldLine.exec(line) ?? []
    if (name === undefined || value === undefined) return undefined
    fields.push([name, value])
  }
  return { first, fields, length: at }
}

function firstLine(kind: 'request' | 'response', line: string): string[] | undefined {
  const [, a = '', b = '', c = '', d = ''] = (kind === 'request' ? requestLine : statusLine).exec(line) ?? []
  if (a === '') return undefined
  return kind === 'request' ? [a, b, `${c}.${d}`] : [c, `${a}.${b}`]
}

/** All values of a field. */
export function valuesOf({ fields }: ReadHead, lowerName: string): string[] {
  return fields.filter(([name]) => name.toLowerCase() === lowerName).map(([, value]) => value)
}

export interface ReadBody {
  /** open: only the end of its trailers could tell. */
  readonly state: 'done' | 'more' | 'open' | 'bad'
  readonly data: string
  readonly trailers: ReadHead['fields']
  /** Characters used; of a body that is done. */
  readonly length: number
}

const quoted = String.raw`"(?:[\t !#-[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*`
const sizeDigits = String.raw`([0-9A-Fa-f]+)[ \t]*`
const extensions = String.raw`;(?:[\t !#-~\x80-\xff]|${quoted}")*`
const sizeLine = new RegExp(`^${sizeDigits}(?:${extensions})?$`)
const sizeLineBegun = new RegExp(String.raw`^(?:${sizeDigits}(?:(?:${extensions})?\r?|${extensions}${quoted}\\?))?$`)
const forbidden = ['content-length', 'transfer-encoding', 'trailer', 'host', 'connection']

/** What a chunked body comes to. */
export function readChunks(from: string): ReadBody {
  let data = ''
  let at = 0
  const result = (state: ReadBody['state'], length = at, trailers: ReadHead['fields'] = []): ReadBody => ({
    state,
    data,
    trailers,
    length,
  })
  for (;;) {
    const end = from.indexOf('\r\n', at)
    if (end < 0) return result(sizeLineBegun.test(from.slice(at)) ? 'more' : 'bad')
    const digits = sizeLine.exec(from.slice(at, end))?.[1]
    if (digits === undefined) return result('bad')
    const size = BigInt(`0x${digits}`)
    if (size > Number.MAX_SAFE_INTEGER) return result('bad')
    at = end + 2
    if (size === 0n) break
    data += from.slice(at, at + Number(size))
    at += Number(size)
    const behind = from.slice(at, at + 2)
    if (!'\r\n'.startsWith(behind)) return result('bad')
    if (behind.length < 2) return result('more')
    at += 2
  }
  const trailers = readHead('trailers', from.slice(at))
  if (!trailers) return result(from.includes('\r\n\r\n', at) ? 'bad' : 'open')
  if (trailers.fields.some(([name]) => forbidden.includes(name.toLowerCase()))) return result('bad')
  return result('done', at + trailers.length, trailers.fields)
}
