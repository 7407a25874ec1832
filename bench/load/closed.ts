// A closed loop: so many connections, each with one request under way at any time. Shows what a request costs the proxy
// under saturation; says nothing about latency, since a slow answer holds back the next request.

import type { Socket } from 'node:net'
import { requestBytes } from '../requests.ts'
import { Answers } from './answers.ts'
import { open } from './connection.ts'
import type { Generator, Job, Outcome } from './job.ts'

const reopenMs = 20
const defaultReadyMs = 20_000
/** A proxy that fails every request is found out long before. */
const maxErrors = 10_000

export class ClosedLoop implements Generator {
  readonly #job: Job
  readonly #request: Buffer
  readonly #sockets = new Set<Socket>()
  #running = false
  #closing = false
  #requests = 0
  #errors = 0
  #firstError: string | undefined
  #ready = 0
  #onReady: () => void = () => {}
  #parked: (() => void)[] = []

  constructor(job: Job) {
    this.#job = job
    this.#request = requestBytes(job.shape, job.keepAlive)
  }

  /** @throws Error where the connections do not stand in time */
  prepare(): Promise<void> {
    const { readyMs = defaultReadyMs } = this.#job
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new Error(`${this.#ready} of ${this.#job.connections} connections after ${readyMs} ms`))
      }, readyMs)
      this.#onReady = () => {
        if (this.#ready < this.#job.connections) return
        clearTimeout(timer)
        resolve()
      }
      for (let i = 0; i < this.#job.connections; i++) this.#visit(true)
    })
  }

  async go(seconds: number): Promise<Outcome> {
    this.#requests = 0
    this.#errors = 0
    this.#firstError = undefined
    this.#running = true
    const began = performance.now()
    const parked = this.#parked
    this.#parked = []
    for (const start of parked) start()
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    this.#running = false
    const took = (performance.now() - began) / 1_000
    return { requests: this.#requests, seconds: took, errors: this.#errors, firstError: this.#firstError }
  }

  close(): void {
    this.#closing = true
    for (const socket of this.#sockets) socket.destroy()
  }

  /** One connection. @param fresh its first answer belongs to the preparation, and it waits after it */
  #visit(fresh: boolean): void {
    const answers = new Answers()
    let preparing = fresh
    /** Nothing is asked on it. */
    let idle = false
    /** This connection takes no further request. */
    const gone = (): boolean => !this.#job.keepAlive || answers.closing
    const next = (): void => {
      if (!this.#running) this.#parked.push(next)
      else if (gone()) this.#visit(false)
      else socket.write(this.#request)
    }
    const socket = open(this.#job.port, this.#job.tls, {
      opened: () => {
        socket.write(this.#request)
      },
      read: (buffer, length) => {
        const done = answers.feed(buffer, length)
        if (answers.broken !== undefined) {
          this.#fail(answers.broken)
          socket.destroy()
        }
        if (done === 0) return
        if (answers.bad + answers.refused > 0) this.#fail('an answer that is not 2xx')
        else if (!preparing) this.#requests++
        answers.bad = 0
        answers.refused = 0
        if (preparing) {
          preparing = false
          this.#ready++
          this.#onReady()
        }
        idle = true
        next()
        idle = !this.#running || gone()
      },
      closed: why => {
        this.#sockets.delete(socket)
        // Where the next request is due it has found a connection of its own already.
        if (this.#closing || (idle && gone())) return
        this.#fail(why ?? 'closed before the answer')
        if (this.#errors < maxErrors) setTimeout(() => this.#visit(preparing), reopenMs)
      },
    })
    this.#sockets.add(socket)
  }

  #fail(why: string): void {
    this.#errors++
    this.#firstError ??= why
  }
}
