// Is the container ready? Asked with the probe that its author declared, at most once at a time: who asks while a round
// runs shares its result (knative/serving pkg/queue/readiness/probe.go, pkg/queue/health/probe.go).
//
// Connections come from the injected dialer. Behind a verified one a tcp probe therefore means handshake and verdict,
// and an http probe is sent only to a container that was judged.

import { request } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import type { Check, ReadinessCheck } from './checks.ts'

/** Opens one connection; the returned function gives up. */
export type Dial = (done: (outcome: { readonly socket: Socket } | Fault) => void) => () => void

export interface ReadinessOptions {
  /** All must pass; an empty list is always ready. */
  readonly checks: readonly ReadinessCheck[]
  readonly dial: (host: string, port: number) => Dial
  readonly clock: Clock
  /** One try in aggressive mode, in milliseconds; a verified handshake needs more than a bare connect. */
  readonly aggressiveTryMs: number
  /** Why a round failed, for the operator. */
  readonly failed: (text: string) => void
}

/** Aggressive mode (periodSeconds 0): a try every 50 ms for up to 10 s, as the Go proxy does. */
const aggressive = { everyMs: 50, totalMs: 10_000 } as const

/** Returns the function that asks. */
export function makeReadiness(options: ReadinessOptions): () => Promise<boolean> {
  const probes = options.checks.map(each => new Probe(each, options))
  let running: Promise<boolean> | undefined

  async function round(): Promise<boolean> {
    const problems = (await Promise.all(probes.map(probe => probe.run()))).filter(each => each !== undefined)
    for (const problem of problems) options.failed(problem)
    return problems.length === 0
  }

  return () => {
    running ??= round().finally(() => {
      running = undefined
    })
    return running
  }
}

/** One declared probe. Its row of successes outlives a round, as in the Go proxy. */
class Probe {
  readonly #check: ReadinessCheck
  readonly #options: ReadinessOptions
  #successes = 0

  constructor(check: ReadinessCheck, options: ReadinessOptions) {
    this.#check = check
    this.#options = options
  }

  /** Why it failed, or undefined. */
  run(): Promise<string | undefined> {
    const { check, periodSeconds, timeoutSeconds } = this.#check
    return periodSeconds === 0 ? this.#poll() : attempt(check, timeoutSeconds * 1000, this.#options)
  }

  async #poll(): Promise<string | undefined> {
    const { clock, aggressiveTryMs } = this.#options
    const deadline = clock.monotonic() + aggressive.totalMs
    for (let failures = 1; ; failures++) {
      const problem = await attempt(this.#check.check, aggressiveTryMs, this.#options)
      this.#successes = problem === undefined ? this.#successes + 1 : 0
      if (this.#successes >= this.#check.successThreshold) return undefined
      if (problem === undefined) failures = 0
      if (clock.monotonic() + aggressive.everyMs >= deadline) {
        return `aggressive probe error (failed ${failures} times): ${problem ?? 'too few successes'}\ncontext deadline exceeded`
      }
      await new Promise<void>(resolve => clock.after(aggressive.everyMs, resolve))
    }
  }
}

/** One try within `timeoutMs` (0 = none); resolves to why it failed. */
function attempt(check: Check, timeoutMs: number, options: ReadinessOptions): Promise<string | undefined> {
  switch (check.kind) {
    case 'none':
      return Promise.resolve('no probe found')
    case 'exec':
      return Promise.resolve('exec probe not supported')
    case 'grpc':
      return Promise.resolve('grpc probe not supported by this version')
    case 'tcp':
      return connected(check.host, check.port, timeoutMs, options, (_socket, done) => done(undefined))
    case 'http':
      return connected(check.host, check.port, timeoutMs, options, (socket, done) => get(check, socket, done))
  }
}

/** Connects, lets `use` have the socket, and closes it, all within the time. */
function connected(
  host: string,
  port: number,
  timeoutMs: number,
  options: ReadinessOptions,
  use: (socket: Socket, done: (problem: string | undefined) => void) => void,
): Promise<string | undefined> {
  return new Promise(resolve => {
    let socket: Socket | undefined
    let giveUp = (): void => {}
    const finish = (problem: string | undefined): void => {
      stopTimer()
      giveUp()
      socket?.destroy()
      resolve(problem)
    }
    const stopTimer =
      timeoutMs > 0 ? options.clock.after(timeoutMs, () => finish(`dial ${host}:${port}: i/o timeout`)) : () => {}
    try {
      giveUp = options.dial(
        host,
        port,
      )(outcome => {
        if (outcome instanceof Fault) {
          finish(outcome.message)
          return
        }
        socket = outcome.socket
        socket.on('error', () => {})
        use(socket, finish)
      })
    } catch (error) {
      finish(`dial ${host}:${port}: ${describe(error)}`)
    }
  })
}

function get(
  check: Extract<Check, { kind: 'http' }>,
  socket: Socket,
  done: (problem: string | undefined) => void,
): void {
  // The declared Host and User-Agent lose, as in the Go proxy: who probes is part of what the container may rely on.
  const declared = check.headers.filter(([name]) => !['host', 'user-agent'].includes(name.toLowerCase())).flat()
  const fields = ['Host', `${check.host}:${check.port}`, 'User-Agent', 'kube-probe//', 'Accept-Encoding', 'gzip']
  const failed = (error: unknown): void =>
    done(`Get "http://${check.host}:${check.port}/${check.path}": ${describe(error)}`)
  // What was declared may be unfit to be sent; that fails the probe and not the process.
  try {
    const ask = request({
      createConnection: () => socket,
      method: 'GET',
      path: `/${check.path}`,
      headers: [...fields, 'Connection', 'close', ...declared],
    })
    ask.on('response', answer => {
      const status = answer.statusCode ?? 0
      answer.resume()
      done(status >= 200 && status < 400 ? undefined : `HTTP probe did not respond Ready, got status code: ${status}`)
    })
    ask.on('error', failed)
    ask.end()
  } catch (error) {
    failed(error)
  }
}
