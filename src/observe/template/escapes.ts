// Escaping as Go's text/template does it. In and out: bytes, one character each.

const jsSpecial = /[\x00-\x1f\\'"<>&=\x80-\xff]/
const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u

const jsNamed: Readonly<Record<string, string>> = { '\\': '\\\\', "'": "\\'", '"': '\\"' }

/** The function `js`: fit for a string of JavaScript or JSON. */
export function js(text: string): string {
  if (!jsSpecial.test(text)) return text
  const escaped = text.replace(/[\x00-\x1f\\'"<>&=]/g, char => {
    return jsNamed[char] ?? `\\u00${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`
  })
  return escaped.replace(/[\x80-\xff]+/g, runes => {
    return eachRune(runes, (rune, bytes) => (isPrint(rune) ? bytes : `\\u${hex(rune, 4).toUpperCase()}`))
  })
}

const htmlNamed: Readonly<Record<string, string>> = {
  '\0': '\xef\xbf\xbd',
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
}

export function html(text: string): string {
  return text.replace(/[\0"'&<>]/g, char => htmlNamed[char] ?? char)
}

/** As url.QueryEscape. */
export function urlquery(text: string): string {
  return text.replace(/[^A-Za-z0-9_.~-]/g, char => {
    return char === ' ' ? '+' : `%${hex(char.charCodeAt(0), 2).toUpperCase()}`
  })
}

const quoteNamed: Readonly<Record<string, string>> = {
  '\x07': '\\a',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\v': '\\v',
  '\\': '\\\\',
  '"': '\\"',
}

/** As strconv.Quote. */
export function quote(text: string): string {
  const ascii = text.replace(/[\x00-\x1f"\\\x7f]/g, char => quoteNamed[char] ?? `\\x${hex(char.charCodeAt(0), 2)}`)
  const all = ascii.replace(/[\x80-\xff]+/g, runes => {
    return eachRune(runes, (rune, bytes) => {
      if (rune === 0xfffd && bytes.length === 1) return `\\x${hex(bytes.charCodeAt(0), 2)}`
      if (isPrint(rune)) return bytes
      return rune > 0xffff ? `\\U${hex(rune, 8)}` : `\\u${hex(rune, 4)}`
    })
  })
  return `"${all}"`
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Rune by rune as Go decodes; a byte that begins none is U+FFFD of length one. */
function eachRune(bytes: string, show: (rune: number, bytes: string) => string): string {
  let out = ''
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes.charCodeAt(at)
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
    const part = bytes.slice(at, at + length)
    const rune = length > 1 ? decode(part) : undefined
    out += rune === undefined ? show(0xfffd, bytes.slice(at, at + 1)) : show(rune, part)
    at += rune === undefined ? 1 : length
  }
  return out
}

function decode(bytes: string): number | undefined {
  try {
    return decoder.decode(Buffer.from(bytes, 'latin1')).codePointAt(0)
  } catch {
    return undefined
  }
}

function isPrint(rune: number): boolean {
  return printable.test(String.fromCodePoint(rune)) && rune >= 0x20 && rune !== 0x7f
}

export function hex(value: number, width: number): string {
  return value.toString(16).padStart(width, '0')
}

/** Bytes of a rune. */
export function encodeRune(rune: number): string {
  const valid = rune >= 0 && rune <= 0x10ffff && (rune < 0xd800 || rune > 0xdfff)
  return Buffer.from(String.fromCodePoint(valid ? rune : 0xfffd), 'utf8').toString('latin1')
}
