// Vectors of test/corpus/http1: raw bytes, what must become of them, and who found that they matter. The format is told in
// test/corpus/http1/README.md; a line that is none of it is an error.

import { readdirSync, readFileSync } from 'node:fs'

/** A message as somebody must see it. */
export interface Want {
  line: string
  /** Fields that must be there, with all their values. */
  readonly fields: [name: string, value: string][]
  /** Fields that must not be there, lower case. */
  readonly absent: string[]
  body: string | undefined
  readonly trailers: [name: string, value: string][]
}

export type Expectation =
  /** An answer of the engine's own. `closes` matters to response vectors; a refused request always ends its connection. */
  | { readonly kind: 'refused'; readonly status: number; readonly closes: boolean }
  /** A body that breaks the rules of framing: its request is never complete. */
  | { readonly kind: 'cut' }
  /** More is to come. */
  | { readonly kind: 'waits' }
  /** `next` is what becomes of the request behind; `loose`: nobody looks how exactly this was forwarded. */
  | {
      readonly kind: 'forwarded'
      readonly next: 'kept' | 'closed' | number
      readonly loose: boolean
      readonly once: boolean
    }
  | { readonly kind: 'passed'; readonly loose: boolean }
  /** A head may have passed; what is behind it never looks whole. */
  | { readonly kind: 'broken' }
  /** Not tried, for this reason. */
  | { readonly kind: 'untried'; readonly why: string }

export interface Vector {
  readonly file: string
  readonly name: string
  readonly source: string
  /** One character, one byte: of the client, or, in the files of responses, of the container. */
  readonly raw: string
  /** Response vectors: the request, without Host. */
  readonly asks: string
  /** Response vectors: the container ends the connection. */
  readonly ends: boolean
  readonly expect: Expectation
  /** Where the engine on undici does otherwise. */
  readonly undici: Expectation | undefined
  readonly wants: readonly Want[]
  /** Before the final response. */
  readonly interims: readonly Want[]
}

const folder = new URL('../corpus/http1/', import.meta.url)

export function readCorpus(kind: 'request' | 'response'): Vector[] {
  return readdirSync(folder)
    .filter(file => file.startsWith(`${kind}-`) && file.endsWith('.txt'))
    .flatMap(file => parse(file, readFileSync(new URL(file, folder), 'utf8')))
}

export function parse(file: string, text: string): Vector[] {
  const [, ...parts] = text.split(/^== /m)
  return parts.map(part => parseVector(file, part))
}

type Draft = { -readonly [Key in keyof Vector]: Vector[Key] } & { wants: Want[]; interims: Want[] }

function parseVector(file: string, part: string): Vector {
  const [name = '', ...lines] = part.split('\n')
  const draft: Draft = {
    file,
    name,
    source: '',
    raw: '',
    asks: 'GET / HTTP/1.1',
    ends: false,
    expect: { kind: 'waits' },
    undici: undefined,
    wants: [],
    interims: [],
  }
  let complete = 0
  for (const line of lines) {
    if (line === '') continue
    const [, word = '', rest = ''] = /^([a-z]+: |[<>][<+!-]*!? ?)(.*)$/.exec(line) ?? []
    switch (word.trim()) {
      case '>':
        draft.raw += rest.endsWith('\\-') ? unescaped(rest.slice(0, -2)) : `${unescaped(rest)}\r\n`
        break
      case 'source:':
        draft.source = rest
        complete++
        break
      case 'expect:':
        draft.expect = parseExpectation(rest)
        complete++
        break
      case 'undici:':
        draft.undici = parseExpectation(rest)
        break
      case 'asks:':
        draft.asks = unescaped(rest)
        break
      case 'end:':
        draft.ends = rest === 'fin'
        break
      default:
        if (!want(draft, word.trim(), unescaped(rest))) throw new Error(`${file}: ${name}: not understood: ${line}`)
    }
  }
  if (complete !== 2 || draft.raw === '') throw new Error(`${file}: ${name}: source, bytes or expectation is missing`)
  return draft
}

/** One line of what must be seen; false where it is none. */
function want(draft: Draft, mark: string, text: string): boolean {
  if (mark === '<<') draft.wants.push(emptyWant())
  else if (mark === '<-' && text.startsWith('HTTP/')) draft.interims.push({ ...emptyWant(), line: text })
  else if (mark.startsWith('<-')) return into(draft.interims.at(-1), mark.replace('-', ''), text)
  else if (mark.startsWith('<')) {
    if (draft.wants.length === 0) draft.wants.push(emptyWant())
    return into(draft.wants.at(-1), mark, text)
  } else return false
  return true
}

const emptyWant = (): Want => ({ line: '', fields: [], absent: [], body: undefined, trailers: [] })

const pair = (text: string): [string, string] => {
  const at = text.indexOf(':')
  return [text.slice(0, at).toLowerCase(), text.slice(at + 1).trim()]
}

function into(want: Want | undefined, mark: string, text: string): boolean {
  if (!want) return false
  if (mark === '<!') want.absent.push(text)
  else if (mark === '<+') want.trailers.push(pair(text))
  else if (mark !== '<') return false
  else if (want.body !== undefined) want.body += text
  else if (text === '') want.body = ''
  else if (want.line === '') want.line = text
  else want.fields.push(pair(text))
  return true
}

function parseExpectation(text: string): Expectation {
  const [first = '', ...more] = text.split(', ')
  const [, next] = /^then (\w+)$/.exec(more.find(each => each.startsWith('then ')) ?? '') ?? []
  const loose = more.includes('loosely')
  if (/^[45]\d\d$/.test(first)) return { kind: 'refused', status: Number(first), closes: next === 'closed' }
  switch (first) {
    case 'forwarded':
    case 'forwarded once': {
      const number = Number(next)
      const then = next === undefined ? 'kept' : next === 'closed' ? next : number
      return { kind: 'forwarded', next: then, loose, once: first !== 'forwarded' }
    }
    case 'passed':
      return { kind: first, loose }
    case 'cut':
    case 'waits':
    case 'broken':
      return { kind: first }
    case 'untried':
      return { kind: first, why: more.join(', ') }
    default:
      throw new Error(`no expectation: ${text}`)
  }
}

const escapes: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', '0': '\0', '\\': '\\' }

/** `\xe9` is a byte, `\{a*9}` is nine of them. */
function unescaped(text: string): string {
  return text.replace(/\\(?:x([0-9a-f]{2})|\{(.)\*(\d+)\}|(.))/g, (_all, hex, one, times, letter) => {
    if (hex !== undefined) return String.fromCharCode(Number.parseInt(hex, 16))
    if (one !== undefined) return one.repeat(Number(times))
    const found = escapes[letter]
    if (found === undefined) throw new Error(`no escape: \\${letter}`)
    return found
  })
}
