// Fuzz target: heads of requests, responses and trailers. What is read of one must not depend on how it was cut, and must
// be what the reference reads.

import { Head } from '../../../src/engine/bytes/head.ts'
import { type Kind, readHead } from '../../support/http1-reader.ts'
import { must, mustEqual } from './finding.ts'
import type { Random } from './random.ts'
import { headText } from './texts.ts'

/** What was read; else what the parser says: more is needed, or why it gave up. */
type Outcome = { first: string[]; fields: [string, string][]; length: number } | 'more' | Head['problem']

function outcome(head: Head, kind: Kind, length: number): Outcome {
  if (length < 0) return head.problem
  if (length === 0) return 'more'
  const version = `${head.major}.${head.minor}`
  const first = {
    request: () => [head.slice(0, head.methodEnd), head.slice(head.methodEnd + 1, head.targetEnd), version],
    response: () => [String(head.status).padStart(3, '0'), version],
    trailers: () => [],
  }[kind]()
  const fields = Array.from({ length: head.count }, (_, at): [string, string] => [head.name(at), head.value(at)])
  return { first, fields, length }
}

function whole(kind: Kind, max: number, text: string): Outcome {
  const head = new Head(kind, max)
  return outcome(head, kind, head.feed(Buffer.from(text, 'latin1'), 0, text.length))
}

/** The same in pieces, each in other memory and at another place, with a parser that has read something before. */
function cut(random: Random, kind: Kind, max: number, text: string): Outcome {
  const head = new Head(kind, max)
  if (random.oneIn(2)) {
    const earlier = Buffer.from(headText(random, kind), 'latin1')
    head.feed(earlier, 0, earlier.length)
    head.reset()
  }
  let read = 0
  for (const piece of random.oneIn(4) ? [...text] : random.pieces(text, 12)) {
    read += piece.length
    const before = random.below(10)
    const room = Buffer.alloc(before + read + random.below(10), random.pick(['\n', '\r', 'x']))
    room.write(text.slice(0, read), before, 'latin1')
    const length = head.feed(room, before, before + read)
    if (length === 0) continue
    if (length > 0 && random.oneIn(2)) {
      head.own(length)
      room.fill(0)
    }
    return outcome(head, kind, length)
  }
  return 'more'
}

/** @returns true where a head was taken */
export function heads(random: Random): boolean {
  const kind = random.pick(['request', 'request', 'response', 'trailers'] as const)
  const text = headText(random, kind)
  const max = random.oneIn(10) ? 1 + random.below(200) : 1 << 16
  const found = whole(kind, max, text)
  mustEqual('a head does not depend on its pieces', cut(random, kind, max, text), found, text)
  const wanted = readHead(kind, text)
  if (typeof found === 'object') mustEqual('two readers read the same head', found, wanted, text)
  else if (found === 'more') must('the reference needs more too', !wanted && text.length < max, text)
  else must('what the reference takes is taken', !wanted || wanted.length > max, text)
  return typeof found === 'object'
}
