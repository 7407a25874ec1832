// One GET, bounded in everything: one deadline from the first byte of DNS to the last of the body, so many bytes and no
// more, no redirect, no decoding. On node:http and node:https alone, since nothing else works in an enclave.

import { type IncomingMessage, request } from 'node:http'
import { request as requestTls } from 'node:https'
import type { Clock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'

export interface GetOptions {
  readonly clock: Clock
  /** For all of it. */
  readonly deadlineMs: number
  readonly maxBytes: number
  /** With https: whether any certificate will do. */
  readonly anyCertificate: boolean
  /** Gives up. */
  readonly signal: AbortSignal
}

export interface Got {
  readonly status: number
  /** A field's value, by its name in lower case. */
  header(name: string): string | undefined
  /** Empty unless the status is 200. */
  readonly body: Uint8Array
}

const code = 'collateral-missing'
/** Two certificates in PEM, each of their characters escaped, and whatever else a service says. */
const maxHeadBytes = 65_536

/** @throws Fault 'collateral-missing' that says what went wrong; it never holds what the peer said */
export function get(url: URL, options: GetOptions): Promise<Got> {
  return new Promise((resolve, reject) => {
    const { clock, deadlineMs, maxBytes, anyCertificate, signal } = options
    const common = {
      // A connection of its own: none is kept, and no proxy that the environment names is used.
      agent: false as const,
      headers: { Accept: '*/*', 'Accept-Encoding': 'identity' },
      maxHeaderSize: maxHeadBytes,
      signal,
    }
    const asked =
      url.protocol === 'https:'
        ? requestTls(url, { ...common, rejectUnauthorized: !anyCertificate })
        : request(url, common)
    const fail = (what: string): void => {
      stopTimer()
      asked.destroy()
      reject(new Fault(code, what))
    }
    const stopTimer = clock.after(deadlineMs, () => fail(`no whole answer within ${deadlineMs} ms`))
    asked.on('error', error => fail(describe(error)))
    asked.on('upgrade', () => fail('answers with an upgrade'))
    asked.on('response', response => {
      const done = (body: Uint8Array): void => {
        stopTimer()
        asked.destroy()
        resolve({ status: response.statusCode ?? 0, header: name => headerOf(response, name), body })
      }
      if (response.statusCode !== 200) return done(new Uint8Array())
      if (response.headers['content-encoding'] !== undefined) return fail('answers in an encoding')
      collect(response, maxBytes, done, fail)
    })
    asked.end()
  })
}

function collect(
  response: IncomingMessage,
  maxBytes: number,
  done: (body: Uint8Array) => void,
  fail: (what: string) => void,
): void {
  const chunks: Uint8Array[] = []
  let length = 0
  response.on('data', (chunk: Uint8Array) => {
    length += chunk.length
    if (length > maxBytes) fail(`answers with more than ${maxBytes} bytes`)
    else chunks.push(chunk)
  })
  response.on('error', error => fail(describe(error)))
  response.on('end', () => done(new Uint8Array(Buffer.concat(chunks))))
}

function headerOf({ headers }: IncomingMessage, name: string): string | undefined {
  const value = headers[name]
  return Array.isArray(value) ? value.join(', ') : value
}
