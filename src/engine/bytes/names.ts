// Field names that mean something on the way through, each with a small number, found over bytes without making a
// string. A field whose name is not in the list has the number 0 and passes.

export const field = {
  other: 0,
  host: 1,
  connection: 2,
  contentLength: 3,
  transferEncoding: 4,
  expect: 5,
  upgrade: 6,
  te: 7,
  trailer: 8,
  keepAlive: 9,
  proxyConnection: 10,
  proxyAuthenticate: 11,
  proxyAuthorization: 12,
  userAgent: 13,
  forwarded: 14,
  xForwardedFor: 15,
  xForwardedHost: 16,
  xForwardedProto: 17,
  originalHost: 18,
  servingNamespace: 19,
  servingRevision: 20,
  networkProbe: 21,
  kubeletProbe: 22,
  proxyRequest: 23,
  traceparent: 24,
  tracestate: 25,
  baggage: 26,
  contentType: 27,
  contentEncoding: 28,
  date: 29,
  idempotencyKey: 30,
  xIdempotencyKey: 31,
  servingTag: 32,
  servingDefaultRoute: 33,
} as const

export type FieldId = (typeof field)[keyof typeof field]

const spelled: Readonly<Record<string, FieldId>> = {
  host: field.host,
  connection: field.connection,
  'content-length': field.contentLength,
  'transfer-encoding': field.transferEncoding,
  expect: field.expect,
  upgrade: field.upgrade,
  te: field.te,
  trailer: field.trailer,
  'keep-alive': field.keepAlive,
  'proxy-connection': field.proxyConnection,
  'proxy-authenticate': field.proxyAuthenticate,
  'proxy-authorization': field.proxyAuthorization,
  'user-agent': field.userAgent,
  forwarded: field.forwarded,
  'x-forwarded-for': field.xForwardedFor,
  'x-forwarded-host': field.xForwardedHost,
  'x-forwarded-proto': field.xForwardedProto,
  'k-original-host': field.originalHost,
  'knative-serving-namespace': field.servingNamespace,
  'knative-serving-revision': field.servingRevision,
  'k-network-probe': field.networkProbe,
  'k-kubelet-probe': field.kubeletProbe,
  'k-proxy-request': field.proxyRequest,
  traceparent: field.traceparent,
  tracestate: field.tracestate,
  baggage: field.baggage,
  'content-type': field.contentType,
  'content-encoding': field.contentEncoding,
  date: field.date,
  'idempotency-key': field.idempotencyKey,
  'x-idempotency-key': field.xIdempotencyKey,
  'knative-serving-tag': field.servingTag,
  'knative-serving-default-route': field.servingDefaultRoute,
}

const ids: ReadonlyMap<string, FieldId> = new Map(Object.entries(spelled))

/** The number of a lower-case name; 0 where it has none. */
export function idOf(lowerName: string): FieldId {
  return ids.get(lowerName) ?? field.other
}

interface Spelling {
  readonly id: FieldId
  /** Lower-case ASCII. */
  readonly bytes: Uint8Array
}

const byLength: Spelling[][] = []
for (const [name, id] of ids) {
  byLength[name.length] ??= []
  byLength[name.length]?.push({ id, bytes: Buffer.from(name, 'latin1') })
}

/** The number of the name that stands in `from`..`to`; both ends lie within `bytes`, which hold token characters there. */
export function idAt(bytes: Uint8Array, from: number, to: number): FieldId {
  const candidates = byLength[to - from]
  if (candidates === undefined) return field.other
  for (let i = 0; i < candidates.length; i++) {
    const { id, bytes: name } = candidates[i] as Spelling
    if (sameName(bytes, from, name)) return id
  }
  return field.other
}

/** Is the token at `from` this lower-case name, in any case? No other token character folds onto a letter or a hyphen. */
export function sameName(bytes: Uint8Array, from: number, name: Uint8Array): boolean {
  for (let i = 0; i < name.length; i++) if (((bytes[from + i] as number) | 0x20) !== name[i]) return false
  return true
}
