// The functions of a template: Go's own, without `call` and `slice`. `and` and `or` are the compiler's, because they stop
// early; `printf`, because its format is read once.

import { html, js, urlquery } from './escapes.ts'
import { Float, failure, isTrue, sprint, type Value } from './values.ts'

export interface Builtin {
  readonly least: number
  readonly most: number
  readonly run: (values: readonly Value[]) => Value
}

const many = Number.POSITIVE_INFINITY

function escaper(escaped: (text: string) => string): Builtin {
  return { least: 0, most: many, run: values => escaped(sprint(values)) }
}

export const builtins: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['js', escaper(js)],
  ['html', escaper(html)],
  ['urlquery', escaper(urlquery)],
  ['print', { least: 0, most: many, run: sprint }],
  ['println', { least: 0, most: many, run: values => `${values.map(each => sprint([each])).join(' ')}\n` }],
  ['len', { least: 1, most: 1, run: ([value]) => lengthOf(value) }],
  ['index', { least: 1, most: many, run: ([first, ...at]) => at.reduce(element, first as Value) }],
  ['not', { least: 1, most: 1, run: ([value]) => !isTrue(value as Value) }],
  ['eq', { least: 2, most: many, run: ([first, ...rest]) => rest.some(each => equal(first as Value, each)) }],
  ['ne', { least: 2, most: 2, run: ([a, b]) => !equal(a as Value, b as Value) }],
  ['lt', { least: 2, most: 2, run: ([a, b]) => less(a as Value, b as Value) }],
  ['le', { least: 2, most: 2, run: ([a, b]) => !less(b as Value, a as Value) }],
  ['gt', { least: 2, most: 2, run: ([a, b]) => less(b as Value, a as Value) }],
  ['ge', { least: 2, most: 2, run: ([a, b]) => !less(a as Value, b as Value) }],
])

function lengthOf(value: Value | undefined): number {
  if (typeof value === 'string') return value.length
  if (typeof value === 'object' && !(value instanceof Float)) return value.length
  throw failure
}

/** An element of a list, or a byte of a string. */
function element(of: Value, at: Value): Value {
  if (typeof at !== 'number' || at < 0) throw failure
  if (typeof of === 'string' && at < of.length) return of.charCodeAt(at)
  if (typeof of === 'object' && !(of instanceof Float) && at < of.length) return of[at] ?? ''
  throw failure
}

/** Go compares values of one basic kind only. */
function equal(a: Value, b: Value): boolean {
  if (a instanceof Float && b instanceof Float) return a.value === b.value
  if (typeof a === 'object' || typeof a !== typeof b) throw failure
  return a === b
}

function less(a: Value, b: Value): boolean {
  if (a instanceof Float && b instanceof Float) return a.value < b.value
  if (typeof a === 'number' && typeof b === 'number') return a < b
  if (typeof a === 'string' && typeof b === 'string') return a < b
  throw failure
}
