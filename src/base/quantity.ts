// Kubernetes quantities ("512Mi", "1.5G", "1e9"), as apimachinery's resource.Quantity reads them: a signed decimal number,
// then a binary or decimal suffix or an exponent. Here they are memory, so the value is whole bytes and never negative.

const powers: Readonly<Record<string, bigint>> = Object.assign(Object.create(null), {
  Ki: 1n << 10n,
  Mi: 1n << 20n,
  Gi: 1n << 30n,
  Ti: 1n << 40n,
  Pi: 1n << 50n,
  Ei: 1n << 60n,
  '': 1n,
  k: 10n ** 3n,
  M: 10n ** 6n,
  G: 10n ** 9n,
  T: 10n ** 12n,
  P: 10n ** 15n,
  E: 10n ** 18n,
})

/** Parts of one: of memory, they make sense only where they add up to bytes. */
const parts: Readonly<Record<string, bigint>> = Object.assign(Object.create(null), {
  n: 10n ** 9n,
  u: 10n ** 6n,
  m: 10n ** 3n,
})

const grammar = /^\+?(\d{0,18})(?:\.(\d{0,18}))?(?:([KMGTPE]i|[numkMGTPE])|[eE]\+?(\d{1,2}))?$/

/** @returns bytes, rounded up as Kubernetes does, or undefined for what is no quantity of memory */
export function bytesOf(text: string): bigint | undefined {
  const [, whole = '', fraction = '', suffix = '', exponent] = grammar.exec(text) ?? []
  if (whole === '' && fraction === '') return undefined
  const number = BigInt(`${whole}${fraction}`)
  const factor = exponent === undefined ? (powers[suffix] ?? 1n) : 10n ** BigInt(exponent)
  const divisor = 10n ** BigInt(fraction.length) * (parts[suffix] ?? 1n)
  return (number * factor + divisor - 1n) / divisor
}

const mebi = 1n << 20n

/** Whole MiB, rounded up. */
export const mebibytes = (bytes: bigint): bigint => (bytes + mebi - 1n) / mebi

/** As an operator would write it: in the largest binary unit that divides it. */
export function quantity(bytes: bigint): string {
  for (const suffix of ['Gi', 'Mi', 'Ki'] as const) {
    const unit = powers[suffix] ?? 1n
    if (bytes > 0n && bytes % unit === 0n) return `${bytes / unit}${suffix}`
  }
  return String(bytes)
}
