// Fields that concern one connection only: by what they are, or because its Connection field names them (RFC 9110
// §7.6.1).

import type { Head } from './head.ts'
import { field } from './names.ts'

/** Those that never pass, by number. */
export const hopByHop = [
  field.connection,
  field.proxyConnection,
  field.keepAlive,
  field.proxyAuthenticate,
  field.proxyAuthorization,
  field.te,
  field.trailer,
  field.transferEncoding,
  field.upgrade,
] as const

/** What stands in Connection of nearly every message. Fields of these names never pass, or are hardly ever there. */
const usual: ReadonlySet<string> = new Set(['close', 'keep-alive', 'upgrade'])

/** Lower-case names of fields that Connection names; undefined where it names none that could pass, as nearly always. */
export function namedFields(head: Head): ReadonlySet<string> | undefined {
  if (head.find(field.connection) < 0) return undefined
  const tokens = head.tokens(field.connection)
  const named = tokens.filter(token => !usual.has(token) || (token === 'close' && head.header('close') !== undefined))
  return named.length === 0 ? undefined : new Set(named)
}
