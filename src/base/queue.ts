// A first-in, first-out line that someone may leave from the middle. A doubly linked list: every move is O(1), and a
// long line never shifts an array.

/** A place in a line; the handle to leave it. */
export interface Place<T> {
  readonly value: T
}

class Node<T> implements Place<T> {
  readonly value: T
  line: Queue<T> | undefined
  before: Node<T> | undefined
  after: Node<T> | undefined

  constructor(value: T, line: Queue<T>) {
    this.value = value
    this.line = line
  }
}

export class Queue<T> {
  #first: Node<T> | undefined
  #last: Node<T> | undefined
  #size = 0

  get size(): number {
    return this.#size
  }

  /** The value that has waited longest. */
  get first(): T | undefined {
    return this.#first?.value
  }

  push(value: T): Place<T> {
    const node = new Node(value, this)
    node.before = this.#last
    if (this.#last) this.#last.after = node
    else this.#first = node
    this.#last = node
    this.#size++
    return node
  }

  shift(): T | undefined {
    const node = this.#first
    if (!node) return undefined
    this.remove(node)
    return node.value
  }

  /** Goes to the end of the line, without leaving it. */
  renew(place: Place<T>): void {
    if (!(place instanceof Node) || place.line !== this || place === this.#last) return
    if (place.before) place.before.after = place.after
    else this.#first = place.after
    if (place.after) place.after.before = place.before
    place.before = this.#last
    place.after = undefined
    if (this.#last) this.#last.after = place
    this.#last = place
  }

  /** Leaves the line; false where the place was given up before. */
  remove(place: Place<T>): boolean {
    if (!(place instanceof Node) || place.line !== this) return false
    if (place.before) place.before.after = place.after
    else this.#first = place.after
    if (place.after) place.after.before = place.before
    else this.#last = place.before
    place.line = undefined
    place.before = undefined
    place.after = undefined
    this.#size--
    return true
  }
}
