// The reference engine: node:http parses what comes in, undici speaks to the container. Boring on purpose: it is what the
// faster engines are checked against. Never in an enclave (undici needs WebAssembly).
//
// Every way in that Node has — request, upgrade, connect, checkContinue, checkExpectation — becomes an Exchange and asks
// the same gate; a listener on `request` alone would leave four side doors.

import { createServer, type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { systemCode } from '../base/errors.ts'
import type { Gate, Peer } from '../gate/contract.ts'
import { type Engine, type EngineOptions, limits } from './engine.ts'
import { tokens } from './rewrite.ts'
import { tunnelToken } from './switch.ts'
import { Early } from './undici/early.ts'
import { type Entry, Exchange, type ExchangeContext, type Raw } from './undici/exchange.ts'
import { Lanes } from './undici/lanes.ts'
import { Waiting } from './waiting.ts'

/** Requests that a client may have sent ahead before it is read no further. */
const maxPipelined = 16

/** How often connections without a request are looked at. */
const sweepMs = 1_000

/** A client's connection. Its requests run strictly one after another, however many were pipelined. */
class Connection {
  readonly socket: Socket
  readonly context: ExchangeContext
  readonly #pending: Exchange[] = []
  readonly #clock: EngineOptions['clock']
  readonly #changed: () => void
  #current: Exchange | undefined
  /** Status line of the last answer: behind what has been accepted came something that cannot be read. */
  #refusal: string | undefined
  #fresh = true
  #quietSince: number
  #bytesAtRest = 0

  constructor(socket: Socket, context: ExchangeContext, changed: () => void) {
    this.socket = socket
    this.context = context
    this.#changed = changed
    this.#clock = context.options.clock
    this.#quietSince = this.#clock.monotonic()
  }

  get idle(): boolean {
    return this.#current === undefined && this.#pending.length === 0
  }

  get tunnel(): boolean {
    return this.#current?.tunnel === true
  }

  run(entry: Entry, message: IncomingMessage, response: ServerResponse, raw?: Raw): void {
    if (this.#refusal !== undefined) return
    if (ambiguous(message)) {
      this.#refuseLast(badRequest)
      return
    }
    const exchange: Exchange = new Exchange(this.context, entry, message, response, raw, () => {
      if (exchange.over) this.#next()
      this.#changed()
    })
    this.#pending.push(exchange)
    if (!this.#current) this.#next()
    else if (this.#pending.length >= maxPipelined) this.socket.pause()
  }

  /** Node resumes a socket for reasons of its own; its reading is stopped by the event. */
  resumed(): void {
    if (this.#pending.length >= maxPipelined) this.socket.emit('pause')
  }

  /** The parser gave up. What came before is answered first: an answer in the middle of another would be part of it. */
  malformed(status: string): void {
    // The parser says so again with each further byte.
    if (this.#refusal !== undefined) return
    if (this.#pending.at(-1)?.incomplete) this.#pending.pop()
    else if (this.#current?.incomplete) this.#current.bodyBroken()
    this.#refuseLast(status)
  }

  #refuseLast(status: string): void {
    this.#refusal = status
    if (!this.#current) this.#next()
  }

  /** True where the client has had its time: to send a first head, to finish a later one, or to be idle. */
  overdue(idleMs: number): boolean {
    if (!this.idle) return false
    const quiet = this.#clock.monotonic() - this.#quietSince
    const sending = this.#fresh || this.socket.bytesRead !== this.#bytesAtRest
    if (sending) return quiet > limits.headMs
    return idleMs > 0 && quiet > idleMs
  }

  destroy(): void {
    this.#current?.destroy()
    this.socket.destroy()
  }

  #next(): void {
    // Behind a last answer, or when the client has left, nothing is served any more.
    if (!this.socket.writable) this.#pending.length = 0
    if (this.#pending.length === maxPipelined) this.socket.resume()
    const exchange = this.#pending.shift()
    this.#current = exchange
    if (exchange) {
      exchange.begin()
      return
    }
    this.#fresh = false
    this.#quietSince = this.#clock.monotonic()
    this.#bytesAtRest = this.socket.bytesRead
    if (this.#refusal !== undefined) refuse(this.socket, this.#refusal)
    else if (this.context.draining()) this.socket.destroySoon()
  }
}

export function makeUndiciEngine(gate: Gate, options: EngineOptions): Engine {
  const lanes = new Lanes(options.dialer, options.maxIdleUpstream)
  const strip: ReadonlySet<string> = new Set(options.strip)
  const connections = new Map<Socket, Connection>()
  let draining = false
  const waiting = new Waiting(
    () => [...connections.values()].some(connection => !connection.tunnel && !connection.idle),
    () => connections.size > 0,
  )

  const server = createServer({
    maxHeaderSize: limits.requestHeadBytes,
    // Deadlines and idleness are ours (Connection), so that they hold on sockets that this server never accepted.
    headersTimeout: 0,
    requestTimeout: 0,
    keepAliveTimeout: 0,
    noDelay: true,
    // Missing, doubled and malformed Hosts are refused together, in Exchange.
    requireHostHeader: false,
    shouldUpgradeCallback: wantsTunnel,
  })
  server.maxHeadersCount = 0

  /** An Upgrade that the policy allows. */
  function wantsTunnel(message: IncomingMessage): boolean {
    const { headers } = message
    if (headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined) return false
    return tunnelToken(tokens(message.rawHeaders, 'upgrade'), options.upgrades) !== undefined
  }

  function enter(entry: Entry): (message: IncomingMessage, response: ServerResponse) => void {
    return (message, response) => {
      // Node drops what came in one packet behind an Upgrade that it was told to ignore, so nothing may follow.
      if (message.headers.upgrade !== undefined && tokens(message.rawHeaders, 'connection').includes('upgrade')) {
        response.shouldKeepAlive = false
      }
      connections.get(message.socket)?.run(entry, message, response)
    }
  }

  /** For the entries for which Node makes no response and hands over the socket. */
  function enterRaw(entry: Entry): (message: IncomingMessage, socket: Socket, head: Buffer) => void {
    return (message, socket, head) => {
      const response = new ServerResponse(message)
      response.shouldKeepAlive = false
      response.assignSocket(socket)
      socket.on('close', () => response.destroy())
      // Node has taken its listeners away; an error that nobody hears ends the process.
      socket.on('error', () => {})
      response.on('finish', () => socket.destroySoon())
      const early = new Early(socket, head, () => {
        if (!response.writableEnded) socket.destroy()
      })
      connections.get(socket)?.run(entry, message, response, { socket, early })
    }
  }

  server.on('request', enter('request'))
  server.on('checkContinue', enter('continue'))
  server.on('checkExpectation', enter('expectation'))
  server.on('upgrade', enterRaw('upgrade'))
  server.on('connect', enterRaw('connect'))
  // The error's rawPacket holds the request; only its code is looked at.
  server.on('clientError', (error, socket) => {
    const code = systemCode(error) ?? ''
    if (code.startsWith('HPE_')) connections.get(socket as Socket)?.malformed(refusals[code] ?? badRequest)
    else socket.destroy()
  })

  const stopSweep = options.clock.every(sweepMs, () => {
    for (const connection of connections.values()) {
      if (connection.overdue(options.idleConnectionMs)) connection.destroy()
    }
    lanes.sweep(options.clock.monotonic())
  })

  function accept(socket: Socket, from: Peer): () => void {
    let retired = false
    const context = { gate, lanes, options, strip, from, draining: () => draining || retired }
    const connection = new Connection(socket, context, waiting.changed)
    connections.set(socket, connection)
    socket.on('close', () => {
      connections.delete(socket)
      waiting.changed()
    })
    server.emit('connection', socket)
    // After Node's own listener, which starts to read.
    socket.on('resume', () => connection.resumed())
    return () => {
      retired = true
      if (connection.idle) socket.destroySoon()
    }
  }

  return {
    name: 'undici',
    accept,
    drain() {
      draining = true
      for (const connection of connections.values()) if (connection.idle) connection.socket.destroySoon()
    },
    drained: () => waiting.drained(),
    async closed() {
      await waiting.closed()
      stopSweep()
      lanes.destroy()
    },
    destroy() {
      for (const connection of connections.values()) connection.destroy()
      stopSweep()
      lanes.destroy()
    },
  }
}

const badRequest = '400 Bad Request'

const refusals: Readonly<Record<string, string>> = {
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
  HPE_INVALID_VERSION: '505 HTTP Version Not Supported',
}

/** Bodies that Node's parser hands over although two readers could see two ends of them. */
function ambiguous({ headers, httpVersion }: IncomingMessage): boolean {
  const coding = headers['transfer-encoding']
  return coding !== undefined && (coding.toLowerCase() !== 'chunked' || httpVersion === '1.0')
}

/** As Go's server answers what it cannot parse: status and text, nothing else, and the end of the connection. */
function refuse(socket: Socket, status: string): void {
  if (!socket.writable) return
  socket.end(
    `HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`,
    'latin1',
  )
}
