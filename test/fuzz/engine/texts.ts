// Requests and responses to begin with, whole and spoilt.

import { readCorpus } from '../../support/corpus.ts'
import type { Kind } from '../../support/http1-reader.ts'
import { type Random, spoil } from './random.ts'

/** Published attacks, to be spoilt further. */
const corpus = {
  request: readCorpus('request').map(({ raw }) => raw),
  response: readCorpus('response').map(({ raw }) => raw),
}
/** One of them, but for what is long without saying more. */
const fromCorpus = (random: Random, kind: 'request' | 'response'): string => random.pick(corpus[kind]).slice(0, 500)

const names = [
  'Host',
  'Content-Length',
  'Transfer-Encoding',
  'Connection',
  'Expect',
  'Upgrade',
  'Trailer',
  'TE',
  'X-Forwarded-For',
  'Content_Length',
  'Transfer-Encodin',
  'X',
  '!#$%&',
  'Content-Type',
  'Date',
]
const values = [
  'app',
  '5',
  '0',
  '005',
  '+5',
  '5, 5',
  '0x5',
  'chunked',
  'CHUNKED',
  'xchunked',
  'gzip, chunked',
  'chunked, chunked',
  '"chunked"',
  'close',
  'keep-alive, X',
  '100-continue',
  'websocket',
  'X-Sum',
  'trailers',
  '',
  'a\tb',
  '\xe9\xff',
  'x'.repeat(300),
]
const methods = ['GET', 'POST', 'HEAD', 'PUT', 'OPTIONS', 'PROPFIND', 'get', 'G', 'PRI']
const targets = [
  '/',
  '/a?b',
  '/a/../b',
  '*',
  'http://h/x',
  'http://u@h:1/x',
  'app:1',
  '/\xc3\xa9',
  '//x',
  '/a%2fb',
  '/#f',
]
const versions = ['1.1', '1.1', '1.1', '1.0', '1.2', '2.0', '0.9']
const gaps = ['', ' ', ' ', ' ', '  ', '\t', ' \t ']

const anyCase = (random: Random, name: string): string =>
  random.oneIn(3) ? [...name].map(each => (random.oneIn(2) ? each.toLowerCase() : each.toUpperCase())).join('') : name

export function fieldLines(random: Random, most: number): string {
  let lines = ''
  for (let left = random.below(most + 1); left > 0; left--) {
    const value = random.oneIn(8) ? random.text(random.below(10)) : random.pick(values)
    lines += `${anyCase(random, random.pick(names))}:${random.pick(gaps)}${value}${random.pick(gaps)}\r\n`
  }
  return lines
}

/** A head; mostly good, sometimes spoilt, sometimes with something behind it. */
export function headText(random: Random, kind: Kind): string {
  if (kind !== 'trailers' && random.oneIn(5)) return spoil(random, fromCorpus(random, kind))
  const version = random.pick(versions)
  const first = {
    request: `${random.pick(methods)} ${random.pick(targets)} HTTP/${version}\r\n`,
    response: `HTTP/${version} ${random.pick(['200', '204', '100', '101', '304', '999', '099'])}${random.pick([' OK', ' ', '', ' Not \xe9'])}\r\n`,
    trailers: '',
  }[kind]
  const good = `${first}${fieldLines(random, random.oneIn(20) ? 60 : 6)}\r\n`
  const text = random.oneIn(2) ? spoil(random, good) : good
  return random.oneIn(3) ? text + random.text(random.below(20)) : text
}

const extensions = ['', '', '', ';a', ';a=b', ' ;a="b c"', ';a="\\"\\\\"', ' ', ';\xe9', ';']

/** A chunked body of these pieces, ended. */
export function chunksText(random: Random, pieces: readonly string[], trailers = ''): string {
  let text = ''
  for (const piece of pieces) {
    const size = anyCase(random, piece.length.toString(16))
    text += `${random.oneIn(4) ? '0'.repeat(random.below(4)) : ''}${size}${random.pick(extensions)}\r\n${piece}\r\n`
  }
  return `${text}${random.pick(['0', '0', '000', '0;x'])}\r\n${trailers}\r\n`
}

/** A whole request with a body as often as not, that somebody may read. */
export function requestText(random: Random): string {
  if (random.oneIn(6)) return fromCorpus(random, 'request')
  const body = random.text(random.size(200))
  const framing = random.below(3)
  const fields = `Host: app\r\n${random.oneIn(4) ? fieldLines(random, 3) : ''}`
  const line = `${random.pick(['GET', 'POST', 'PUT', 'HEAD'])} ${random.oneIn(4) ? random.pick(targets) : '/a'} HTTP/1.1\r\n`
  if (framing === 0) return `${line}${fields}\r\n`
  if (framing === 1) return `${line}${fields}Content-Length: ${body.length}\r\n\r\n${body}`
  const trailers = random.oneIn(3) ? fieldLines(random, 2) : ''
  return `${line}${fields}Transfer-Encoding: chunked\r\n\r\n${chunksText(random, random.pieces(body, 5), trailers)}`
}

/** A whole response, interim ones before it as the case may be. */
export function responseText(random: Random): string {
  if (random.oneIn(6)) return fromCorpus(random, 'response')
  const body = random.text(random.size(200))
  const interim = random.oneIn(5) ? `HTTP/1.1 103 Early Hints\r\n${fieldLines(random, 2)}\r\n` : ''
  const line = `${interim}HTTP/1.${random.oneIn(6) ? 0 : 1} ${random.pick([200, 204, 304, 404, 599])} a\r\n`
  const fields = random.oneIn(4) ? fieldLines(random, 3) : ''
  const framing = random.below(3)
  if (framing === 0) return `${line}${fields}\r\n${body}`
  if (framing === 1) return `${line}${fields}Content-Length: ${body.length}\r\n\r\n${body}`
  const trailers = random.oneIn(3) ? fieldLines(random, 2) : ''
  return `${line}${fields}Transfer-Encoding: chunked\r\n\r\n${chunksText(random, random.pieces(body, 5), trailers)}`
}
