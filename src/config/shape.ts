// The shape of a JSON document, said once: its TypeScript type, its strict reader and its JSON Schema (draft 2020-12)
// come from the same value. A reader gathers every complaint, refuses unknown keys and touches no prototype.
// Must never coerce: what does not fit is a complaint, and a document with a complaint yields no value at all.

import type { Json } from '../base/json.ts'

/** One thing that does not fit. `path` is a JSON Pointer (RFC 6901); `want` and `got` are for the operator. */
export interface Complaint {
  readonly path: string
  readonly want: string
  readonly got: string
}

/** What a reader returns besides its complaints where the value does not fit. */
export const unfit: unique symbol = Symbol('unfit')
export type Unfit = typeof unfit

export interface Shape<out T> {
  /** The value, or `unfit` after at least one complaint. */
  read(value: unknown, path: string, complaints: Complaint[]): T | Unfit
  readonly schema: Readonly<Record<string, unknown>>
  /** Where the key may be left out: what stands for it. */
  readonly absent?: () => T
}

/** The type of what a shape reads. */
export type Infer<S> = S extends Shape<infer T> ? T : never

const maxShown = 60

/** A value as it is shown in a complaint, cut short. */
export function show(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing'
  return text.length > maxShown ? `${text.slice(0, maxShown)}…` : text
}

function refuse(complaints: Complaint[], path: string, want: string, value: unknown): Unfit {
  complaints.push({ path, want, got: show(value) })
  return unfit
}

const under = (path: string, key: string | number): string =>
  `${path}/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`

interface TextRule<T> {
  /** Anchored; the JSON Schema repeats it. */
  readonly pattern: RegExp
  readonly want: string
  /** The parsed value, or undefined where the text fits the pattern and still makes no sense. */
  readonly as: (text: string) => T | undefined
}

/** A string that fits a pattern, parsed. */
export function parsed<T>(rule: TextRule<T>): Shape<T> {
  return {
    schema: { type: 'string', pattern: rule.pattern.source },
    read(value, path, complaints) {
      const found = typeof value === 'string' && rule.pattern.test(value) ? rule.as(value) : undefined
      return found === undefined ? refuse(complaints, path, rule.want, value) : found
    },
  }
}

/** A string that fits a pattern. */
export const text = (pattern: RegExp, want: string): Shape<string> => parsed({ pattern, want, as: found => found })

/** An integer between two bounds, both included. */
export function integer(least: number, most: number): Shape<number> {
  return {
    schema: { type: 'integer', minimum: least, maximum: most },
    read: (value, path, complaints) =>
      typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
        ? value
        : refuse(complaints, path, `an integer from ${least} to ${most}`, value),
  }
}

export const flag: Shape<boolean> = {
  schema: { type: 'boolean' },
  read: (value, path, complaints) =>
    typeof value === 'boolean' ? value : refuse(complaints, path, 'true or false', value),
}

/** One of a closed set of strings or numbers. */
export function oneOf<const T extends string | number>(...values: readonly T[]): Shape<T> {
  return {
    schema: { enum: values },
    read: (value, path, complaints) =>
      values.find(known => known === value) ?? refuse(complaints, path, `one of ${values.join(', ')}`, value),
  }
}

export function array<T>(item: Shape<T>): Shape<readonly T[]> {
  return {
    schema: { type: 'array', items: item.schema },
    read(value, path, complaints) {
      if (!Array.isArray(value)) return refuse(complaints, path, 'an array', value)
      const items: T[] = []
      for (const [index, each] of value.entries()) {
        const found = item.read(each, under(path, index), complaints)
        if (found !== unfit) items.push(found)
      }
      return items.length === value.length ? items : unfit
    },
  }
}

