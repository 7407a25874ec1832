// The head that the client gets, spliced from the container's in the same way: hop-by-hop lines are left out, everything
// else is copied in runs, and framing and connection are ours to say.

import { reasonPhrase } from '../status.ts'
import type { Head } from './head.ts'
import { hopByHop, namedFields } from './named.ts'
import { field } from './names.ts'
import type { Out } from './out.ts'

const stays = new Uint8Array(64)
for (const id of hopByHop) stays[id] = 1

/** Status line, and those of the container's fields that pass. Every line is ended; the head is not. */
export function writeResponseFields(out: Out, minor: number, head: Head): void {
  writeStatusLine(out, minor, head.status)
  const named = namedFields(head)
  // A length where there can be no body is one that somebody may wait for (RFC 9110 §8.6).
  const bare = head.status < 200 || head.status === 204
  const { bytes, base } = head
  let from = -1
  for (let at = 0; at < head.count; at++) {
    const id = head.id(at)
    // Where the body ends is not for Connection to take away.
    const kept = id === field.contentLength ? !bare : stays[id] === 0 && !named?.has(head.name(at).toLowerCase())
    if (kept && from < 0) from = head.lineFrom(at)
    if (kept || from < 0) continue
    out.bytes(bytes, base + from, base + head.lineFrom(at))
    from = -1
  }
  if (from >= 0) out.bytes(bytes, base + from, base + head.linesEnd)
}

export function writeStatusLine(out: Out, minor: number, status: number): void {
  if (status === 200) out.text(minor === 0 ? 'HTTP/1.0 200 OK\r\n' : 'HTTP/1.1 200 OK\r\n')
  else out.text(`HTTP/1.${minor === 0 ? 0 : 1} ${status} ${reasonPhrase(status)}\r\n`)
}

/** Announced trailers are announced again. */
export function writeTrailerField(out: Out, head: Head): void {
  for (let at = head.find(field.trailer); at >= 0; at = head.find(field.trailer, at + 1)) {
    out.text('Trailer: ').text(head.value(at)).text('\r\n')
  }
}

/** Whether the type has to be found out from the body's first bytes, as Go's server does. */
export function wantsType(head: Head): boolean {
  return head.find(field.contentType) < 0 && head.find(field.contentEncoding) < 0
}

let dateSecond = -1
let dateLine = ''

/** `Date: …` with its line end; made once a second. @param now milliseconds since the epoch */
export function dateField(now: number): string {
  const second = Math.floor(now / 1000)
  if (second !== dateSecond) {
    dateSecond = second
    dateLine = `Date: ${new Date(now).toUTCString()}\r\n`
  }
  return dateLine
}
