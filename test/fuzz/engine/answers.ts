// Fuzz target: whole responses, read by us and by Node's own parser. Where both take one they must agree about everything:
// status, fields, body, trailers, and what went before.

import { Agent, request } from 'node:http'
import { Duplex } from 'node:stream'
import { Fault } from '../../../src/base/errors.ts'
import { Body, responseFraming } from '../../../src/engine/bytes/framing.ts'
import { Head } from '../../../src/engine/bytes/head.ts'
import { mustEqual } from './finding.ts'
import { type Random, spoil } from './random.ts'
import { responseText } from './texts.ts'

interface Read {
  readonly status: number
  /** Names and values by turns. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
  readonly interims: readonly number[]
}

/** As the engine reads it; undefined where it refuses it or it is not complete. */
function ours(text: string, method: string): Read | undefined {
  const bytes = Buffer.from(text, 'latin1')
  const interims: number[] = []
  let at = 0
  for (;;) {
    const head = new Head('response', 1 << 20)
    const length = head.feed(bytes, at, bytes.length)
    if (length <= 0 || head.major !== 1 || head.status < 100 || head.status === 101) return undefined
    at += length
    if (head.status < 200) {
      interims.push(head.status)
      continue
    }
    const framing = responseFraming(head, method === 'HEAD', true)
    if (framing instanceof Fault) return undefined
    const read = new Body()
    read.begin(framing.framing, framing.length)
    let body = ''
    while (at < bytes.length && !read.done) {
      at = read.read(bytes, at, bytes.length)
      if (at < 0) return undefined
      body += bytes.toString('latin1', read.from, read.to)
    }
    if (!read.close()) return undefined
    return { status: head.status, fields: head.raw(), body, trailers: read.trailers?.raw() ?? [], interims }
  }
}

/** As node:http reads it. */
function nodes(text: string, method: string): Promise<Read | undefined> {
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  const agent = new Agent({ maxSockets: 1 })
  agent.createConnection = () => socket
  const interims: number[] = []
  return new Promise(resolve => {
    const asked = request({ agent, method, maxHeaderSize: 1 << 20 })
    asked.on('information', ({ statusCode }) => interims.push(statusCode))
    asked.on('error', () => resolve(undefined))
    asked.on('upgrade', () => resolve(undefined))
    let begun = false
    asked.on('response', response => {
      begun = true
      const { statusCode: status = 0, rawHeaders: fields } = response
      let body = ''
      response.setEncoding('latin1')
      response.on('data', chunk => {
        body += chunk
      })
      response.on('error', () => resolve(undefined))
      response.on('end', () => resolve({ status, fields, body, trailers: response.rawTrailers, interims }))
      response.on('close', () => resolve(undefined))
    })
    // What has begun may still be read to its end.
    asked.on('close', () => begun || resolve(undefined))
    asked.end()
    socket.push(Buffer.from(text, 'latin1'))
    socket.push(null)
  })
}

/** Node takes a tab behind a coding for a part of its name (RFC 9112 §5.1 does not); nobody is sent that by us. */
const tabbed = /^transfer-encoding:[^\r\n]*\t[ \t]*\r$/im

/** @returns true where both took it */
export async function answers(random: Random): Promise<boolean> {
  const method = random.oneIn(6) ? 'HEAD' : 'GET'
  const good = responseText(random)
  const text = random.oneIn(2) ? spoil(random, good, 2) : good
  const here = ours(text, method)
  if (!here || tabbed.test(text)) return false
  const there = await nodes(text, method)
  if (there) mustEqual('two parsers read the same response', here, there, text)
  return there !== undefined
}