export function nullable<T>(shape: Shape<T>): Shape<T | null> {
  return {
    schema: { anyOf: [shape.schema, { type: 'null' }] },
    read: (value, path, complaints) => (value === null ? null : shape.read(value, path, complaints)),
  }
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

type Fields = Readonly<Record<string, Shape<unknown>>>

/** An object with exactly these keys; those with an `absent` value may be left out. The result always has them all. */
export function object<const F extends Fields>(fields: F): Shape<{ readonly [K in keyof F]: Infer<F[K]> }> {
  const properties = Object.fromEntries(Object.entries(fields).map(([key, shape]) => [key, shape.schema]))
  const required = Object.keys(fields).filter(key => fields[key]?.absent === undefined)
  return {
    schema: { type: 'object', properties, required, additionalProperties: false },
    read(value, path, complaints) {
      if (!isObject(value)) return refuse(complaints, path, 'an object', value)
      const before = complaints.length
      const result: Record<string, unknown> = {}
      for (const key of Object.keys(value)) {
        if (Object.hasOwn(fields, key)) continue
        complaints.push({ path: under(path, key), want: 'no such key', got: show(value[key]) })
      }
      for (const [key, shape] of Object.entries(fields)) {
        if (Object.hasOwn(value, key)) result[key] = shape.read(value[key], under(path, key), complaints)
        else if (shape.absent !== undefined) result[key] = shape.absent()
        else complaints.push({ path: under(path, key), want: 'this key', got: 'nothing' })
      }
      // Every key of `fields` was read above, each by its own shape; the compiler cannot follow the loop.
      return complaints.length === before ? (result as { readonly [K in keyof F]: Infer<F[K]> }) : unfit
    },
  }
}

/** An object with keys of the document's choosing. The result has no prototype; keys that Object.prototype knows are refused. */
export function record<T>(key: RegExp, want: string, item: Shape<T>): Shape<Readonly<Record<string, T>>> {
  return {
    schema: { type: 'object', propertyNames: { pattern: key.source }, additionalProperties: item.schema },
    read(value, path, complaints) {
      if (!isObject(value)) return refuse(complaints, path, 'an object', value)
      const before = complaints.length
      const result: Record<string, T> = Object.create(null)
      for (const [name, each] of Object.entries(value)) {
        if (!key.test(name) || name in Object.prototype) {
          complaints.push({ path: under(path, name), want, got: show(name) })
          continue
        }
        const found = item.read(each, under(path, name), complaints)
        if (found !== unfit) result[name] = found
      }
      return complaints.length === before ? result : unfit
    },
  }
}

/** A union told apart by which key is present: the first one that is there decides. */
export function byKey<const C extends Fields>(cases: C): Shape<{ [K in keyof C]: Infer<C[K]> }[keyof C]> {
  const keys = Object.keys(cases)
  return {
    schema: { oneOf: Object.values(cases).map(shape => shape.schema) },
    read(value, path, complaints) {
      if (!isObject(value)) return refuse(complaints, path, 'an object', value)
      const shape = cases[keys.find(key => Object.hasOwn(value, key)) ?? '']
      if (shape === undefined) return refuse(complaints, path, `an object with ${keys.join(' or ')}`, value)
      return shape.read(value, path, complaints) as { [K in keyof C]: Infer<C[K]> }[keyof C] | Unfit
    },
  }
}

/** Any JSON object, unread: for parts of a document that a later version gives a meaning. */
export const anyObject: Shape<Readonly<Record<string, unknown>>> = {
  schema: { type: 'object' },
  read: (value, path, complaints) => (isObject(value) ? value : refuse(complaints, path, 'an object', value)),
}

/** Any JSON value, unread: whoever takes it out reads it by a shape of its own. */
export const anyValue: Shape<Json> = {
  schema: {},
  // What is read here came out of a JSON text.
  read: value => value as Json,
}

/** May be left out. */
export function optional<T>(shape: Shape<T>): Shape<T | undefined> {
  return { schema: shape.schema, read: shape.read, absent: () => undefined }
}

/**
 * May be left out, and then reads as this JSON value.
 * @throws TypeError where the default does not fit its own shape: a mistake in this process, found at its start
 */
export function defaulted<T>(shape: Shape<T>, value: Json): Shape<T> {
  const complaints: Complaint[] = []
  const fallback = shape.read(value, '', complaints)
  if (fallback === unfit) throw new TypeError(`default does not fit: ${complaints.map(told).join('; ')}`)
  return { schema: { ...shape.schema, default: value }, read: shape.read, absent: () => fallback }
}

/** With a description in the JSON Schema. */
export function described<T>(description: string, shape: Shape<T>): Shape<T> {
  return { ...shape, schema: { ...shape.schema, description } }
}

/** A complaint in one clause. */
export function told(complaint: Complaint): string {
  return `${complaint.path === '' ? '/' : complaint.path}: want ${complaint.want}, got ${complaint.got}`
}
