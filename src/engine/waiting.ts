// Who waits for an engine's end: that of its requests, and that of its connections. The same in each engine.

export class Waiting {
  readonly #busy: () => boolean
  readonly #open: () => boolean
  readonly #drained: (() => void)[] = []
  readonly #closed: (() => void)[] = []

  /**
   * @param busy whether a request is under way that is no tunnel
   * @param open whether there is a connection
   */
  constructor(busy: () => boolean, open: () => boolean) {
    this.#busy = busy
    this.#open = open
  }

  /** Something has ended. Costs nothing while nobody waits. */
  readonly changed = (): void => {
    if (this.#drained.length === 0 && this.#closed.length === 0) return
    if (this.#busy()) return
    for (const resolve of this.#drained.splice(0)) resolve()
    if (this.#open()) return
    for (const resolve of this.#closed.splice(0)) resolve()
  }

  /** Resolves once no request is under way; tunnels do not count. */
  drained(): Promise<void> {
    return this.#until(this.#drained)
  }

  /** Resolves once no request is under way and no connection is open. */
  closed(): Promise<void> {
    return this.#until(this.#closed)
  }

  #until(those: (() => void)[]): Promise<void> {
    const over = new Promise<void>(resolve => those.push(resolve))
    this.changed()
    return over
  }
}
