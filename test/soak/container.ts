// The container of a soak: does what each request's errand says, well or badly, and enters every arrival in the ledger.
// It can go away with all its connections and come back on the same port.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import type { Ledger } from './ledger.ts'

/** What a request wants of the container; travels in the field `X-Errand`. */
export interface Errand {
  readonly id: number
  /** Bytes of the request's body, which is text(id, asked). */
  readonly asked: number
  /** Bytes of the answer's body, which is text(id, told). */
  readonly told: number
  readonly chunked: boolean
  /** Milliseconds before the answer begins. */
  readonly wait: number
  /** True where the container takes its time over each piece, reading or writing. */
  readonly slow: boolean
  /** The container breaks off, the first time that it gets this: before the head (-1) or after so many bytes of body. */
  readonly breaks?: { readonly how: 'reset' | 'end'; readonly at: number } | undefined
}

/** A body that says whose it is, wherever it is looked at. */
export function text(id: number, length: number): string {
  const word = `${id}.`
  return word.repeat(Math.ceil(length / word.length)).slice(0, length)
}

const pieceBytes = 16 * 1024
const slowMs = 15
const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

export class Container {
  readonly #port: number
  readonly #ledger: Ledger
  readonly #credential: Credential | undefined
  /** Open connections and the request that each had last. */
  readonly #sockets = new Map<Socket, number | undefined>()
  #server: Server | undefined
  restarts = 0
  /** True while nobody listens. */
  away = true
  /** Changes whenever the container goes or comes. */
  epoch = 0

  /** @param credential undefined for a container that speaks no TLS */
  constructor(port: number, ledger: Ledger, credential: Credential | undefined) {
    this.#port = port
    this.#ledger = ledger
    this.#credential = credential
  }

  async open(): Promise<void> {
    const options = { keepAliveTimeout: 0, headersTimeout: 0, requestTimeout: 0, noDelay: true }
    const credential = this.#credential
    const server = credential
      ? withKeyPem(credential, pem => createTlsServer({ ...options, ...pem, minVersion: 'TLSv1.3' }))
      : createServer(options)
    server.on('request', (request, response) => void this.#serve(request, response))
    server.on('checkContinue', (request, response) => {
      response.writeContinue()
      void this.#serve(request, response)
    })
    server.on('upgrade', (request, socket) => this.#tunnel(request, socket))
    server.on('clientError', (_error, socket) => socket.destroy())
    server.on('tlsClientError', () => {})
    server.on(credential ? 'secureConnection' : 'connection', (socket: Socket) => {
      this.#sockets.set(socket, undefined)
      socket.on('error', () => {})
      socket.on('close', () => this.#sockets.delete(socket))
      // Its handshake was under way when the container went.
      if (this.#server !== server) socket.destroy()
    })
    this.#server = server
    server.listen(this.#port, '127.0.0.1')
    await once(server, 'listening')
    this.away = false
    this.epoch++
  }

  /** Goes away at once, whatever it was doing. */
  async close(): Promise<void> {
    this.away = true
    this.epoch++
    const server = this.#server as Server
    this.#server = undefined
    const closed = new Promise<void>(resolve => server.close(() => resolve()))
    for (const socket of this.#sockets.keys()) this.#break(socket, 'reset')
    await closed
  }

  async restart(awayMs: number): Promise<void> {
    this.restarts++
    await this.close()
    await delay(awayMs)
    await this.open()
  }

  #arrived(message: IncomingMessage): { errand: Errand; first: boolean } {
    const errand = JSON.parse(String(message.headers['x-errand'])) as Errand
    this.#sockets.set(message.socket, errand.id)
    return { errand, first: this.#ledger.arrived(errand.id) === 1 }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { errand, first } = this.#arrived(request)
    const broken = first ? errand.breaks : undefined
    try {
      let body = ''
      request.setEncoding('latin1')
      for await (const piece of request) {
        body += piece
        if (errand.slow) await delay(slowMs)
      }
      if (body !== text(errand.id, errand.asked)) this.#ledger.complain(`${errand.id} came with another body`)
    } catch {
      // The proxy broke it off, as its client had.
      return
    }
    if (errand.wait > 0) await delay(errand.wait)
    if (broken?.at === -1) {
      this.#break(request.socket, broken.how)
      return
    }
    response.setHeader('Content-Type', 'text/plain')
    response.setHeader('X-Id', String(errand.id))
    if (!errand.chunked) response.setHeader('Content-Length', String(errand.told))
    const whole = text(errand.id, errand.told)
    if (broken) {
      response.write(whole.slice(0, broken.at), () => this.#break(request.socket, broken.how))
      return
    }
    if (!errand.slow) {
      response.end(whole)
      return
    }
    for (let at = 0; at < whole.length && !response.destroyed; at += pieceBytes) {
      response.write(whole.slice(at, at + pieceBytes))
      await delay(slowMs)
    }
    response.end()
  }

  /** An echo, until as many bytes have come back as the errand says. */
  #tunnel(request: IncomingMessage, socket: Duplex): void {
    const { errand } = this.#arrived(request)
    const key = `${request.headers['sec-websocket-key'] ?? ''}${websocketGuid}`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Id: ${errand.id}\r\n`
    socket.write(`${head}Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
    socket.on('error', () => {})
    socket.pipe(socket)
    const { breaks } = errand
    let echoed = 0
    if (!breaks) return
    socket.on('data', (chunk: Buffer) => {
      echoed += chunk.length
      if (echoed >= breaks.at) this.#break(request.socket, breaks.how)
    })
  }

  #break(socket: Socket, how: 'reset' | 'end'): void {
    const id = this.#sockets.get(socket)
    if (id !== undefined) this.#ledger.lost(id)
    if (how === 'end' || 'encrypted' in socket) socket.destroy()
    else socket.resetAndDestroy()
  }
}
