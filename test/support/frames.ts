// HTTP/2 by hand, for what no well-behaved library sends: frames (RFC 9113 §4.1) and the simplest fields (RFC 7541 §6.2.2).

import { connect, createServer, type ServerOpts, type Socket } from 'node:net'
import type { Test } from 'tap'
import { listen } from './sockets.ts'

export const type = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  window: 8,
  continuation: 9,
} as const

export const flag = { endStream: 1, ack: 1, endHeaders: 4 } as const

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')

export function frame(kind: number, flags: number, stream: number, payload: Buffer = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = kind
  head[4] = flags
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

export const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

/** Fields as literals that nobody remembers; strings of fewer than 127 bytes. */
export function block(fields: Readonly<Record<string, string>> | readonly (readonly [string, string])[]): Buffer {
  const pairs = Array.isArray(fields) ? fields : Object.entries(fields)
  return Buffer.concat(pairs.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)] as Buffer[]))
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([Buffer.of(bytes.length), bytes])
}

export const request = { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'app' } as const

export interface Frame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
}

/** One end of a connection that speaks frames. */
export class Framed {
  readonly socket: Socket
  readonly frames: Frame[] = []
  closed = false
  #rest = Buffer.alloc(0)
  #skip: number

  /** @param skip bytes before the first frame */
  constructor(socket: Socket, skip = 0) {
    this.socket = socket
    this.#skip = skip
    socket.on('data', (chunk: Buffer) => this.#read(chunk))
    socket.on('error', () => {})
    socket.on('close', () => {
      this.closed = true
    })
  }

  send(...frames: readonly Buffer[]): this {
    if (!this.socket.destroyed) this.socket.write(Buffer.concat(frames))
    return this
  }

  /** Frames of one kind that have come. */
  of(kind: number): Frame[] {
    return this.frames.filter(each => each.type === kind)
  }

  /** Error code of the GOAWAY that came, if one has. */
  get goodbye(): number | undefined {
    return this.of(type.goaway).at(-1)?.payload.readUInt32BE(4)
  }

  /** Error codes of resets. */
  get resets(): number[] {
    return this.of(type.reset).map(each => each.payload.readUInt32BE(0))
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    if (this.#skip > 0) {
      if (this.#rest.length < this.#skip) return
      this.#rest = this.#rest.subarray(this.#skip)
      this.#skip = 0
    }
    while (this.#rest.length >= 9) {
      const end = 9 + this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < end) return
      this.frames.push({
        type: this.#rest[3] ?? 0,
        flags: this.#rest[4] ?? 0,
        stream: this.#rest.readUInt32BE(5),
        payload: this.#rest.subarray(9, end),
      })
      this.#rest = this.#rest.subarray(end)
    }
  }
}

/** Connects and says hello as a client of HTTP/2. */
export function framedClient(t: Pick<Test, 'teardown'>, port: number, settings: Buffer = Buffer.alloc(0)): Framed {
  const socket = connect(port, '127.0.0.1')
  t.teardown(() => socket.destroy())
  return new Framed(socket).send(preface, frame(type.settings, 0, 0, settings))
}

/** A container that says hello and then does with each stream's first fields as told. Resolves to its port. */
export function framedContainer(
  t: Test,
  serve: (wire: Framed, stream: number) => void,
  options: ServerOpts = {},
): Promise<number> {
  const server = createServer(options, socket => {
    const wire = new Framed(socket, preface.length)
    wire.send(frame(type.settings, 0, 0))
    let seen = 0
    socket.on('data', () => {
      for (; seen < wire.frames.length; seen++) {
        const { type: kind, stream } = wire.frames[seen] as Frame
        if (kind === type.headers) serve(wire, stream)
      }
    })
  })
  return listen(t, server)
}
