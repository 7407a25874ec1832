// Fuzz target: whole requests, read by us and by Node's own parser. Where both take one they must agree about everything:
// target, fields, body, and where the next request begins.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { Duplex } from 'node:stream'
import { Asked } from '../../../src/engine/bytes/asked.ts'
import { mustEqual } from './finding.ts'
import { type Random, spoil } from './random.ts'
import { requestText } from './texts.ts'

interface Read {
  readonly method: string
  readonly target: string
  /** Names and values by turns. */
  readonly fields: readonly string[]
  readonly body: string
  readonly trailers: readonly string[]
}

/** As the engine reads them, up to what it refuses. */
function ours(text: string): Read[] {
  const bytes = Buffer.from(text, 'latin1')
  const found: Read[] = []
  let at = 0
  for (;;) {
    const asked = new Asked({ address: '192.0.2.7', secure: true })
    const length = asked.fields.feed(bytes, at, bytes.length)
    if (length <= 0 || asked.take(() => false) !== undefined) return found
    at += length
    let body = ''
    while (at < bytes.length && !asked.body.done) {
      at = asked.body.read(bytes, at, bytes.length)
      if (at < 0) return found
      body += bytes.toString('latin1', asked.body.from, asked.body.to)
    }
    if (!asked.body.done) return found
    const { method, target, fields } = asked
    found.push({ method, target, fields: fields.raw(), body, trailers: asked.body.trailers?.raw() ?? [] })
  }
}

/** As node:http reads them. */
function nodes(text: string): Promise<Read[]> {
  const found: Read[] = []
  const server = createServer({ requireHostHeader: false, maxHeaderSize: 1 << 20, keepAliveTimeout: 0 })
  function serve(request: IncomingMessage, response: ServerResponse): void {
    const { method = '', url = '', rawHeaders } = request
    let body = ''
    request.setEncoding('latin1')
    request.on('data', chunk => {
      body += chunk
    })
    request.on('error', () => {})
    request.on('end', () => {
      found.push({ method, target: url, fields: rawHeaders, body, trailers: request.rawTrailers })
      response.end()
    })
  }
  server.on('request', serve).on('checkContinue', serve).on('checkExpectation', serve)
  server.on('clientError', (_error, socket) => socket.destroy())
  const socket = new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() })
  return new Promise(resolve => {
    socket.on('error', () => {})
    socket.on('close', () => resolve(found))
    server.emit('connection', socket)
    socket.push(Buffer.from(text, 'latin1'))
    socket.push(null)
  })
}

/** @returns true where both took one */
export async function messages(random: Random): Promise<boolean> {
  const good = requestText(random)
  const text = (random.oneIn(2) ? spoil(random, good, 2) : good) + requestText(random)
  const [here, there] = [ours(text), await nodes(text)]
  const both = Math.min(here.length, there.length)
  mustEqual('two parsers read the same requests', here.slice(0, both), there.slice(0, both), text)
  return both > 0
}
