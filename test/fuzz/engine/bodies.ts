// Fuzz target: chunked bodies, whole and spoilt, in every cut.

import { Body } from '../../../src/engine/bytes/framing.ts'
import { type ReadBody, readChunks } from '../../support/http1-reader.ts'
import { mustEqual } from './finding.ts'
import { type Random, spoil } from './random.ts'
import { chunksText, fieldLines } from './texts.ts'

function decode(pieces: readonly string[]): ReadBody {
  const body = new Body()
  body.begin('chunked', 0)
  let data = ''
  let length = 0
  const result = (state: ReadBody['state']): ReadBody => ({
    state,
    data,
    trailers: [],
    length: state === 'done' ? length : 0,
  })
  for (const piece of pieces) {
    const bytes = Buffer.from(piece, 'latin1')
    let at = 0
    while (at < bytes.length && !body.done) {
      const next = body.read(bytes, at, bytes.length)
      if (next < 0) return result('bad')
      if (next === at && body.from === body.to && !body.done) throw new Error('a body that goes nowhere')
      data += bytes.toString('latin1', body.from, body.to)
      length += next - at
      at = next
    }
    if (body.done) break
  }
  if (!body.done) return result('more')
  const { trailers } = body
  const count = trailers?.count ?? 0
  const fields = Array.from(
    { length: count },
    (_, at) => [trailers?.name(at) ?? '', trailers?.value(at) ?? ''] as const,
  )
  return { ...result('done'), trailers: fields }
}

/** @returns true where a body was taken */
export function bodies(random: Random): boolean {
  const plain = random.text(random.size(4000))
  const good = chunksText(random, random.pieces(plain, 8), random.oneIn(3) ? fieldLines(random, 4) : '')
  const text = (random.oneIn(2) ? spoil(random, good) : good) + (random.oneIn(3) ? random.text(5) : '')
  const found = decode([text])
  const pieces = random.oneIn(4) ? [...text] : random.pieces(text, 12)
  mustEqual('a body does not depend on its pieces', decode(pieces), found, text)
  const wanted = readChunks(text)
  // Data that came before what was bad may have been told already, and where exactly that was found is nobody's business.
  if (wanted.state === 'bad') mustEqual('a malformed body is refused', found.state, 'bad', text)
  else if (wanted.state === 'done') mustEqual('two readers read the same body', found, wanted, text)
  else if (wanted.state === 'more') mustEqual('both need more', [found.state, found.data], ['more', wanted.data], text)
  else mustEqual('the data of a body whose trailers are not complete', found.data, wanted.data, text)
  return found.state === 'done'
}
