// A client of a soak: one connection on which requests of every kind go out, one after another, and each answer is held
// against what was asked. A connection that broke is replaced.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import { type Message, Wire } from '../support/engine-wire.ts'
import { type Container, type Errand, text } from './container.ts'
import type { Ledger } from './ledger.ts'

/** No answer at all within so long is a complaint; far beyond what a busy machine adds. */
const patienceMs = 60_000

/** What goes out of a visitor, and how it lets go of the connection before the end, if it does. */
export interface Request {
  readonly errand: Omit<Errand, 'id'>
  readonly method: 'GET' | 'HEAD' | 'POST'
  readonly chunked: boolean
  readonly fields: string
  /** Milliseconds between two pieces of what is sent, or read, on this side. */
  readonly slowMs: number
  /** Goes away after so many bytes of the request's body (`asking`), of the answer (`reading`), or before one (`waiting`). */
  readonly leaves?: { readonly when: 'asking' | 'waiting' | 'reading'; readonly how: 'reset' | 'end' } | undefined
}

const pieceBytes = 16 * 1024

export class Visitor {
  readonly #port: number
  readonly #secure: boolean
  readonly #ledger: Ledger
  readonly #container: Container
  #wire: Wire | undefined

  constructor(port: number, secure: boolean, ledger: Ledger, container: Container) {
    this.#port = port
    this.#secure = secure
    this.#ledger = ledger
    this.#container = container
  }

  leave(): void {
    this.#wire?.socket.destroy()
    this.#wire = undefined
  }

