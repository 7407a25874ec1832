// Distributions and the text that Prometheus reads of them. Counting costs an addition here: a child of prom-client sorts
// and joins its labels at each observation. Text and order are those of Go's client: labels by name, `le` last, families and series sorted.

export type Label = readonly [name: string, value: string]

/** A family's part of the page. */
export interface Page {
  readonly name: string
  /** Whole lines; '' where there is nothing to tell yet. */
  text(): string
}

/** How often a value was at most each bound, and the sum. */
export class Distribution {
  readonly #bounds: readonly number[]
  readonly #counts: Float64Array
  #sum = 0

  constructor(bounds: readonly number[]) {
    this.#bounds = bounds
    this.#counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    const bounds = this.#bounds
    let i = 0
    while (i < bounds.length && value > (bounds[i] as number)) i++
    this.#counts[i] = (this.#counts[i] as number) + 1
    this.#sum += value
  }

  get count(): number {
    return this.#counts.reduce((sum, each) => sum + each, 0)
  }

  get sum(): number {
    return this.#sum
  }

  /** How many were at most each bound; the last of them is the count. */
  get cumulative(): number[] {
    let sum = 0
    return [...this.#counts].map(each => {
      sum += each
      return sum
    })
  }
}

interface Child {
  readonly labels: readonly Label[]
  readonly distribution: Distribution
}

export class Family implements Page {
  readonly name: string
  readonly #type: 'histogram' | 'counter'
  readonly #help: string
  readonly #bounds: readonly number[]
  readonly #common: readonly Label[]
  #children: Child[] = []

  /**
   * @param common labels of each child
   * @param type a `counter` shows only how many there were
   */
  constructor(
    name: string,
    help: string,
    bounds: readonly number[],
    common: readonly Label[],
    type: 'histogram' | 'counter' = 'histogram',
  ) {
    this.name = name
    this.#help = help
    this.#bounds = bounds
    this.#common = common
    this.#type = type
  }

  /** A new child: asked for once for each set of labels, and kept by who asks. */
  child(labels: readonly Label[]): Distribution {
    const distribution = new Distribution(this.#bounds)
    this.#children.push({ labels: sorted([...labels, ...this.#common]), distribution })
    this.#children.sort(compare)
    return distribution
  }

  text(): string {
    if (this.#children.length === 0) return ''
    const lines = [`# HELP ${this.name} ${this.#help}`, `# TYPE ${this.name} ${this.#type}`]
    for (const { labels, distribution } of this.#children) {
      if (this.#type === 'counter') lines.push(`${this.name}${braces(labels)} ${distribution.count}`)
      else this.#histogram(labels, distribution, lines)
    }
    return `${lines.join('\n')}\n`
  }

  #histogram(labels: readonly Label[], distribution: Distribution, lines: string[]): void {
    const { cumulative } = distribution
    for (const [i, count] of cumulative.entries()) {
      const le = this.#bounds[i] ?? '+Inf'
      lines.push(`${this.name}_bucket${braces([...labels, ['le', String(le)]])} ${count}`)
    }
    lines.push(`${this.name}_sum${braces(labels)} ${distribution.sum}`)
    lines.push(`${this.name}_count${braces(labels)} ${cumulative.at(-1)}`)
  }
}

/** A gauge that is read when the page is. */
export function gauge(name: string, help: string, labels: readonly Label[], read: () => number): Page {
  const series = `${name}${braces(sorted(labels))}`
  return { name, text: () => `# HELP ${name} ${help}\n# TYPE ${name} gauge\n${series} ${read()}\n` }
}

/** Fewer labels first, then by value, as Go's registry sorts. */
function compare(a: Child, b: Child): number {
  if (a.labels.length !== b.labels.length) return a.labels.length - b.labels.length
  for (const [i, [, value]] of a.labels.entries()) {
    const other = b.labels[i]?.[1] ?? ''
    if (value !== other) return value < other ? -1 : 1
  }
  return 0
}

function sorted(labels: readonly Label[]): readonly Label[] {
  return labels.toSorted(([a], [b]) => (a < b ? -1 : 1))
}

function braces(labels: readonly Label[]): string {
  return labels.length === 0 ? '' : `{${labels.map(([name, value]) => `${name}="${escaped(value)}"`).join(',')}}`
}

function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')
}

/** More sets of labels than this share one (OpenTelemetry's default cardinality limit). */
const maxRows = 2000

/** Children by what distinguishes them: a status, and a number that stands for the rest of the facts. */
export class Rows<Facts, Row> {
  readonly #byStatus: (Map<number, Row> | undefined)[] = []
  readonly #make: (facts: Facts) => Row
  readonly #full: () => Row
  readonly #max: number
  #other: Row | undefined
  #count = 0

  /** @param full makes the row that stands for all beyond the limit */
  constructor(make: (facts: Facts) => Row, full: () => Row, max = maxRows) {
    this.#make = make
    this.#full = full
    this.#max = max
  }

  of(status: number, rest: number, facts: Facts): Row {
    return this.#byStatus[status]?.get(rest) ?? this.#add(status, rest, facts)
  }

  #add(status: number, rest: number, facts: Facts): Row {
    if (this.#count >= this.#max) {
      this.#other ??= this.#full()
      return this.#other
    }
    this.#count++
    const row = this.#make(facts)
    let rows = this.#byStatus[status]
    if (!rows) {
      rows = new Map()
      this.#byStatus[status] = rows
    }
    rows.set(rest, row)
    return row
  }
}
