// What a template may ask of a finished request: a table of Go's names. Names that Go has and this table has not are
// refused when the template is compiled; names that Go has not fail on each request, as in Go.

import type { RequestHead, Summary } from '../../gate/contract.ts'
import { brokeOff, type Serving } from '../labels.ts'
import { Float, type Value } from './values.ts'

export interface Method {
  readonly call: (summary: Summary, argument: string) => Value
}

/** A value, members, a method that wants one string, or the header fields; a URL is both value and members. */
export interface Member {
  readonly read?: (summary: Summary) => Value
  readonly members?: Members
  readonly method?: Method
  readonly header?: true
  /** Known to Go only. */
  readonly refused?: true
}

export type Members = ReadonlyMap<string, Member>

const value = (read: (summary: Summary) => Value): Member => ({ read })
const table = (members: Readonly<Record<string, Member>>): Members => new Map(Object.entries(members))

const unknownToUs =
  'Body GetBody TransferEncoding Close Form PostForm MultipartForm Trailer TLS Cancel Response Pattern Context ' +
  'AddCookie BasicAuth Clone Cookie Cookies CookiesNamed FormFile FormValue MultipartReader ParseForm ' +
  'ParseMultipartForm PathValue PostFormValue ProtoAtLeast SetBasicAuth SetPathValue WithContext Write WriteProxy'
const unknownOfUrl =
  'Opaque User OmitHost ForceQuery RawFragment EscapedFragment Query Redacted Parse ResolveReference JoinPath Port ' +
  'Hostname MarshalBinary UnmarshalBinary AppendBinary'
const unknownOfHeader = 'Add Clone Del Set Write WriteSubset'

const refused = (names: string): Record<string, Member> =>
  Object.fromEntries(names.split(' ').map(name => [name, { refused: true }]))

/** `scheme`, `authority` and the rest of an absolute target. */
const absolute = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?#]*)([\s\S]*)$/

function path(head: RequestHead): string {
  const rest = head.target.startsWith('/') ? head.target : (absolute.exec(head.target)?.[3] ?? head.target)
  const query = rest.indexOf('?')
  return query < 0 ? rest : rest.slice(0, query)
}

function query(head: RequestHead): string {
  const at = head.target.indexOf('?')
  return at < 0 ? '' : head.target.slice(at + 1)
}

/** Control bytes stay encoded: a path must not break a line in two. */
function decoded(text: string): string {
  return text.replace(/%([2-7][0-9a-fA-F]|[89a-fA-F][0-9a-fA-F])/g, (all, digits: string) => {
    return digits === '7f' || digits === '7F' ? all : String.fromCharCode(Number.parseInt(digits, 16))
  })
}

function host(head: RequestHead): string {
  if (head.target.startsWith('/')) return head.header('host') ?? ''
  return absolute.exec(head.target)?.[2]?.replace(/^.*@/, '') ?? head.header('host') ?? ''
}

/** As Go's ContentLength: -1 where a body came whose length nobody announced. */
function contentLength({ head, bytesReceived }: Summary): number {
  if (head.header('transfer-encoding') !== undefined) return -1
  const length = head.header('content-length')
  if (length !== undefined) return Number(length)
  return head.version === '2' && bytesReceived > 0 ? -1 : 0
}

/** `ip:port` as Go has it, where the port is known. */
function remote(from: RequestHead['from']): string {
  const host = from.address.includes(':') ? `[${from.address}]` : from.address
  return 'port' in from ? `${host}:${from.port}` : host
}

/** Second field of Traceparent, if it has two; else B3's. */
function traceId(head: RequestHead): string {
  const parent = head.header('traceparent') ?? ''
  const from = parent.indexOf('-') + 1
  if (from === 0) return head.header('x-b3-traceid') ?? ''
  const to = parent.indexOf('-', from)
  return to < 0 ? parent.slice(from) : parent.slice(from, to)
}

