// Values of a template, as Go has them, and how they look: strings are bytes (one character each), integers are numbers,
// floats are told apart because Go prints and compares them differently.

/** A float64. */
export class Float {
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

export type Value = string | number | boolean | Float | readonly string[]

/** A template failed on this request; its cause concerns nobody, because the line that replaces it has no room. */
export const failure = new Error('the template fails')

/** As fmt prints it with %v. */
export function show(value: Value): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number' || typeof value === 'boolean') return String(value)
  if (value instanceof Float) return showFloat(value.value)
  return `[${value.join(' ')}]`
}

/** Shortest digits; with an exponent below 1e-4 and from 1e6 on (strconv, format g). */
export function showFloat(value: number): string {
  const size = Math.abs(value)
  // Here JavaScript writes the same digits in the same form.
  if (size >= 1e-4 && size < 1e6) return String(value)
  if (value === 0) return Object.is(value, -0) ? '-0' : '0'
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf'
  const [digits = '', exponent = '0'] = value.toExponential().split('e')
  return `${digits}e${goExponent(Number(exponent))}`
}

/** Digits with a point behind the first, moved by a power of ten. */
export function plain(digits: string, power: number): string {
  const sign = digits.startsWith('-') ? '-' : ''
  const all = digits.replace('-', '').replace('.', '')
  if (power < 0) return `${sign}0.${'0'.repeat(-power - 1)}${all}`
  const whole = all.slice(0, power + 1).padEnd(power + 1, '0')
  const rest = all.slice(power + 1)
  return rest === '' ? sign + whole : `${sign}${whole}.${rest}`
}

/** At least two digits and always a sign. */
export function goExponent(power: number): string {
  return `${power < 0 ? '-' : '+'}${String(Math.abs(power)).padStart(2, '0')}`
}

/** As fmt.Sprint: a space between two neighbours of which neither is a string. */
export function sprint(values: readonly Value[]): string {
  let text = ''
  for (const [i, value] of values.entries()) {
    if (i > 0 && typeof value !== 'string' && typeof values[i - 1] !== 'string') text += ' '
    text += show(value)
  }
  return text
}

export function isTrue(value: Value): boolean {
  if (value instanceof Float) return value.value !== 0
  return typeof value === 'object' ? value.length > 0 : Boolean(value)
}
