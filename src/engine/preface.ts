// The first bytes of HTTP/2 on a connection that began as something else: the preface (RFC 9113 §3.4), which any client
// with prior knowledge sends, and a request of HTTP/1.1 that asks to go on as HTTP/2 (`Upgrade: h2c`, RFC 7540 §3.2).
// Bytes in, bytes out: such a request is written as the HEADERS frame of stream 1 that it is meant to be, so that whoever
// speaks HTTP/2 finds it as if it had been sent so, and the gate decides about it like any other.

import { firstValue, responseFields, tokens, values } from './rewrite.ts'

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** As much of the preface as looks like a head of HTTP/1.1. */
const headBytes = 18

/**
 * Are these the first bytes of HTTP/2?
 * @returns 'more' where they are as far as they go; 'broken' where they begin as no other protocol does, and are not
 */
export function matchPreface(bytes: Uint8Array, from: number, to: number): 'yes' | 'no' | 'more' | 'broken' {
  const length = Math.min(to - from, preface.length)
  for (let i = 0; i < length; i++) {
    if (bytes[from + i] !== preface[i]) return i < headBytes ? 'no' : 'broken'
  }
  return length === preface.length ? 'yes' : 'more'
}

/** Largest SETTINGS that is looked at: nobody has more than a few. */
const maxSettings = 1_024

/**
 * Where the client's preface ends, its SETTINGS included.
 * @returns 0 where more must come, -1 where this is no HTTP/2
 */
export function prefaceEnd(bytes: Uint8Array, from: number, to: number): number {
  const match = matchPreface(bytes, from, to)
  if (match === 'no' || match === 'broken') return -1
  const at = from + preface.length
  if (match === 'more' || to < at + 9) return 0
  const [high = 0, middle = 0, low = 0, type = 0] = bytes.subarray(at, at + 4)
  const length = (high << 16) | (middle << 8) | low
  if (type !== 4 || length > maxSettings) return -1
  const end = at + 9 + length
  return end <= to ? end : 0
}

export interface Upgrading {
  readonly method: string
  /** As the container gets it. */
  readonly path: string
  readonly authority: string | undefined
  /** Name, value, name, value, … */
  readonly fields: readonly string[]
}

/** Does this request ask to go on as HTTP/2, in the way that RFC 7540 §3.2 says? Its body, if any, is not looked at. */
export function asksForHttp2(fields: readonly string[]): boolean {
  const options = tokens(fields, 'connection')
  if (!options.includes('upgrade') || !options.includes('http2-settings')) return false
  const [settings, second] = values(fields, 'http2-settings')
  if (settings === undefined || second !== undefined || !/^[A-Za-z0-9_-]*$/.test(settings)) return false
  return tokens(fields, 'upgrade').includes('h2c') && Buffer.from(settings, 'base64url').length % 6 === 0
}

export const switching = Buffer.from('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n')

const frameHead = 9
/** Largest payload that anybody has to take (RFC 9113 §4.2). */
const maxPayload = 16_384

/** The request as the first frames of stream 1: literal fields (RFC 7541 §6.2.2), and nothing behind them. */
export function firstStream({ method, path, authority, fields }: Upgrading): Buffer {
  const literals: Buffer[] = []
  const add = (name: string, value: string): void => {
    literals.push(Buffer.of(0), literal(name.toLowerCase()), literal(value))
  }
  add(':method', method)
  add(':scheme', 'http')
  add(':path', path)
  add(':authority', authority ?? firstValue(fields, 'host') ?? '')
  const kept = responseFields(fields)
  for (let i = 0; i + 1 < kept.length; i += 2) {
    const lower = (kept[i] ?? '').toLowerCase()
    if (lower !== 'host' && lower !== 'http2-settings') add(lower, kept[i + 1] ?? '')
  }
  if (tokens(fields, 'te').includes('trailers')) add('te', 'trailers')
  return framed(Buffer.concat(literals))
}

/** A string of HPACK without Huffman coding: its length as an integer with a prefix of seven bits, then its bytes. */
function literal(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes])
  const length = [127]
  let rest = bytes.length - 127
  for (; rest >= 128; rest >>>= 7) length.push((rest & 127) | 128)
  return Buffer.concat([Buffer.from([...length, rest]), bytes])
}

/** HEADERS with END_STREAM, and as many CONTINUATION as it takes. */
function framed(block: Buffer): Buffer {
  const frames: Buffer[] = []
  for (let at = 0; at === 0 || at < block.length; at += maxPayload) {
    const part = block.subarray(at, at + maxPayload)
    const last = at + maxPayload >= block.length
    const head = Buffer.alloc(frameHead)
    head.writeUIntBE(part.length, 0, 3)
    head[3] = at === 0 ? 1 : 9
    head[4] = (at === 0 ? 1 : 0) | (last ? 4 : 0)
    head[8] = 1
    frames.push(head, part)
  }
  return Buffer.concat(frames)
}
