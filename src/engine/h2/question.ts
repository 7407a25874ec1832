// A challenge as the first stream of a connection of HTTP/2 to the container (as askChallenge() has it in HTTP/1.1). The
// connection carries nothing else before the dialer has handed it over, with a verdict.

import type { Socket } from 'node:net'
import { describe, type Fault } from '../../base/errors.ts'
import type { Verdict } from '../../gate/contract.ts'
import type { Challenge } from '../challenge.ts'
import type { Call, Caller } from './call.ts'
import { type Owner, Upstream } from './upstream.ts'

/** Of a connection that nobody may use yet: no request finds it good. */
const unjudged: Verdict = { leafSha256: '', policyDigest: '', collateralGeneration: -1, until: 0 }

/**
 * Asks as soon as the container has said that it speaks HTTP/2.
 * @param authority what the container is called
 * @param done told once: the answer's body, or what came instead, in a few words
 * @returns the connection, whose verdict nothing passes
 */
export function ask(
  socket: Socket,
  challenge: Challenge,
  authority: string,
  owner: Owner,
  done: (answer: Uint8Array | string) => void,
): Upstream {
  const upstream: Upstream = new Upstream({ socket, verdict: unjudged }, authority, owner, fault => {
    if (fault) done('a connection that does not speak HTTP/2')
    else new Question(challenge, done).begin(upstream, authority)
  })
  return upstream
}

/** As strict as the reader of an answer in HTTP/1.1: one head, one body that is not too long, and nothing else. */
class Question implements Caller {
  readonly #challenge: Challenge
  readonly #done: (answer: Uint8Array | string) => void
  readonly #parts: Buffer[] = []
  #length = 0
  #call: Call | undefined
  #over = false

  constructor(challenge: Challenge, done: (answer: Uint8Array | string) => void) {
    this.#challenge = challenge
    this.#done = done
  }

  begin(upstream: Upstream, authority: string): void {
    const { path, contentType, body } = this.#challenge
    const head = [':method', 'POST', ':scheme', upstream.scheme, ':path', path, ':authority', authority]
    try {
      const call = upstream.ask([...head, 'content-type', contentType, 'content-length', `${body.length}`], false, this)
      this.#call = call
      call.send(Buffer.from(body))
      call.end([])
    } catch (error) {
      // It may have said that it leaves in the same breath.
      this.#tell(describe(error))
    }
  }

  opened(): void {}

  drained(): void {}

  interim(status: number): void {
    this.#refuse(`status ${status}`)
  }

  responded(status: number, _fields: readonly string[], last: boolean): void {
    if (status !== 200) this.#refuse(`status ${status}`)
    else if (last) this.#refuse('an empty answer')
  }

  data(chunk: Buffer): void {
    this.#parts.push(chunk)
    this.#length += chunk.length
    if (this.#length > this.#challenge.maxAnswer) this.#refuse(`more than ${this.#challenge.maxAnswer} bytes`)
  }

  trailers(): void {
    this.#refuse('fields behind the answer')
  }

  answered(): void {
    this.#tell(this.#length > 0 ? new Uint8Array(Buffer.concat(this.#parts)) : 'an empty answer')
  }

  broken(fault: Fault): void {
    this.#tell(fault.message)
  }

  #refuse(got: string): void {
    this.#call?.cancel()
    this.#tell(got)
  }

  #tell(answer: Uint8Array | string): void {
    if (this.#over) return
    this.#over = true
    this.#done(answer)
  }
}
