// What finding the runs of a body costs, by length and in chunks of several sizes: a call for each run, as the engine
// makes it.
// node bench/micro/engine/bytes/framing.ts [--json]

import { Body, type Framing } from '../../../../src/engine/bytes/framing.ts'
import { time } from '../../harness.ts'

const bodyBytes = 64 * 1024

function chunked(size: number): Buffer {
  const parts: string[] = []
  for (let left = bodyBytes; left > 0; left -= size) {
    const length = Math.min(size, left)
    parts.push(`${length.toString(16)}\r\n${'x'.repeat(length)}\r\n`)
  }
  return Buffer.from(`${parts.join('')}0\r\n\r\n`, 'latin1')
}

const body = new Body()

function walk(framing: Framing, bytes: Buffer): number {
  body.begin(framing, bytes.length)
  let found = 0
  for (let at = 0; at < bytes.length && !body.done; ) {
    const next = body.read(bytes, at, bytes.length)
    if (next < 0) throw new Error('the framing is broken')
    found += body.to - body.from
    at = next
  }
  if (found !== bodyBytes) throw new Error(`want ${bodyBytes} bytes, found ${found}`)
  return found
}

const whole = Buffer.alloc(bodyBytes, 'x')
const sizes = [16, 1_024, 16_384]

time([
  { name: '64 KiB by length', run: () => walk('length', whole) },
  ...sizes.map(size => {
    const bytes = chunked(size)
    return { name: `64 KiB in chunks of ${size}`, run: () => walk('chunked', bytes) }
  }),
])
