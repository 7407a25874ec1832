// Trace context on its way through while nobody here records a span: what the Go proxy's propagators read they write
// again in their own form (W3C Trace Context, W3C Baggage); what they cannot read passes untouched.

interface Field {
  readonly name: string
  readonly values: readonly string[]
}

const traceparent = /^([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/
const allZeros = /^0+$/
/** Flags that version 00 defines: sampled, and random trace id. */
const knownFlags = 0x03

/** A valid traceparent as version 00, or undefined. */
export function normalTraceparent(value: string): string | undefined {
  const match = traceparent.exec(value)
  if (!match) return undefined
  const [, version = '', trace = '', span = '', flags = '', rest] = match
  if (version === 'ff' || allZeros.test(trace) || allZeros.test(span)) return undefined
  const bits = Number.parseInt(flags, 16)
  if (version === '00' && (rest !== undefined || bits > knownFlags)) return undefined
  return `00-${trace}-${span}-${(bits & 1).toString(16).padStart(2, '0')}`
}

/** What normalTraceparent() would give back as it is. */
const normal = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-0[01]$/

/** True where a traceparent stands in the form in which it would be written again. */
export function isNormalTraceparent(value: string): boolean {
  return normal.test(value)
}

const stateMember =
  /^(?:[a-z0-9][a-z0-9_\-*/@]{0,255})=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]$/

/** Whether every member of a tracestate is well formed; only then it is taken over. */
function validTracestate(value: string): boolean {
  return value.split(',').every(member => stateMember.test(member.trim()))
}

const baggageKey = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const baggageValue = /^[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*$/

/** The readable members of a baggage, trimmed; undefined where none is. */
export function normalBaggage(value: string): string | undefined {
  const members = value.split(',').flatMap(member => {
    const [pair = '', ...properties] = member.split(';')
    const at = pair.indexOf('=')
    const key = pair.slice(0, Math.max(at, 0)).trim()
    const text = pair.slice(at + 1).trim()
    if (at < 0 || !baggageKey.test(key) || !baggageValue.test(text)) return []
    return [[`${key}=${text}`, ...properties.map(property => property.trim())].join(';')]
  })
  return members.length > 0 ? members.join(',') : undefined
}

/**
 * Replaces what trace fields hold by what the Go proxy would write.
 * @param fields name, value, name, value, …; changed in place
 */
export function normaliseTrace(fields: string[]): void {
  const parent = only(fields, 'traceparent')
  const written = parent && normalTraceparent(parent.values[0] ?? '')
  if (written !== undefined) {
    replace(fields, 'traceparent', written)
    const state = only(fields, 'tracestate')
    if (state && validTracestate(state.values[0] ?? '')) replace(fields, 'tracestate', state.values[0] ?? '')
  }
  const baggage = only(fields, 'baggage')
  const kept = baggage && normalBaggage(baggage.values.join(','))
  if (kept !== undefined) replace(fields, 'baggage', kept)
}

/** All values of a field, or undefined where there is none. */
function only(fields: readonly string[], name: string): Field | undefined {
  const values: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) if (fields[i]?.toLowerCase() === name) values.push(fields[i + 1] ?? '')
  return values.length > 0 ? { name, values } : undefined
}

/** The first of a field's lines gets the value, the others go. */
function replace(fields: string[], name: string, value: string): void {
  let done = false
  for (let i = 0; i + 1 < fields.length; ) {
    if (fields[i]?.toLowerCase() !== name) {
      i += 2
    } else if (done) {
      fields.splice(i, 2)
    } else {
      fields[i + 1] = value
      done = true
      i += 2
    }
  }
}
