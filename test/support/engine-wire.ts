// One end of a connection that speaks in bytes: tests script both sides of an engine with it. Every wait is bounded and
// says what it waited for; nothing depends on how bytes were cut into packets.

import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Test } from 'tap'

const patienceMs = 10_000

export interface Message {
  /** First line and fields, as received, without the empty line. */
  readonly head: string
  /** The first line. */
  readonly line: string
  readonly body: string
  readonly trailers: string
  field(name: string): string | undefined
  fields(name: string): string[]
}

/** A condition over things that change: asked again whenever somebody says so. */
export class Watch {
  readonly #patience: number
  #waiting = new Set<() => void>()

  constructor(patience = patienceMs) {
    this.#patience = patience
  }

  changed(): void {
    for (const look of [...this.#waiting]) look()
  }

  until<T>(what: string, look: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        clearTimeout(timer)
        this.#waiting.delete(again)
      }
      const again = (): void => {
        try {
          const found = look()
          if (found === undefined) return
          settle()
          resolve(found)
        } catch (error) {
          settle()
          reject(error)
        }
      }
      const timer = setTimeout(() => {
        settle()
        reject(new Error(`never came: ${what}`))
      }, this.#patience)
      // Who has stopped asking holds nobody up.
      timer.unref()
      this.#waiting.add(again)
      again()
    })
  }
}

export class Wire {
  readonly socket: Socket
  /** How the other side ended: with a FIN, or without. */
  fate: 'open' | 'ended' | 'broken' = 'open'
  /** All bytes that ever came. */
  total = 0
  #unread = ''
  readonly #watch: Watch

  constructor(socket: Socket, patience = patienceMs) {
    this.socket = socket
    this.#watch = new Watch(patience)
    socket.on('data', (chunk: Buffer) => {
      this.total += chunk.length
      this.#unread += chunk.toString('latin1')
      this.#watch.changed()
    })
    socket.on('end', () => this.#fare('ended'))
    socket.on('error', () => this.#fare('broken'))
    socket.on('close', () => this.#fare('broken'))
  }

  #fare(fate: 'ended' | 'broken'): void {
    if (this.fate === 'open') this.fate = fate
    this.#watch.changed()
  }

  /** One character, one byte. */
  send(text: string): this {
    this.socket.write(text, 'latin1')
    return this
  }

  /** FIN; the other direction lives on. */
  end(text = ''): this {
    this.socket.end(text, 'latin1')
    return this
  }

  /** RST. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Waits until the other side has ended or broken off. */
  gone(): Promise<'ended' | 'broken'> {
    return this.#watch.until('the end of the connection', () => (this.fate === 'open' ? undefined : this.fate))
  }

  /** Everything unread, once the other side is gone. */
  async rest(): Promise<string> {
    await this.gone()
    return this.#cut(this.#unread.length)
  }

  take(length: number): Promise<string> {
    return this.#watch.until(`${length} bytes, with ${JSON.stringify(this.#unread.slice(0, 200))} there`, () => {
      if (this.#unread.length >= length) return this.#cut(length)
      if (this.fate !== 'open') throw new Error(`gone with ${this.#unread.length} of ${length} bytes there`)
      return undefined
    })
  }

  through(mark: string): Promise<string> {
    return this.#watch.until(
      `${JSON.stringify(mark)}, with ${JSON.stringify(this.#unread.slice(0, 200))} there`,
      () => {
        const at = this.#unread.indexOf(mark)
        if (at >= 0) return this.#cut(at + mark.length)
        if (this.fate !== 'open')
          throw new Error(`gone before ${JSON.stringify(mark)}: ${JSON.stringify(this.#unread)}`)
        return undefined
      },
    )
  }

  /** A head alone. */
  async head(): Promise<Message> {
    return message((await this.through('\r\n\r\n')).slice(0, -4), '', '')
  }

  /** A head and the body that its framing promises; `bodyless` for answers to HEAD. */
  async message(bodyless = false): Promise<Message> {
    const { head, line, field } = await this.head()
    const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(line)?.[1])
    if (bodyless || (status >= 100 && status < 200) || status === 204 || status === 304) return message(head, '', '')
    if (field('transfer-encoding') !== undefined) return message(head, ...(await this.#chunks()))
    const length = field('content-length')
    if (length !== undefined) return message(head, await this.take(Number(length)), '')
    return message(head, Number.isNaN(status) ? '' : await this.rest(), '')
  }

  async #chunks(): Promise<[body: string, trailers: string]> {
    let body = ''
    for (;;) {
      const size = Number.parseInt(await this.through('\r\n'), 16)
      if (size === 0) break
      body += (await this.take(size + 2)).slice(0, -2)
    }
    let trailers = ''
    for (let line = await this.through('\r\n'); line !== '\r\n'; line = await this.through('\r\n')) trailers += line
    return [body, trailers]
  }

  #cut(length: number): string {
    const text = this.#unread.slice(0, length)
    this.#unread = this.#unread.slice(length)
    return text
  }
}

function message(head: string, body: string, trailers: string): Message {
  const [line = '', ...rest] = head.split('\r\n')
  const fields = (name: string): string[] =>
    rest
      .filter(each => each.toLowerCase().startsWith(`${name.toLowerCase()}:`))
      .map(each => each.slice(name.length + 1).trim())
  return { head, line, body, trailers, fields, field: name => fields(name)[0] }
}

/** A server whose connections are scripted one by one, in the order in which they came. */
export class Backend {
  readonly wires: Wire[] = []
  readonly #watch = new Watch()
  #given = 0

  accept(socket: Socket): void {
    this.wires.push(new Wire(socket))
    this.#watch.changed()
  }

  /** The next connection that nobody has asked for yet. */
  next(): Promise<Wire> {
    const at = this.#given++
    return this.#watch.until(`connection ${at + 1} at the container`, () => this.wires[at])
  }

  /** All bytes of all connections. */
  get total(): number {
    return this.wires.reduce((sum, wire) => sum + wire.total, 0)
  }
}

/** Connects; the connection ends with the test. */
export async function dialWire(t: Test, port: number): Promise<Wire> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
  t.teardown(() => socket.destroy())
  const wire = new Wire(socket)
  await once(socket, 'connect')
  return wire
}
