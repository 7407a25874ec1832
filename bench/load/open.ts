// An open loop: requests fall due at a fixed rate, whatever the answers do, and each one's latency counts from when it was
// due, not from when it could be sent. So a proxy that stalls for 100 ms shows it in every request that fell due
// meanwhile (no coordinated omission). Requests that are due while all connections are busy wait in line and their wait
// counts; beyond a bound they are errors, so that overload ends.

import type { Socket } from 'node:net'
import { requestBytes } from '../requests.ts'
import { Answers } from './answers.ts'
import { open } from './connection.ts'
import type { Generator, Job, Outcome } from './job.ts'
import { Recorder } from './latency.ts'
import { Ticker } from './ticker.ts'

const readyMs = 20_000
const reopenMs = 20
/** Seconds' worth of requests that may wait for a connection. */
const maxWaitingSeconds = 2
const drainMs = 2_000

interface Line {
  readonly socket: Socket
  /** When the request under way was due, ms; undefined while it has none. */
  due: number | undefined
  open: boolean
}

export class OpenLoop implements Generator {
  readonly #job: Job
  readonly #request: Buffer
  readonly #lines = new Set<Line>()
  readonly #free: Line[] = []
  #waiting: number[] = []
  #latency = new Recorder()
  #lag = new Recorder()
  #requests = 0
  #refused = 0
  #errors = 0
  #firstError: string | undefined
  #closing = false

  constructor(job: Job) {
    this.#job = job
    this.#request = requestBytes(job.shape, true)
  }

  /** @throws Error where the connections do not stand in time */
  async prepare(): Promise<void> {
    const until = Date.now() + readyMs
    for (let i = 0; i < this.#job.connections; i++) this.#connect()
    while (this.#free.length < this.#job.connections) {
      if (Date.now() > until) throw new Error(`${this.#free.length} connections after ${readyMs} ms`)
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    // One request on each, so that the proxy's own connections stand too.
    for (const line of this.#free.splice(0)) this.#send(line, performance.now())
    while (this.#free.length < this.#job.connections && Date.now() < until) {
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  async go(seconds: number): Promise<Outcome> {
    this.#latency = new Recorder()
    this.#lag = new Recorder()
    this.#requests = 0
    this.#refused = 0
    this.#errors = 0
    this.#firstError = undefined
    const gap = 1_000 / this.#job.rate
    const began = performance.now()
    const total = Math.round(seconds * this.#job.rate)
    let sent = 0
    await new Promise<void>(resolve => {
      const ticker = new Ticker(began, gap, () => {
        const now = performance.now()
        for (; sent < total && began + sent * gap <= now; sent++) {
          const due = began + sent * gap
          this.#lag.record(now - due)
          this.#offer(due)
        }
        if (sent < total) return
        ticker.stop()
        resolve()
      })
    })
    const until = performance.now() + drainMs
    while (this.#busy() && performance.now() < until) await new Promise(resolve => setTimeout(resolve, 5))
    const lost = this.#waiting.length + [...this.#lines].filter(({ due }) => due !== undefined).length
    this.#waiting = []
    for (let i = 0; i < lost; i++) this.#fail('unanswered at the end')
    const [latency, lag] = [this.#latency.take(), this.#lag.take()]
    return {
      requests: this.#requests,
      ...(this.#job.refusals && { refused: this.#refused }),
      seconds: (performance.now() - began) / 1_000,
      errors: this.#errors,
      firstError: this.#firstError,
      ...(latency && { latency }),
      ...(lag && { lag }),
    }
  }

  close(): void {
    this.#closing = true
    for (const { socket } of this.#lines) socket.destroy()
  }

  #busy(): boolean {
    return this.#waiting.length > 0 || [...this.#lines].some(({ due }) => due !== undefined)
  }

  #offer(due: number): void {
    const line = this.#free.pop()
    if (line) this.#send(line, due)
    else if (this.#waiting.length < maxWaitingSeconds * this.#job.rate) this.#waiting.push(due)
    else this.#fail('too many requests wait for a connection')
  }

  #send(line: Line, due: number): void {
    line.due = due
    line.socket.write(this.#request)
  }

  #connect(): void {
    const answers = new Answers()
    const line: Line = {
      due: undefined,
      open: false,
      socket: open(this.#job.port, this.#job.tls, {
        opened: () => {
          line.open = true
          this.#next(line)
        },
        read: (buffer, length) => {
          const done = answers.feed(buffer, length)
          if (answers.broken !== undefined) {
            this.#fail(answers.broken)
            line.socket.destroy()
          }
          if (done === 0 || line.due === undefined) return
          if (answers.refused > 0 && this.#job.refusals) this.#refused++
          else if (answers.bad + answers.refused > 0) this.#fail('an answer that is not 2xx')
          else {
            this.#requests++
            this.#latency.record(performance.now() - line.due)
          }
          answers.bad = 0
          answers.refused = 0
          line.due = undefined
          this.#next(line)
        },
        closed: why => {
          this.#lines.delete(line)
          const index = this.#free.indexOf(line)
          if (index >= 0) this.#free.splice(index, 1)
          if (this.#closing) return
          if (line.due !== undefined || !line.open) this.#fail(why ?? 'closed before the answer')
          setTimeout(() => this.#closing || this.#connect(), reopenMs)
        },
      }),
    }
    this.#lines.add(line)
  }

  /** The line is free: for the request that waits longest, or for whoever comes. */
  #next(line: Line): void {
    const due = this.#waiting.shift()
    if (due === undefined) this.#free.push(line)
    else this.#send(line, due)
  }

  #fail(why: string): void {
    this.#errors++
    this.#firstError ??= why
  }
}
