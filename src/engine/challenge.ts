// What a container that has been accepted by its certificate is asked before it gets a request: one POST on the fresh
// connection, whose answer the judge weighs. The reader of the answer is strict and bounded: a response of a known
// length and nothing behind it, on a connection that lasts.

import type { OnReadOpts, Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { responseFraming } from './bytes/framing.ts'
import { Head } from './bytes/head.ts'

/** One question for one connection, and what counts as an answer. */
export interface Challenge {
  readonly path: string
  readonly contentType: string
  readonly body: Uint8Array
  /** Longest answer, in bytes. */
  readonly maxAnswer: number
}

/** Status line and fields of an answer, in bytes. */
const maxHead = 8 * 1024

/** Reads one answer off a connection, in whatever pieces it comes. */
export class AnswerReader {
  readonly #maxAnswer: number
  readonly #head = new Head('response', maxHead)
  readonly #bytes: Buffer
  #length = 0
  /** Where the body begins and ends, once the head is there. */
  #from = 0
  #to = 0

  constructor(maxAnswer: number) {
    this.#maxAnswer = maxAnswer
    this.#bytes = Buffer.allocUnsafe(maxHead + maxAnswer)
  }

  /** @returns the answer's body; why it is none, in a few words; undefined where more has to come */
  feed(chunk: Uint8Array): Uint8Array | string | undefined {
    if (chunk.length > this.#bytes.length - this.#length) return `more than ${this.#bytes.length} bytes`
    this.#bytes.set(chunk, this.#length)
    this.#length += chunk.length
    if (this.#to === 0) {
      const length = this.#head.feed(this.#bytes, 0, this.#length)
      if (length === 0) return undefined
      const problem = length < 0 ? 'a malformed head' : this.#readHead(length)
      if (problem !== undefined) return problem
    }
    if (this.#length > this.#to) return 'bytes behind the answer'
    return this.#length === this.#to ? new Uint8Array(this.#bytes.subarray(this.#from, this.#to)) : undefined
  }

  #readHead(length: number): string | undefined {
    const head = this.#head
    if (head.major !== 1 || head.status !== 200) return `status ${head.status}`
    const framing = responseFraming(head, false, false)
    if (framing instanceof Fault || framing.framing !== 'length') return 'an answer of no known length'
    if (framing.length > this.#maxAnswer) return `an answer of ${framing.length} bytes`
    if (head.minor === 0 || head.hasOption('close')) return 'a connection that ends with the answer'
    this.#from = length
    this.#to = length + framing.length
    return undefined
  }
}

/** The question as it goes out. */
export function challengeRequest({ path, contentType, body }: Challenge, host: string): Buffer {
  const head = `POST ${path} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: ${contentType}\r\nContent-Length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** A read of an answer, a record at most. */
const readBytes = 16 * 1024

/**
 * Memory that a connection is read into while it is not handed over yet; then it is the owner's. Whoever brings memory to
 * a dial expects to hear only of what comes after the hand-over.
 */
export class FirstReads implements OnReadOpts {
  readonly #later: OnReadOpts
  readonly #own = Buffer.allocUnsafe(readBytes)
  #tell: ((bytes: Buffer) => void) | undefined
  #over = false
  /** Something came before anybody asked. */
  early = false

  constructor(later: OnReadOpts) {
    this.#later = later
  }

  /** Node asks for the next memory right after each read: from over() on it gets the owner's. */
  readonly buffer = (): Uint8Array => {
    if (!this.#over) return this.#own
    const { buffer } = this.#later
    return typeof buffer === 'function' ? buffer() : buffer
  }

  readonly callback = (length: number, bytes: Uint8Array): boolean => {
    if (this.#over) return this.#pass(length, bytes)
    if (this.#tell) this.#tell(this.#own.subarray(0, length))
    else this.early = true
    return true
  }

  /** Where Node had asked for memory before it was over, what came has to be moved. */
  #pass(length: number, bytes: Uint8Array): boolean {
    if (bytes !== this.#own) return this.#later.callback(length, bytes)
    const memory = this.buffer()
    memory.set(bytes.subarray(0, length))
    return this.#later.callback(length, memory)
  }

  listen(tell: (bytes: Buffer) => void): void {
    this.#tell = tell
  }

  /** From now on the owner hears of what comes. */
  over(): void {
    this.#over = true
  }
}

/**
 * Asks, and reads the answer.
 * @param reads what the connection is read into; undefined where it is read as a stream
 * @param done told once: the answer's body, or what came instead, in a few words
 */
export function askChallenge(
  socket: Socket,
  reads: FirstReads | undefined,
  challenge: Challenge,
  host: string,
  done: (answer: Uint8Array | string) => void,
): void {
  const reader = new AnswerReader(challenge.maxAnswer)
  let over = false
  const tell = (bytes: Buffer): void => {
    const outcome = over ? undefined : reader.feed(bytes)
    if (outcome === undefined) return
    over = true
    if (reads) reads.over()
    else socket.off('readable', readable)
    done(outcome)
  }
  // A listener for data would leave the stream flowing, or paused for good.
  const readable = (): void => {
    const bytes: Buffer | null = socket.read()
    if (bytes) tell(bytes)
  }
  if (reads) reads.listen(tell)
  else socket.on('readable', readable)
  socket.write(challengeRequest(challenge, host))
}

/** The certificate that has answered a challenge last. */
export class Answered {
  readonly #clock: Clock
  readonly #freshForMs: number
  #leafSha256 = ''
  #at = 0

  constructor(clock: Clock, freshForMs: number) {
    this.#clock = clock
    this.#freshForMs = freshForMs
  }

  note(leafSha256: string): void {
    this.#leafSha256 = leafSha256
    this.#at = this.#clock.monotonic()
  }

  lately(leafSha256: string): boolean {
    return leafSha256 === this.#leafSha256 && this.#clock.monotonic() - this.#at < this.#freshForMs
  }
}
