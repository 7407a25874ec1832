// What goes wrong, in the Go proxy's words (package net, net/http, time): operators and their tools know these lines. Must
// never print an error object's own message: it can hold raw bytes of the container.

import type { Socket } from 'node:net'
import { describe, systemCode } from '../base/errors.ts'

/** Why a probe failed; undefined where it did not. */
export type Problem = string | undefined

/** A time.Duration of whole milliseconds. */
export function goDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? '0s' : `${ms}ms`
  const seconds = `${(ms / 1000) % 60}s`
  const minutes = Math.floor(ms / 60_000)
  if (minutes === 0) return seconds
  return minutes < 60 ? `${minutes}m${seconds}` : `${Math.floor(minutes / 60)}h${minutes % 60}m${seconds}`
}

/** No more than this of somebody else's text is told. */
export const maxTextLength = 1024

/** Text of somebody else between quotes, short and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.slice(0, maxTextLength).replace(/[\x7f-\x9f\u2028\u2029]/g, '?'))
}

/** net.JoinHostPort */
export function joinHostPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const texts: Readonly<Record<string, string>> = {
  EPROTO: 'http: server gave HTTP response to HTTPS client',
  HPE_INVALID_EOF_STATE: 'net/http: HTTP/1.x transport connection broken: unexpected EOF',
}

/** Both ends of a connection that is open, in the words of what breaks on it; a closed socket no longer knows them. */
export function endsOf({ localAddress, localPort, remoteAddress, remotePort }: Socket): string {
  if (localAddress === undefined || remoteAddress === undefined) return 'tcp'
  return `tcp ${joinHostPort(localAddress, localPort ?? 0)}->${joinHostPort(remoteAddress, remotePort ?? 0)}`
}

/** What became of a connection that was open between `ends`. */
export function broken(error: unknown, ends: string): string {
  const code = systemCode(error)
  if (code === undefined) return describe(error)
  // Node calls the plain end of a connection ECONNRESET as well, but only the kernel's word has a system call.
  const kernel = typeof error === 'object' && error !== null && 'syscall' in error
  if (code === 'ECONNRESET') return kernel ? `read ${ends}: read: connection reset by peer` : 'EOF'
  if (code === 'EPIPE') return `write ${ends}: write: broken pipe`
  if (texts[code] !== undefined) return texts[code]
  if (code.startsWith('HPE_')) {
    return `net/http: HTTP/1.x transport connection broken: malformed HTTP response (${code})`
  }
  return code
}
