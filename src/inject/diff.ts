// The difference of two JSON trees as an RFC 6902 patch: only what differs, nothing for equals. Lists are compared by
// position, and what is new stands at their end, which is how the injector changes them.

import type { Json } from '../base/json.ts'
import { isObject } from './tree.ts'

export type Operation =
  | { readonly op: 'add' | 'replace'; readonly path: string; readonly value: Json }
  | { readonly op: 'remove'; readonly path: string }

/** RFC 6901. */
const under = (path: string, key: string): string => `${path}/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`

/** Operations that make `to` out of `from`, in the order in which they apply. */
export function diff(from: Json, to: Json, path = ''): readonly Operation[] {
  if (from === to) return []
  if (isObject(from) && isObject(to)) {
    const gone = Object.keys(from)
      .filter(key => !Object.hasOwn(to, key))
      .map((key): Operation => ({ op: 'remove', path: under(path, key) }))
    const rest = Object.entries(to).flatMap(([key, value]) => {
      const before = Object.hasOwn(from, key) ? from[key] : undefined
      const where = under(path, key)
      return before === undefined ? [{ op: 'add', path: where, value } as const] : diff(before, value, where)
    })
    return [...gone, ...rest]
  }
  if (Array.isArray(from) && Array.isArray(to) && to.length >= from.length) {
    return to.flatMap((value, i): readonly Operation[] =>
      i < from.length
        ? diff(from[i] as Json, value as Json, under(path, String(i)))
        : [{ op: 'add', path: under(path, '-'), value: value as Json }],
    )
  }
  return [{ op: 'replace', path, value: to }]
}
