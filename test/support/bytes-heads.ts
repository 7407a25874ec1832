// Heads as text, in and out: what the byte engine's own tests are written in. One character, one byte.

import { Head, type HeadKind } from '../../src/engine/bytes/head.ts'

export const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

/** A head that has been read whole. @throws where it cannot be */
export function readHead(kind: HeadKind, text: string): Head {
  const head = new Head(kind, 1 << 20)
  const length = head.feed(bytes(text), 0, text.length)
  if (length !== text.length) throw new Error(`not a whole head: ${length} of ${text.length}, ${head.problem}`)
  return head
}

/** @param lines fields, each as it stands */
export const requestHead = (lines: readonly string[], line = 'GET / HTTP/1.1'): Head =>
  readHead('request', [line, ...lines, '', ''].join('\r\n'))

export const responseHead = (lines: readonly string[], line = 'HTTP/1.1 200 OK'): Head =>
  readHead('response', [line, ...lines, '', ''].join('\r\n'))

/** Lines without what ends each. */
export const linesOf = (text: string): string[] => text.split('\r\n').filter(line => line !== '')
