// Kubernetes objects as JSON trees that are never changed in place: what was received stays beside what is wanted, and
// the patch is the difference. A member that is null reads as absent, as in the Go types behind them.

import { Fault } from '../base/errors.ts'
import type { Json, JsonObject } from '../base/json.ts'

const empty: JsonObject = {}

/** The member's value; undefined where there is none. */
export function at(object: JsonObject, key: string): Json | undefined {
  return Object.hasOwn(object, key) ? (object[key] ?? undefined) : undefined
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The member as an object, an empty one where it is absent. @throws Fault 'review-malformed' for anything else */
export function objectAt(object: JsonObject, key: string): JsonObject {
  const value = at(object, key)
  if (value === undefined) return empty
  if (isObject(value)) return value
  throw malformed(key, 'an object')
}

/** The member as objects, none where it is absent. @throws Fault 'review-malformed' for anything else */
export function objectsAt(object: JsonObject, key: string): readonly JsonObject[] {
  const value = at(object, key)
  if (value === undefined) return []
  if (!Array.isArray(value) || !value.every(isObject)) throw malformed(key, 'a list of objects')
  return value
}

/** The member where it is a string, nothing ('') where it is anything else: for names, which are only compared and told. */
export function textAt(object: JsonObject, key: string): string {
  const value = at(object, key)
  return typeof value === 'string' ? value : ''
}

/** Another object with this member set. */
export const put = (object: JsonObject, key: string, value: Json): JsonObject => ({ ...object, [key]: value })

/** Another object with one more item at the end of a list that may be absent. */
export const append = (object: JsonObject, key: string, item: Json): JsonObject => {
  const list = at(object, key)
  return put(object, key, [...(Array.isArray(list) ? list : []), item])
}

/** True where every member of `wanted` is in `value` too, all the way down: the API server adds defaults to what it is given. */
export function covers(value: Json | undefined, wanted: Json): boolean {
  if (isObject(wanted)) {
    return isObject(value) && Object.entries(wanted).every(([key, each]) => covers(at(value, key), each))
  }
  if (Array.isArray(wanted)) {
    return Array.isArray(value) && value.length === wanted.length && wanted.every((each, i) => covers(value[i], each))
  }
  return value === wanted
}

function malformed(key: string, want: string): Fault {
  return new Fault('review-malformed', `pod: ${key}: want ${want}`)
}
