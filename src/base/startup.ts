// Where the time of the start goes: each phase from the end of the one before, counted from the birth of the process.

const inOrder = ['runtime', 'import', 'configuration', 'ports', 'key', 'quote', 'certificate', 'ready'] as const

/**
 * `runtime` is Node's own start, `import` our code, `configuration` policy and environment, `ports` all of them bound,
 * `key`, `quote` and `certificate` what the TLS port shows first, `ready` what is left until requests are served.
 */
export type Phase = (typeof inOrder)[number]

/** Told that a phase is over. */
export type PhaseDone = (phase: Phase) => void

const tenths = (ms: number): number => Math.round(ms * 10) / 10

export class StartUp {
  readonly #now: () => number
  readonly #spent = new Map<Phase, number>()
  #last = 0
  #over = false
  #appReady = false

  /** @param now milliseconds since the process began */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  /**
   * What was spent since the last call belongs to this phase; more than one part of it adds up. Nothing once the start
   * is over: certificates are renewed later too.
   * @param at when it ended, for one that ended before anybody could say so
   */
  readonly done = (phase: Phase, at: number = this.#now()): void => {
    if (this.#over) return
    this.#spent.set(phase, (this.#spent.get(phase) ?? 0) + at - this.#last)
    this.#last = at
  }

  /** Ends it. @returns milliseconds, in tenths: those phases that there were, in order, and their sum */
  end(): Readonly<Record<string, number>> {
    this.#over = true
    const phases = inOrder.flatMap(name => {
      const spent = this.#spent.get(name)
      return spent === undefined ? [] : [[name, tenths(spent)] as const]
    })
    return { ...Object.fromEntries(phases), total: tenths(this.#last) }
  }

  /**
   * The container is ready too, which it may be long after us.
   * @returns the first time that it is, milliseconds since the end of the start and since the birth of the process, in tenths
   */
  appReady(): { readonly app: number; readonly total: number } | undefined {
    if (!this.#over || this.#appReady) return undefined
    this.#appReady = true
    const now = this.#now()
    return { app: tenths(now - this.#last), total: tenths(now) }
  }
}
