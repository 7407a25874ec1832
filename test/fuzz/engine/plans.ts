// What a conversation is to be about, made up before it begins: requests, and how the gate and the container treat each.
// Everything that belongs to a request carries its id.

import { createHash } from 'node:crypto'
import type { Random } from './random.ts'
import { chunksText } from './texts.ts'

export interface Answer {
  /** All bytes, interim answers included. */
  readonly text: string
  /** False where no client may take what it sees of this for a whole response. */
  readonly whole: boolean
  readonly status: number
  readonly body: string
  /** Sent behind the request's head, whatever becomes of its body. */
  readonly early: boolean
  /** The body is invited first. */
  readonly invites: boolean
  /** Only so many characters are sent. */
  readonly cutAt: number | undefined
  /** What becomes of the connection then. */
  readonly end: 'keep' | 'fin' | 'reset'
  /** Leaves in one piece: what stands behind the response must be there when it ends. */
  readonly atOnce: boolean
}

export interface Plan {
  readonly id: string
  readonly method: string
  readonly head: string
  /** What stands behind the head, framing included. */
  readonly payload: string
  /** What that carries. */
  readonly body: string
  /** Where it breaks the rules. */
  readonly fault: 'none' | 'head' | 'body'
  /** Its body waits for an invitation. */
  readonly patient: boolean
  /** Answered by the engine or the gate whatever the container thinks. */
  readonly unservable: boolean
  /** Nothing behind it is ever served. */
  readonly last: boolean
  readonly repeatable: boolean
  readonly tunnel: boolean
  readonly order: 'start' | 'reply' | 'wait, start' | 'wait, reply'
  /** The gate loses patience. */
  readonly interrupted: boolean
  readonly answer: Answer
}

/** Who misbehaves. */
export interface Moods {
  readonly container: boolean
  readonly client: boolean
  readonly gate: boolean
  readonly allowUnframed: boolean
  /** There are clients of HTTP/1.0, to whom an end can be the end of a body. */
  readonly old: boolean
}

/** No head may pass with one of these. */
const badFields = [
  'Content-Length: 5\r\nTransfer-Encoding: chunked',
  'Content-Length: 5\r\nContent-Length: 6',
  'Content-Length: +5',
  'Transfer-Encoding: xchunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\r\n chunked',
  'X: a\rb',
  'X: a\nY: b',
  'X: \0',
  'Host: second',
]

/** Fields that change nothing about where a message ends. */
const distractions = [
  'Connection: Content-Length',
  'Connection: Transfer-Encoding',
  'Connection: Host, X-Nothing',
  'Content_Length: 7',
  'X-Transfer-Encoding: chunked',
  'Keep-Alive: timeout=1',
  'TE: trailers',
]

const badChunks = [
  'x\r\n',
  '-1\r\n',
  '5\rabcde\r\n',
  '1\r\nabc\r\n0\r\n\r\n',
  '0\r\nHost: x\r\n\r\n',
  '1;\x01\r\na\r\n',
]

const badHeads = [
  'Content-Length: 1\r\nContent-Length: 2',
  'Content-Length: 2\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding: gzip, chunked',
  'Content-Length: 1, 1',
  'X : y\r\nContent-Length: 0',
  'X: \0\r\nContent-Length: 0',
  'X: a\nContent-Length: 0',
]

/** A body that tells whose it is wherever it is cut. */
function bodyOf(random: Random, id: string): string {
  const length = random.oneIn(6) ? random.below(200_000) : random.size(2_000)
  return `${id}.`.repeat(Math.ceil(length / (id.length + 1))).slice(0, length)
}

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')

