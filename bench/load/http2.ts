// HTTP/2 by h2load (nghttp2-client): connections that have several requests under way each, in a closed loop.

import { spawn } from 'node:child_process'
import { requestHeaders } from '../requests.ts'
import type { Generator, Job, Outcome } from './job.ts'

/** Requests under way on each connection. */
const streams = 16

export class Http2Load implements Generator {
  readonly #job: Job
  #child: ReturnType<typeof spawn> | undefined

  constructor(job: Job) {
    this.#job = job
  }

  /** @throws Error where it is not answered */
  async prepare(): Promise<void> {
    const { requests, firstError } = await this.#run(['-n', String(this.#job.connections * streams)])
    if (requests === 0) throw new Error(firstError ?? 'no answer')
  }

  go(seconds: number): Promise<Outcome> {
    // Whole seconds are all that h2load knows.
    return this.#run(['-D', String(Math.max(1, Math.round(seconds)))])
  }

  close(): void {
    this.#child?.kill()
  }

  #run(how: readonly string[]): Promise<Outcome> {
    const { port, tls, shape, connections } = this.#job
    const headers = requestHeaders
      .filter(([name]) => name !== 'Host')
      .flatMap(([name, value]) => ['-H', `${name}: ${value}`])
    const target = `${tls ? 'https' : 'http'}://127.0.0.1:${port}${shape.path}`
    const load = ['-c', String(connections), '-m', String(streams), '-w', '20', '-W', '20', ...how, ...headers, target]
    const began = performance.now()
    const child = spawn('h2load', load, { stdio: ['ignore', 'pipe', 'pipe'] })
    this.#child = child
    let text = ''
    child.stdout.on('data', chunk => {
      text += chunk
    })
    child.stderr.on('data', chunk => {
      text += chunk
    })
    return new Promise((resolve, reject) => {
      child.on('error', reject)
      child.on('close', () => resolve(readH2load(text, (performance.now() - began) / 1_000)))
    })
  }
}

/** @param took what it took by our own clock, where h2load does not say */
export function readH2load(text: string, took: number): Outcome {
  const counts = /^requests: .*, (\d+) succeeded, (\d+) failed, (\d+) errored, (\d+) timeout/m.exec(text)
  const ok = Number(/^status codes: (\d+) 2xx/m.exec(text)?.[1] ?? 0)
  const [, succeeded = 0, failed = 0, errored = 0, timeout = 0] = (counts ?? []).map(Number)
  const errors = failed + errored + timeout + Math.max(0, succeeded - ok)
  const seconds = Number(/^finished in ([\d.]+)s,/m.exec(text)?.[1] ?? took)
  const firstError = counts && ok > 0 ? undefined : `h2load: ${text.trim().split('\n').at(-1)?.slice(0, 200)}`
  return { requests: Math.min(ok, succeeded || ok), seconds, errors, firstError }
}
