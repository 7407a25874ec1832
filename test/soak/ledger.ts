// The books of a soak: how often each request reached the container, and whether somebody was told of its answer. A byte
// or two for each request, so that the books of millions stay small; what does not add up is a complaint.

const repeatable = 1
const answered = 2

const keptComplaints = 50

export class Ledger {
  readonly #state: Uint8Array
  readonly #arrivals: Uint8Array
  readonly #losses: Uint8Array
  /** How each kind of request ended, by `kind: end`. */
  readonly ends = new Map<string, number>()
  /** The first of them, in words. */
  readonly complaints: string[] = []
  complaintCount = 0
  #next = 0

  /** @param most requests that there is room for */
  constructor(most: number) {
    this.#state = new Uint8Array(most)
    this.#arrivals = new Uint8Array(most)
    this.#losses = new Uint8Array(most)
  }

  get requests(): number {
    return this.#next
  }

  /** True where no further request fits. */
  get full(): boolean {
    return this.#next + 16 > this.#state.length
  }

  /** A request is about to be sent. @returns its number */
  open(mayRepeat: boolean): number {
    const id = this.#next++
    this.#state[id] = mayRepeat ? repeatable : 0
    return id
  }

  /** Its head has reached the container. @returns which time that was */
  arrived(id: number): number {
    if (id >= this.#next) {
      this.complain(`${id} reached the container and was never sent`)
      return 1
    }
    const state = this.#state[id] ?? 0
    const times = (this.#arrivals[id] ?? 0) + 1
    this.#arrivals[id] = times
    if (times > 1 && (state & repeatable) === 0) this.complain(`${id} must not be repeated and arrived ${times} times`)
    if ((state & answered) !== 0) this.complain(`${id} arrived after it was answered`)
    return times
  }

  /** The container broke off a connection whose last request this was: it may rightly come once more. */
  lost(id: number): void {
    this.#losses[id] = (this.#losses[id] ?? 0) + 1
  }

  /** Its client has the container's whole answer. */
  answered(id: number): void {
    this.#state[id] = (this.#state[id] ?? 0) | answered
    const arrivals = this.#arrivals[id] ?? 0
    if (arrivals === 0) this.complain(`${id} was answered and never reached the container`)
    if (arrivals > 1 + (this.#losses[id] ?? 0)) this.complain(`${id} was answered and arrived ${arrivals} times`)
  }

  ended(kind: string, end: string): void {
    const key = `${kind}: ${end}`
    this.ends.set(key, (this.ends.get(key) ?? 0) + 1)
  }

  complain(text: string): void {
    this.complaintCount++
    if (this.complaints.length < keptComplaints) this.complaints.push(text)
  }
}
