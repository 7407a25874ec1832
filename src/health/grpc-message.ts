// The two messages of grpc.health.v1.Health/Check by hand (one string, one enum), in gRPC's frames: one byte that says
// compressed or not, four bytes of length.

import { gunzipSync } from 'node:zlib'
import { concat, Reader } from '../base/bytes.ts'
import { describe, Fault } from '../base/errors.ts'
import { quoted } from './words.ts'

/** A HealthCheckResponse is two bytes; whoever sends more than this is no health service. */
export const maxMessageBytes = 4096

export const frameHeadBytes = 5

export type Reading =
  | { readonly status: string }
  | { readonly code: 'Internal' | 'ResourceExhausted' | 'Unimplemented'; readonly text: string }

/** A framed HealthCheckRequest. */
export function healthRequest(service: string): Uint8Array {
  const name = new TextEncoder().encode(service)
  const message = name.length === 0 ? name : concat(Uint8Array.of(0x0a, ...varint(name.length)), name)
  const head = new Uint8Array(frameHeadBytes)
  new DataView(head.buffer).setUint32(1, message.length)
  return concat(head, message)
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}

/**
 * Reads the body of the answer: exactly one frame with one HealthCheckResponse. Complaints are grpc-go's.
 * @param encoding of compressed messages; '' where none was named
 */
export function readHealthResponse(body: Uint8Array, encoding: string): Reading {
  if (body.length === 0) {
    return internal('cardinality violation: received no response message from non-server-streaming RPC')
  }
  if (body.length < frameHeadBytes) return internal('unexpected EOF')
  const reader = new Reader(body, 'upstream-malformed')
  const format = reader.u8('format')
  if (format > 1) return internal(`grpc: received unexpected payload format ${format}`)
  const length = bigEndian(reader.take(4, 'length'))
  if (length > maxMessageBytes) {
    const text = `grpc: received message larger than max (${length} vs. ${maxMessageBytes})`
    return { code: 'ResourceExhausted', text }
  }
  if (length > reader.left) return internal('unexpected EOF')
  const payload = reader.take(length, 'message')
  if (reader.left > 0) {
    return internal('cardinality violation: expected <EOF> for non server-streaming RPCs, but received another message')
  }
  if (format === 0) return readPayload(payload)
  if (encoding === '' || encoding === 'identity') {
    return internal('grpc: compressed flag set with identity or empty encoding')
  }
  if (encoding !== 'gzip') {
    const text = `grpc: Decompressor is not installed for grpc-encoding ${quoted(encoding)}`
    return { code: 'Unimplemented', text }
  }
  try {
    return readPayload(new Uint8Array(gunzipSync(payload, { maxOutputLength: maxMessageBytes })))
  } catch (error) {
    return internal(`grpc: failed to decompress the received message: ${describe(error)}`)
  }
}

function readPayload(payload: Uint8Array): Reading {
  try {
    return { status: servingStatus(new Reader(payload, 'upstream-malformed')) }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return internal('grpc: failed to unmarshal the received message: proto: cannot parse invalid wire-format data')
  }
}

const internal = (text: string): Reading => ({ code: 'Internal', text })

const bigEndian = (bytes: Uint8Array): number => new DataView(bytes.buffer).getUint32(0)

const names = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const

/** Field 1, an enum; the last one counts, unknown fields are skipped. */
function servingStatus(message: Reader): string {
  let status = 0
  while (message.left > 0) {
    const tag = readVarint(message)
    const number = tag >> 3n
    if (number === 0n) throw malformed()
    switch (tag & 7n) {
      case 0n: {
        const value = readVarint(message)
        if (number === 1n) status = Number(BigInt.asIntN(32, value))
        break
      }
      case 1n:
        message.take(8, 'field')
        break
      case 2n:
        message.take(Number(readVarint(message)), 'field')
        break
      case 5n:
        message.take(4, 'field')
        break
      default:
        throw malformed()
    }
  }
  return names[status] ?? String(status)
}

function readVarint(reader: Reader): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    const byte = reader.u8('varint')
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  throw malformed()
}

const malformed = (): Fault => new Fault('upstream-malformed', 'no protocol buffer')