export function makePlan(random: Random, id: string, moods: Moods): Plan {
  const tunnel = random.oneIn(12)
  const old = moods.old && !tunnel && random.oneIn(10)
  const method = tunnel ? 'GET' : random.pick(['GET', 'GET', 'GET', 'HEAD', 'POST', 'POST', 'PUT', 'DELETE', 'CONNECT'])
  const framing = tunnel || method === 'CONNECT' ? 'none' : random.pick(['none', 'length', 'chunked'] as const)
  const kept = old ? random.oneIn(2) : !random.oneIn(8)
  const fault = random.oneIn(15) ? 'head' : random.oneIn(15) && framing === 'chunked' && !old ? 'body' : 'none'
  const expects = !old && framing !== 'none' && random.oneIn(4)
  const unfulfillable = !old && !expects && !tunnel && random.oneIn(30)
  const idempotent = random.oneIn(5)
  const target = method === 'CONNECT' ? 'a:1' : random.oneIn(8) ? `http://app/${id}` : `/${id}`
  const body = framing === 'none' ? '' : bodyOf(random, id)
  const lines = [
    `${method} ${target} HTTP/1.${old ? 0 : 1}`,
    'Host: app',
    `X-Request: ${id}`,
    ...(old === kept ? [`Connection: ${kept ? 'keep-alive' : 'close'}`] : []),
    ...(expects ? ['Expect: 100-continue'] : []),
    ...(unfulfillable ? ['Expect: 200-ok'] : []),
    ...(idempotent ? ['Idempotency-Key: a'] : []),
    ...(tunnel ? ['Connection: Upgrade', 'Upgrade: websocket', `Sec-WebSocket-Key: ${key}`] : []),
    ...(framing === 'length' ? [`Content-Length: ${body.length}`] : []),
    ...(framing === 'chunked' ? ['Transfer-Encoding: chunked'] : []),
    ...(fault === 'head' ? [random.pick(badFields)] : []),
    ...(random.oneIn(10) ? [random.pick(distractions)] : []),
    ...(random.oneIn(4) ? [`X-Filler: ${'f'.repeat(random.below(3_000))}`] : []),
  ]
  const trailers = random.oneIn(4) ? `X-Trailer: ${id}\r\n` : ''
  const chunks = chunksText(random, random.pieces(body, 6), trailers)
  const payload = { none: '', length: body, chunked: chunks }[framing]
  const spoilt = fault === 'body' ? `3\r\n${id.slice(0, 3)}\r\n${random.pick(badChunks)}` : payload
  // HTTP/1.0 knows no chunks.
  const broken = fault === 'head' || (old && framing === 'chunked')
  const unservable = unfulfillable || method === 'CONNECT'
  const forced = unservable || tunnel
  return {
    id,
    method,
    head: `${lines.join('\r\n')}\r\n\r\n`,
    payload: spoilt,
    body,
    fault: broken ? 'head' : fault,
    patient: expects && random.oneIn(2),
    unservable,
    last: broken || fault === 'body' || !kept || forced,
    repeatable: framing !== 'chunked' && body === '' && (['GET', 'HEAD'].includes(method) || idempotent),
    tunnel,
    order:
      moods.gate && !forced ? random.pick(['start', 'start', 'start', 'reply', 'wait, start', 'wait, reply']) : 'start',
    interrupted: moods.gate && !forced && random.oneIn(8),
    answer: makeAnswer(random, id, method, tunnel, moods),
  }
}

function makeAnswer(random: Random, id: string, method: string, tunnel: boolean, moods: Moods): Answer {
  const early = random.oneIn(8)
  const invites = random.oneIn(2)
  const plain = { early, invites, cutAt: undefined, end: 'keep', atOnce: false } as const
  if (tunnel && !random.oneIn(4)) {
    const text = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Id: ${id}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`
    return { ...plain, text, whole: true, status: 101, body: '' }
  }
  const status = random.pick([200, 200, 200, 404, 500, 204, 304])
  const bodyless = method === 'HEAD' || status === 204 || status === 304
  const framing = bodyless
    ? random.pick(['none', 'length'] as const)
    : random.pick(['length', 'chunked', 'close'] as const)
  const body = bodyless ? '' : bodyOf(random, id)
  const closes = framing === 'close' || random.oneIn(8)
  let interims = ''
  for (let left = random.size(2); left > 0; left--)
    interims += `HTTP/1.1 ${random.pick([102, 103])} a\r\nX-Id: ${id}\r\n${random.oneIn(5) ? 'Content-Length: 9\r\n' : ''}\r\n`
  const lines = [
    `HTTP/1.${closes && framing !== 'chunked' && random.oneIn(3) ? 0 : 1} ${status} a`,
    `X-Id: ${id}`,
    ...(closes ? ['Connection: close'] : []),
    ...(framing === 'length' && status !== 204 ? [`Content-Length: ${bodyless ? random.below(50) : body.length}`] : []),
    ...(framing === 'chunked' ? ['Transfer-Encoding: chunked'] : []),
    ...(random.oneIn(2) ? ['Content-Type: text/plain'] : []),
    ...(random.oneIn(10) ? [random.pick(distractions)] : []),
  ]
  const chunks = chunksText(random, random.pieces(body, 6), random.oneIn(4) ? `X-Trailer: ${id}\r\n` : '')
  const head = `${interims}${lines.join('\r\n')}\r\n\r\n`
  const text = head + (framing === 'chunked' ? chunks : body)
  const unframed = framing === 'close' && !moods.allowUnframed
  const good: Answer = { ...plain, text, whole: !unframed, status, body, end: closes ? 'fin' : 'keep' }
  if (!moods.container || !random.oneIn(3)) return good
  const end = random.pick(['fin', 'reset'] as const)
  switch (random.below(5)) {
    case 0: {
      const cutAt = random.oneIn(3) ? 0 : random.below(text.length)
      // What is delimited by close is whole wherever it ends.
      const ended = framing === 'close' && end === 'fin' && cutAt >= head.length
      return { ...good, cutAt, end, whole: ended && good.whole, body: ended ? text.slice(head.length, cutAt) : body }
    }
    case 1:
      return { ...good, end, whole: good.whole && !(framing === 'close' && end === 'reset') }
    case 2: {
      const bad = `${interims}HTTP/1.1 200 OK\r\nX-Id: ${id}\r\n${random.pick(badHeads)}\r\n\r\nab`
      return { ...good, text: bad, whole: false }
    }
    case 3: {
      const bad = `HTTP/1.1 200 OK\r\nX-Id: ${id}\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n${random.pick(badChunks)}`
      return { ...good, text: bad, whole: method === 'HEAD', status: 200, body: '', atOnce: true }
    }
    default:
      if (framing === 'close' || text.length > 8_000) return good
      return { ...good, text: `${text}HTTP/1.1 200 OK\r\nX-Id: excess\r\nContent-Length: 0\r\n\r\n`, atOnce: true }
  }
}
