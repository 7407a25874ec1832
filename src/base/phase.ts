// A state machine is a table of legal moves; an illegal move is a bug in this process, so it throws.

/** For every state, the states it may move to. */
export type Moves<S extends string> = { readonly [K in S]: readonly S[] }

export class Machine<S extends string> {
  readonly #moves: Moves<S>
  #state: S

  constructor(moves: Moves<S>, initial: S) {
    this.#moves = moves
    this.#state = initial
  }

  get state(): S {
    return this.#state
  }

  /** True where the table allows a move from the present state. */
  may(next: S): boolean {
    return this.#moves[this.#state].includes(next)
  }

  /** Moves, or throws a TypeError that names both states. */
  to(next: S): void {
    if (!this.may(next)) throw new TypeError(`illegal move: ${this.#state} -> ${next}`)
    this.#state = next
  }
}
