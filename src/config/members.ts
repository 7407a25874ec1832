// JSON objects of the environment, read as Go's encoding/json reads them into a struct: names match in any case, unknown
// ones are ignored, null and a missing member leave the zero value, another type is an error. Must never look at anything
// but own members.

import { Fault } from '../base/errors.ts'
import { type Json, JsonError, type JsonObject, readJson } from '../base/json.ts'

/**
 * One JSON text.
 * @throws Fault 'environment-invalid' in Go's words where it ends too early, in ours otherwise
 */
export function readEnvironmentJson(text: string): Json {
  try {
    return readJson(text)
  } catch (cause) {
    if (!(cause instanceof JsonError)) throw cause
    const early = cause.message.endsWith('got the end')
    throw new Fault('environment-invalid', early ? 'unexpected end of JSON input' : `not JSON: ${cause.message}`, {
      cause,
    })
  }
}

/** Go's name for a JSON value's type. */
export function goType(value: Json): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

function isObject(value: Json): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The members of one object. Every reader throws Fault 'environment-invalid' on another type. */
export class Members {
  readonly #object: JsonObject
  readonly #type: string

  /** @param type Go's name of the struct, for messages */
  constructor(object: JsonObject, type: string) {
    this.#object = object
    this.#type = type
  }

  /** Reads a whole value as an object; null is an empty one. */
  static of(value: Json, type: string): Members {
    if (value === null) return new Members({}, type)
    if (isObject(value)) return new Members(value, type)
    throw new Fault('environment-invalid', `json: cannot unmarshal ${goType(value)} into Go value of type ${type}`)
  }

  /** True where the member is there and is not null. */
  has(name: string): boolean {
    return this.#value(name) !== undefined
  }

  text(name: string, fallback = ''): string {
    const value = this.#value(name)
    if (value === undefined) return fallback
    return typeof value === 'string' ? value : this.#fail(name, value, 'string')
  }

  flag(name: string): boolean {
    const value = this.#value(name) ?? false
    return typeof value === 'boolean' ? value : this.#fail(name, value, 'bool')
  }

  /** An int32, 0 where it is missing. */
  integer(name: string): number {
    const value = this.#value(name) ?? 0
    return typeof value === 'number' && Number.isInteger(value) && Math.abs(value) < 2 ** 31
      ? value
      : this.#fail(name, value, 'int32')
  }

  /** A port as Kubernetes writes it, number or text; 0 where it is missing. */
  port(name: string): number {
    const value = this.#value(name) ?? 0
    const port = typeof value === 'string' && /^[0-9]{1,5}$/.test(value) ? Number(value) : value
    return typeof port === 'number' && Number.isInteger(port) && port >= 0 && port <= 65_535
      ? port
      : this.#fail(name, value, 'port')
  }

  object(name: string, type: string): Members | undefined {
    const value = this.#value(name)
    if (value === undefined) return undefined
    return isObject(value) ? new Members(value, type) : this.#fail(name, value, type)
  }

  objects(name: string, type: string): readonly Members[] {
    const value = this.#value(name) ?? []
    return Array.isArray(value) ? value.map(each => Members.of(each, type)) : this.#fail(name, value, `[]${type}`)
  }

  texts(name: string): readonly string[] {
    const value = this.#value(name) ?? []
    if (!Array.isArray(value)) return this.#fail(name, value, '[]string')
    return value.map((each: Json) => (typeof each === 'string' ? each : this.#fail(name, each, 'string')))
  }

  #value(name: string): Json | undefined {
    const folded = name.toLowerCase()
    let found: Json | undefined
    for (const key of Object.keys(this.#object)) {
      if (key.toLowerCase() === folded) found = this.#object[key] ?? found
    }
    return found
  }

  #fail(name: string, value: Json, want: string): never {
    const field = `${this.#type}.${name}`
    throw new Fault(
      'environment-invalid',
      `json: cannot unmarshal ${goType(value)} into Go struct field ${field} of type ${want}`,
    )
  }
}