  /** Sends one request and holds its answer against it. */
  async ask(kind: string, request: Request): Promise<void> {
    const { method, errand } = request
    const id = this.#ledger.open(method !== 'POST')
    await this.#judged(kind, [id], errand.breaks !== undefined || request.leaves !== undefined, async wire => {
      await this.#send(wire, id, request)
      if (request.leaves) return this.#depart(wire, request)
      const end = await this.#answer(wire, id, request)
      if (end === 'answered' && errand.breaks && method === 'POST') {
        this.#ledger.complain(`${id} (${kind}) was broken off and got a whole answer`)
      }
      return end
    })
  }

  /** Sends small requests at once; their answers have to come in the same order. */
  async pipeline(kind: string, count: number, request: Request): Promise<void> {
    const ids = Array.from({ length: count }, () => this.#ledger.open(true))
    await this.#judged(kind, ids, false, async wire => {
      wire.send(ids.map(id => headOf(id, request)).join(''))
      for (const id of ids) {
        const end = await this.#answer(wire, id, request)
        if (end !== 'answered') return end
      }
      return 'answered'
    })
  }

  /** Opens a tunnel of its own and sends words through it, which have to come back. */
  async tunnel(
    kind: string,
    words: readonly number[],
    errand: Omit<Errand, 'id'>,
    how: 'reset' | 'end',
  ): Promise<void> {
    const id = this.#ledger.open(false)
    this.leave()
    await this.#judged(kind, [id], errand.breaks !== undefined, async wire => {
      const fields = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      wire.send(headOf(id, { errand, method: 'GET', chunked: false, fields, slowMs: 0 }))
      const head = await wire.head()
      if (!head.line.startsWith('HTTP/1.1 101 ')) return head.line
      this.#belongs(head, id)
      this.#ledger.answered(id)
      for (const word of words) {
        wire.send(text(id, word))
        if ((await wire.take(word)) !== text(id, word)) this.#ledger.complain(`${id} got another echo`)
      }
      if (errand.breaks) {
        await wire.gone()
        return 'ended by the container'
      }
      if (how === 'end') {
        wire.end()
        await wire.gone()
      }
      return 'left'
    })
    this.leave()
  }

  /** Runs one exchange; whatever goes wrong in it without anybody's doing is a complaint. */
  async #judged(kind: string, ids: number[], broken: boolean, run: (wire: Wire) => Promise<string>): Promise<void> {
    const { epoch } = this.#container
    let end: string
    try {
      this.#wire ??= await this.#connect()
      end = await run(this.#wire)
    } catch (error) {
      end = `broken: ${error instanceof Error ? error.message.replace(/\d+|"[\s\S]*"/g, 'N') : error}`
    }
    this.#ledger.ended(kind, end)
    if (end === 'answered') return
    this.leave()
    const wanted = end === 'left' || end === 'ended by the container' || broken
    const excused = wanted || this.#container.away || this.#container.epoch !== epoch
    // Whatever happens to a request, its client is told in time.
    if (excused && !end.includes('never came')) return
    this.#ledger.complain(`${ids.join(', ')} (${kind}) ended though nobody broke it: ${end}`)
  }

  async #connect(): Promise<Wire> {
    const options = { port: this.#port, host: '127.0.0.1' }
    const plain = { ...options, allowHalfOpen: true, noDelay: true }
    const socket: Socket = this.#secure ? tlsConnect({ ...options, rejectUnauthorized: false }) : connect(plain)
    socket.on('error', () => {})
    await once(socket, this.#secure ? 'secureConnect' : 'connect')
    return new Wire(socket, patienceMs)
  }

  async #send(wire: Wire, id: number, request: Request): Promise<void> {
    const { errand, chunked, slowMs, leaves } = request
    const body = text(id, leaves?.when === 'asking' ? Math.floor(errand.asked / 2) : errand.asked)
    wire.send(headOf(id, request))
    if (request.fields.includes('Expect')) {
      const interim = await wire.head()
      // Anything else is the answer already; it is read as one and found wanting.
      if (!interim.line.startsWith('HTTP/1.1 100 ')) throw new Error(`uninvited: ${interim.line}`)
    }
    for (let at = 0; at < body.length; at += pieceBytes) {
      const piece = body.slice(at, at + pieceBytes)
      wire.send(chunked ? `${piece.length.toString(16)}\r\n${piece}\r\n` : piece)
      if (slowMs > 0) await delay(slowMs)
      else if (wire.socket.writableNeedDrain) await drained(wire.socket)
    }
    if (chunked && leaves?.when !== 'asking') wire.send('0\r\n\r\n')
  }

  async #answer(wire: Wire, id: number, { method, errand, slowMs }: Request): Promise<string> {
    const dawdle = slowMs > 0 && method === 'GET' ? new AbortController() : undefined
    if (dawdle) void this.#dawdle(wire.socket, slowMs, dawdle.signal)
    const message = await this.#final(wire, method === 'HEAD').finally(() => dawdle?.abort())
    if (!message.line.startsWith('HTTP/1.1 2')) return message.line
    this.#belongs(message, id)
    if (message.body !== text(id, method === 'HEAD' ? 0 : errand.told)) {
      this.#ledger.complain(`${id} got another body, of ${message.body.length} bytes`)
    }
    this.#ledger.answered(id)
    if (message.field('connection')?.toLowerCase() === 'close') this.leave()
    return 'answered'
  }

  /** A container that was slow to invite a body does so though the proxy has (RFC 9110 §15.2: one or more may come). */
  async #final(wire: Wire, bodyless: boolean): Promise<Message> {
    for (;;) {
      const message = await wire.message(bodyless)
      if (!message.line.startsWith('HTTP/1.1 100 ')) return message
    }
  }

  /** Reads in small sips. */
  async #dawdle(socket: Socket, ms: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted && !socket.destroyed) {
      socket.pause()
      await delay(ms)
      socket.resume()
      await delay(1)
    }
  }

  async #depart(wire: Wire, { leaves, errand }: Request): Promise<string> {
    if (leaves?.when === 'waiting') await delay(Math.floor(errand.wait / 2))
    if (leaves?.when === 'reading') {
      const { line } = await wire.head()
      if (!line.startsWith('HTTP/1.1 2')) return line
      await wire.take(Math.floor(errand.told / 3))
    }
    if (leaves?.how === 'reset' && !this.#secure) wire.reset()
    else if (leaves?.how === 'reset') wire.socket.destroy()
    else {
      wire.end()
      await wire.gone()
    }
    return 'left'
  }

  #belongs(message: Message, id: number): void {
    if (message.field('x-id') !== String(id)) {
      this.#ledger.complain(`${id} was answered with what belongs to ${message.field('x-id')}`)
    }
  }
}

/** Waits until there is room for more, or nobody will ever make any. */
function drained(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => settle('never came: room for more'), patienceMs)
    const room = (): void => settle()
    const gone = (): void => settle('gone before there was room for more')
    socket.on('drain', room).on('close', gone)
    if (socket.closed) gone()
    function settle(problem?: string): void {
      clearTimeout(timer)
      socket.off('drain', room).off('close', gone)
      if (problem === undefined) resolve()
      else reject(new Error(problem))
    }
  })
}

function headOf(id: number, { method, errand, chunked, fields }: Request): string {
  const framing =
    method !== 'POST' ? '' : chunked ? 'Transfer-Encoding: chunked\r\n' : `Content-Length: ${errand.asked}\r\n`
  const told = JSON.stringify({ id, ...errand })
  return `${method} /soak HTTP/1.1\r\nHost: soak\r\nX-Errand: ${told}\r\n${fields}${framing}\r\n`
}
