// Plays a vector of the corpus through whatever stands between a client and a container, and tells what both saw. Behind
// each vector goes a request without harm, whose answer proves that nobody lost the thread.

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'
import type { Vector } from './corpus.ts'
import { type ReadHead, readChunks, readHead, valuesOf } from './http1-reader.ts'

/** What stands behind each vector. */
export const harmless = 'GET /harmless HTTP/1.1\r\nHost: app\r\n\r\n'

export interface Seen {
  readonly head: ReadHead
  readonly body: string
  readonly trailers: ReadHead['fields']
}

/** What a client got. */
export interface Answer {
  readonly head: ReadHead
  readonly body: string
  readonly interims: readonly ReadHead[]
}

export interface Outcome {
  /** Requests that the container got whole, in order. */
  readonly seen: readonly Seen[]
  /** Heads that the container got. */
  readonly heads: number
  /** What it got that is no request: from there on. */
  readonly junk: readonly string[]
  readonly bytes: number
  readonly answers: readonly Answer[]
  /** Of the client's connection: `quiet` where nothing moved any more. */
  readonly end: 'harmless' | 'closed' | 'quiet'
  /** What the client got and could not read as an answer. */
  readonly rest: string
}

/** A message's body, where all of it is there. `bodyless` for what cannot have one. */
function readBody(head: ReadHead, text: string, bodyless: boolean): (Seen & { length: number }) | 'more' | 'bad' {
  const whole = (body: string, length: number, trailers: ReadHead['fields'] = []) => ({ head, body, trailers, length })
  if (bodyless) return whole('', 0)
  const lengths = valuesOf(head, 'content-length')
  const codings = valuesOf(head, 'transfer-encoding')
  if (lengths.length + codings.length > 1) return 'bad'
  if (codings.length > 0) {
    if (codings[0]?.toLowerCase() !== 'chunked') return 'bad'
    const { state, data, length, trailers } = readChunks(text)
    return state === 'done' ? whole(data, length, trailers) : state === 'bad' ? 'bad' : 'more'
  }
  const length = Number(lengths[0] ?? 0)
  return text.length < length ? 'more' : whole(text.slice(0, length), length)
}

/** A container that writes down what it gets, and answers each request with 200 and its target, or as it is told. */
export class Listener {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  seen: Seen[] = []
  heads = 0
  junk: string[] = []
  bytes = 0
  /** Bytes for the first request that comes; then the usual. */
  script: { text: string; ends: boolean } | undefined

