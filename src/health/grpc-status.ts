// What an answer of Health/Check means, in grpc-go's words: numbers, names, and whose HTTP status stands for which of them.
// Arguments in, text out.

import { STATUS_CODES } from 'node:http'
import { constants, type IncomingHttpHeaders } from 'node:http2'
import { systemCode } from '../base/errors.ts'
import { readHealthResponse } from './grpc-message.ts'
import { goDuration, maxTextLength, type Problem, quoted } from './words.ts'

/** Makes a problem of a status. */
export type Fail = (code: string, text: string) => Problem

/** By number. */
const codes = [
  ...['OK', 'Canceled', 'Unknown', 'InvalidArgument', 'DeadlineExceeded', 'NotFound', 'AlreadyExists'],
  ...['PermissionDenied', 'ResourceExhausted', 'FailedPrecondition', 'Aborted', 'OutOfRange', 'Unimplemented'],
  ...['Internal', 'Unavailable', 'DataLoss', 'Unauthenticated'],
] as const

const httpCodes: Readonly<Record<number, string>> = {
  400: 'Internal',
  401: 'Unauthenticated',
  403: 'PermissionDenied',
  404: 'Unimplemented',
  429: 'Unavailable',
  502: 'Unavailable',
  503: 'Unavailable',
  504: 'Unavailable',
}

/** By the number of a RST_STREAM; Internal for the others. */
const resets: Readonly<Record<number, readonly [name: string, code: string]>> = {
  [constants.NGHTTP2_NO_ERROR]: ['NO_ERROR', 'Internal'],
  [constants.NGHTTP2_PROTOCOL_ERROR]: ['PROTOCOL_ERROR', 'Internal'],
  [constants.NGHTTP2_INTERNAL_ERROR]: ['INTERNAL_ERROR', 'Internal'],
  [constants.NGHTTP2_REFUSED_STREAM]: ['REFUSED_STREAM', 'Unavailable'],
  [constants.NGHTTP2_CANCEL]: ['CANCEL', 'Canceled'],
  [constants.NGHTTP2_ENHANCE_YOUR_CALM]: ['ENHANCE_YOUR_CALM', 'ResourceExhausted'],
  [constants.NGHTTP2_INADEQUATE_SECURITY]: ['INADEQUATE_SECURITY', 'PermissionDenied'],
}

export const isGrpc = (type: string | undefined): boolean =>
  type !== undefined && /^application\/grpc($|[+;])/.test(type)

export function notGrpc(status: number, type: string | undefined, fail: Fail): Problem {
  const found =
    type === undefined
      ? 'malformed header: missing HTTP content-type'
      : `transport: received unexpected content-type ${quoted(type)}`
  const text = `unexpected HTTP status code received from server: ${status} (${STATUS_CODES[status] ?? ''}); ${found}`
  return fail(httpCodes[status] ?? 'Unknown', text)
}

export interface Answered {
  /** The whole body. */
  readonly body: Uint8Array
  /** How messages are compressed. */
  readonly encoding: string | undefined
  /** Without them the answer ended too early. */
  readonly trailers: IncomingHttpHeaders | undefined
}

export function verdict({ body, encoding = '', trailers }: Answered, fail: Fail): Problem {
  const reading = readHealthResponse(body, encoding)
  if ('code' in reading && body.length > 0) return fail(reading.code, reading.text)
  if (trailers === undefined) return fail('Internal', 'server closed the stream without sending trailers')
  const status = single(trailers['grpc-status'])
  if (status === undefined) return fail('Unknown', '')
  if (!/^[0-9]{1,9}$/.test(status)) {
    const text = `transport: malformed grpc-status: strconv.ParseInt: parsing ${quoted(status)}: invalid syntax`
    return fail('Unknown', text)
  }
  const number = Number(status)
  if (number !== 0) return fail(codes[number] ?? `Code(${number})`, messageText(single(trailers['grpc-message']) ?? ''))
  if ('code' in reading) return fail(reading.code, reading.text)
  return reading.status === 'SERVING' ? undefined : `service unhealthy (responded with "${reading.status}")`
}

const single = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value)

/** The container's own words, decoded, and short and on one line. */
function messageText(encoded: string): string {
  let text = encoded
  try {
    text = decodeURIComponent(encoded)
  } catch {
    // Not percent-encoded as it should be: shown as it came.
  }
  return text.slice(0, maxTextLength).replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, ' ')
}

export function wasReset(number: number, fail: Fail): Problem {
  const [name, code] = resets[number] ?? [String(number), 'Internal']
  return fail(code, `stream terminated by RST_STREAM with error code: ${name}`)
}

export function lossText(error: Error | undefined): string {
  return systemCode(error) === 'ECONNRESET' ? 'connection reset by peer' : 'EOF'
}

/** Why HTTP/2 did not begin. */
export function prefaceText(error: Error | undefined): string {
  const foreign =
    'http2: failed reading the frame payload: http2: frame too large, ' +
    'note that the frame header looked like an HTTP/1.1 header'
  const text = systemCode(error) === 'ERR_HTTP2_ERROR' ? foreign : lossText(error)
  return `connection error: desc = "error reading server preface: ${text}"`
}

/** At most eight digits, rounded up. */
export function grpcTimeout(ms: number): string {
  if (ms <= 0) return '0n'
  for (const [unit, perMs] of [
    ['n', 1e6],
    ['u', 1e3],
    ['m', 1],
  ] as const) {
    const count = Math.ceil(ms * perMs)
    if (count < 1e8) return `${count}${unit}`
  }
  return `${Math.ceil(ms / 1000)}S`
}

/** @param timeoutMs of the whole probe, for those that took longer */
export function failure(code: string, text: string, timeoutMs: number): string {
  const error = `rpc error: code = ${code} desc = ${text}`
  switch (code) {
    case 'Unimplemented':
      return `this server does not implement the grpc health protocol (grpc.health.v1.Health) ${error}`
    case 'DeadlineExceeded':
      return `health rpc did not complete within ${goDuration(timeoutMs)}: ${error}`
    default:
      return `health rpc probe failed: ${error}`
  }
}
