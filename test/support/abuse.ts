// Clients that use HTTP/2 against us, as frames: what each sends on a connection of its own, again and again.

import type { Test } from 'tap'
import { block, type Framed, flag, frame, framedClient, request, type, u32 } from './frames.ts'

export interface Abuse {
  readonly name: string
  /** All that one connection brings behind its hello. */
  readonly send: (wire: Framed) => void
  /** What the hello announces. */
  readonly settings?: Buffer
}

/** More than anybody has a use for. */
const many = 20_000

const whole = flag.endHeaders | flag.endStream
const head = block(request)

/** So many times, in one piece for each thousand. */
function repeat(wire: Framed, times: number, make: (i: number) => Buffer): void {
  for (let i = 0; i < times; i += 1_000) {
    wire.send(...Array.from({ length: Math.min(1_000, times - i) }, (_, n) => make(i + n)))
  }
}

/** More than the buffers of sockets hold. */
function flood(wire: Framed, one: Buffer): void {
  const thousand = Buffer.concat(Array(1_000).fill(one))
  for (let i = 0; i < 600; i++) wire.send(thousand)
}

/** A field that is remembered once (literal with incremental indexing) and then named by one byte each. */
function bomb(): { readonly first: Buffer; readonly rest: Buffer } {
  const value = 'x'.repeat(3_900)
  const length = Buffer.of(127, ((value.length - 127) & 127) | 128, (value.length - 127) >> 7)
  const rest = Buffer.alloc(12_000, 0xbe)
  return { first: Buffer.concat([Buffer.of(0x40, 1), Buffer.from('b'), length, Buffer.from(value), rest]), rest }
}

/** SETTINGS_INITIAL_WINDOW_SIZE 0: no answer has a body until there is credit for it. */
const noWindow = Buffer.concat([Buffer.of(0, 4), u32(0)])

export const abuses = {
  reset: {
    name: 'streams that are broken off as fast as they are opened (rapid reset)',
    send: wire =>
      repeat(wire, many, i => {
        const stream = 2 * i + 1
        return Buffer.concat([frame(type.headers, whole, stream, head), frame(type.reset, 0, stream, u32(8))])
      }),
  },
  continuation: {
    name: 'a head that goes on and on (CONTINUATION flood)',
    send(wire) {
      wire.send(frame(type.headers, 0, 1, head))
      repeat(wire, many, i => frame(type.continuation, 0, 1, block({ [`x-${i}`]: 'y' })))
    },
  },
  bomb: {
    name: 'fields that grow out of few bytes (HPACK bomb)',
    send(wire) {
      const { first, rest } = bomb()
      for (let stream = 1; stream < 100; stream += 2) {
        const fields = frame(type.continuation, flag.endHeaders, stream, stream === 1 ? first : rest)
        wire.send(frame(type.headers, flag.endStream, stream, head), fields)
      }
    },
  },
  settings: {
    name: 'settings whose acknowledgements are not read',
    send(wire) {
      wire.socket.pause()
      flood(wire, frame(type.settings, 0, 0))
    },
  },
  pings: {
    name: 'pings whose answers are not read',
    send(wire) {
      wire.socket.pause()
      flood(wire, frame(type.ping, 0, 0, Buffer.alloc(8)))
    },
  },
  empty: {
    name: 'a body of nothing that does not end (empty frames)',
    send(wire) {
      wire.send(frame(type.headers, flag.endHeaders, 1, block({ ...request, ':method': 'POST' })))
      repeat(wire, many, () => frame(type.data, 0, 1))
    },
  },
  stall: {
    name: 'answers that there is no window for',
    settings: noWindow,
    send: wire =>
      repeat(wire, 250, i => frame(type.headers, whole, 2 * i + 1, block({ ...request, ':path': '/large' }))),
  },
} satisfies Record<string, Abuse>

/** One connection of it. */
export function abuse(t: Pick<Test, 'teardown'>, port: number, { send, settings }: Abuse): Framed {
  const wire = framedClient(t, port, settings)
  send(wire)
  return wire
}