  constructor() {
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, socket => this.#accept(socket))
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  reset(): void {
    for (const socket of this.#sockets) socket.destroy()
    this.seen = []
    this.heads = 0
    this.junk = []
    this.bytes = 0
    this.script = undefined
  }

  async close(): Promise<void> {
    this.reset()
    await new Promise(resolve => this.#server.close(resolve))
  }

  #accept(socket: Socket): void {
    this.#sockets.add(socket)
    let text = ''
    let begun = false
    socket.setEncoding('latin1')
    socket.on('error', () => {})
    socket.on('close', () => this.#sockets.delete(socket))
    socket.on('end', () => socket.end())
    const readOne = (): boolean => {
      const head = readHead('request', text)
      if (!head) {
        if (text.includes('\r\n\r\n')) this.#junk(socket, text)
        return false
      }
      if (!begun) this.heads++
      begun = true
      const body = readBody(head, text.slice(head.length), false)
      if (body === 'bad') this.#junk(socket, text)
      if (typeof body === 'string') return false
      begun = false
      text = text.slice(head.length + body.length)
      this.seen.push(body)
      this.#answer(socket, head)
      return true
    }
    socket.on('data', (data: string) => {
      this.bytes += data.length
      text += data
      while (text !== '' && readOne()) {}
    })
  }

  #answer(socket: Socket, { first: [method = '', target = ''] }: ReadHead): void {
    const { script } = this
    if (script) {
      this.script = undefined
      socket.write(script.text, 'latin1')
      if (script.ends) socket.end()
      return
    }
    const body = `served ${target}`
    const head = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: ${body.length}\r\n\r\n`
    socket.write(method === 'HEAD' ? head : head + body, 'latin1')
  }

  #junk(socket: Socket, text: string): void {
    this.junk.push(text)
    socket.destroy()
  }
}

/** The client's end. */
class Caller {
  readonly socket: Socket
  readonly answers: Answer[] = []
  closed = false
  text = ''
  readonly #methods: string[]
  #interims: ReadHead[] = []
  #moved = Date.now()

  /** @param methods of the requests, in order; GET where there are more answers */
  constructor(port: number, methods: string[]) {
    this.#methods = methods
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    this.socket.setEncoding('latin1')
    this.socket.on('error', () => {})
    this.socket.on('data', (data: string) => {
      this.text += data
      this.#moved = Date.now()
      while (this.text !== '' && this.#readOne()) {}
    })
    for (const event of ['end', 'close']) this.socket.on(event, () => this.#close())
  }

  #close(): void {
    if (!this.closed) this.#readLast()
    this.closed = true
  }

  /** What nothing else delimits has ended. */
  #readLast(): void {
    const head = readHead('response', this.text)
    if (!head || valuesOf(head, 'content-length').length + valuesOf(head, 'transfer-encoding').length > 0) return
    this.answers.push({ head, body: this.text.slice(head.length), interims: this.#interims })
    this.text = ''
  }

  #readOne(): boolean {
    const head = readHead('response', this.text)
    if (!head) return false
    const status = Number(head.first[0])
    const rest = this.text.slice(head.length)
    if (status >= 100 && status < 200 && status !== 101) {
      this.#interims.push(head)
      this.text = rest
      return true
    }
    const bodyless = this.#methods[this.answers.length] === 'HEAD' || status === 204 || status === 304
    const framed = valuesOf(head, 'content-length').length + valuesOf(head, 'transfer-encoding').length > 0
    if (!bodyless && !framed) return false
    const body = readBody(head, rest, bodyless)
    if (typeof body === 'string') return false
    this.answers.push({ head, body: body.body, interims: this.#interims })
    this.#interims = []
    this.text = rest.slice(body.length)
    return true
  }

  get harmless(): boolean {
    return this.answers.some(({ body }) => body === 'served /harmless')
  }

  /** Until `done`, the end of the connection, or so long a silence. */
  async until(done: () => boolean, quietMs: number): Promise<void> {
    while (!done() && !this.closed && Date.now() - this.#moved < quietMs) {
      await new Promise(resolve => setTimeout(resolve, 2))
    }
  }
}

function outcome(container: Listener, caller: Caller): Outcome {
  const { seen, heads, junk, bytes } = container
  const { answers, text, harmless: served } = caller
  return {
    seen,
    heads,
    junk,
    bytes,
    answers,
    rest: text,
    end: served ? 'harmless' : caller.closed ? 'closed' : 'quiet',
  }
}

/**
 * Sends a request vector, and the harmless one right behind it.
 * @param waits true where nothing is to be expected once the container has a head
 */
export async function playRequest(
  port: number,
  container: Listener,
  vector: Vector,
  waits: boolean,
  quietMs: number,
): Promise<Outcome> {
  const methods = vector.wants.map(({ line }) => line.split(' ')[0] ?? '')
  const caller = new Caller(port, methods)
  caller.socket.write(vector.raw + harmless, 'latin1')
  await caller.until(() => caller.harmless || (waits && container.heads > 0), quietMs)
  caller.socket.destroy()
  return outcome(container, caller)
}

/** Asks, lets the container answer with a response vector, and then asks for something harmless. */
export async function playResponse(
  port: number,
  container: Listener,
  vector: Vector,
  quietMs: number,
): Promise<Outcome> {
  container.script = { text: vector.raw, ends: vector.ends }
  const [line = '', ...fields] = vector.asks.split('\r\n')
  const caller = new Caller(port, [line.split(' ')[0] ?? ''])
  caller.socket.write(`${[line, 'Host: app', ...fields].join('\r\n')}\r\n\r\n`, 'latin1')
  await caller.until(() => caller.answers.length > 0, quietMs)
  if (!caller.closed && caller.answers.length > 0) {
    caller.socket.write(harmless, 'latin1')
    await caller.until(() => caller.answers.length > 1, quietMs)
  }
  caller.socket.destroy()
  return outcome(container, caller)
}