/** A response that broke off is a 500, as in Go; a client that left before it is a 499. */
export function statusOf(summary: Summary): number {
  return brokeOff(summary) || summary.status === 0 ? 500 : summary.status
}

/** Seconds as time.Duration tells them: whole nanoseconds. */
export function latency({ totalMs }: Summary): number {
  const nanoseconds = Math.round(totalMs * 1e6)
  return Math.floor(nanoseconds / 1e9) + (nanoseconds % 1e9) / 1e9
}

const version = { '1.0': 'HTTP/1.0', '1.1': 'HTTP/1.1', '2': 'HTTP/2.0' } as const

/** Go finds a field by its canonical name only. */
export function canonical(name: string): string {
  if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) return name
  return name.toLowerCase().replace(/(^|-)[a-z]/g, letter => letter.toUpperCase())
}

/** Fields that Go takes out of the header. */
const taken: ReadonlySet<string> = new Set(['host', 'transfer-encoding', 'trailer'])

export function headerField(head: RequestHead, name: string): string | undefined {
  const lower = name.toLowerCase()
  return taken.has(lower) ? undefined : head.header(lower)
}

const header: Member = {
  header: true,
  members: table({
    Get: { method: { call: ({ head }, name) => headerField(head, name) ?? '' } },
    Values: { method: { call: ({ head }, name) => [headerField(head, name) ?? []].flat() } },
    ...refused(unknownOfHeader),
  }),
}

const url: Member = {
  read: ({ head }) => head.target,
  members: table({
    Path: value(({ head }) => decoded(path(head))),
    RawPath: value(({ head }) => (path(head).includes('%') ? path(head) : '')),
    EscapedPath: value(({ head }) => path(head)),
    RawQuery: value(({ head }) => query(head)),
    RequestURI: value(({ head }) => path(head) + (head.target.includes('?') ? `?${query(head)}` : '')),
    String: value(({ head }) => head.target),
    Host: value(({ head }) => (head.target.startsWith('/') ? '' : (absolute.exec(head.target)?.[2] ?? ''))),
    Scheme: value(({ head }) => (head.target.startsWith('/') ? '' : (absolute.exec(head.target)?.[1] ?? ''))),
    IsAbs: value(({ head }) => absolute.test(head.target)),
    Fragment: value(() => ''),
    ...refused(unknownOfUrl),
  }),
}

const request: Members = table({
  Method: value(({ head }) => head.method),
  RequestURI: value(({ head }) => head.target),
  URL: url,
  Proto: value(({ head }) => version[head.version]),
  ProtoMajor: value(({ head }) => (head.version === '2' ? 2 : 1)),
  ProtoMinor: value(({ head }) => (head.version === '1.1' ? 1 : 0)),
  Header: header,
  ContentLength: value(contentLength),
  Host: value(({ head }) => host(head)),
  RemoteAddr: value(({ head }) => remote(head.from)),
  UserAgent: value(({ head }) => head.header('user-agent') ?? ''),
  Referer: value(({ head }) => head.header('referer') ?? ''),
  ...refused(unknownToUs),
})

const response: Members = table({
  Code: value(statusOf),
  Size: value(({ bytesSent }) => bytesSent),
  Latency: value(summary => new Float(latency(summary))),
})

/** The names below `.`. */
export function fieldsFor(serving: Serving & { readonly podIp: string }): Members {
  const constant = (text: string): Member => {
    const bytes = Buffer.from(text, 'utf8').toString('latin1')
    return value(() => bytes)
  }
  return table({
    Request: { members: request },
    Response: { members: response },
    Revision: {
      members: table({
        Name: constant(serving.revision),
        Namespace: constant(serving.namespace),
        Service: constant(serving.service),
        Configuration: constant(serving.configuration),
        PodName: constant(serving.pod),
        PodIP: constant(serving.podIp),
      }),
    },
    TraceID: value(({ head }) => traceId(head)),
  })
}
