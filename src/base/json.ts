// The strict JSON reader of policies and of the environment: RFC 8259 and nothing more, duplicate members refused (two
// readers must never see two policies in the same bytes), depth bounded, every error with its line and column. Objects
// come without a prototype, so that a member called __proto__ or constructor is data like any other.
// Must never repair anything.

/** Any value that JSON can hold. Objects have no prototype. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export interface JsonObject {
  readonly [key: string]: Json
}

/** Where a text stops being JSON. Line and column count from 1, columns in UTF-16 units. */
export class JsonError extends Error {
  readonly line: number
  readonly column: number

  constructor(what: string, text: string, at: number) {
    const before = text.slice(0, at).split('\n')
    const line = before.length
    const column = (before.at(-1) ?? '').length + 1
    super(`line ${line}, column ${column}: ${what}`)
    this.name = 'JsonError'
    this.line = line
    this.column = column
  }
}

const maxDepth = 32

const space = /[ \t\n\r]*/y
const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const word = /true|false|null/y

/**
 * Reads one JSON text.
 * @throws JsonError at the first character that does not fit
 */
export function readJson(text: string): Json {
  let at = 0

  function fail(want: string): never {
    const found = at < text.length ? JSON.stringify(String.fromCodePoint(text.codePointAt(at) ?? 0)) : 'the end'
    throw new JsonError(`want ${want}, got ${found}`, text, at)
  }

  function token(pattern: RegExp): string | undefined {
    pattern.lastIndex = at
    const found = pattern.exec(text)?.[0]
    if (found !== undefined) at += found.length
    return found
  }

  /** Takes the character where it comes next, with the white space around it. */
  function taken(character: string): boolean {
    token(space)
    if (text[at] !== character) return false
    at += 1
    token(space)
    return true
  }

  function text16(want: string): string {
    const found = token(string)
    return found === undefined ? fail(want) : (JSON.parse(found) as string)
  }

  function object(depth: number): JsonObject {
    const members: Record<string, Json> = Object.create(null)
    if (taken('}')) return members
    do {
      const start = at
      const key = text16('a member name in double quotes')
      if (Object.hasOwn(members, key)) throw new JsonError(`member ${JSON.stringify(key)} twice`, text, start)
      if (!taken(':')) fail('a colon')
      members[key] = value(depth)
    } while (taken(','))
    if (!taken('}')) fail('a comma or a closing brace')
    return members
  }

  function array(depth: number): readonly Json[] {
    const items: Json[] = []
    if (taken(']')) return items
    do items.push(value(depth))
    while (taken(','))
    if (!taken(']')) fail('a comma or a closing bracket')
    return items
  }

  function value(depth: number): Json {
    if (depth > maxDepth) fail(`at most ${maxDepth} levels`)
    if (taken('{')) return object(depth + 1)
    if (taken('[')) return array(depth + 1)
    if (text[at] === '"') return text16('a string without control characters and with known escapes')
    const plain = token(word) ?? token(number)
    return plain === undefined ? fail('a value') : (JSON.parse(plain) as Json)
  }

  const result = value(0)
  token(space)
  if (at < text.length) fail('nothing more')
  return result
}
