// h2spec (summerwind/h2spec) against both ports, where it is on PATH: `go install github.com/summerwind/h2spec/cmd/h2spec@latest`.
// Each case that does not pass is listed with its reason; one that passes after all is a failure of the list.

import { spawn, spawnSync } from 'node:child_process'
import { createServer } from 'node:http2'
import type { Server } from 'node:net'
import t from 'tap'
import { allLegs, startLegs } from '../support/legs.ts'
import { listen } from '../support/sockets.ts'

const late = 'nghttp2 ignores frames on a stream that has just been closed, as RFC 9113 section 5.1 lets it'
const priorities = 'priorities are gone since RFC 9113 section 5.3.2: nghttp2 does not look at them'

const exceptions: Readonly<Record<string, string>> = {
  'Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE':
    'h2spec sends less than the 1 MiB that is announced, as it does to the Go proxy',
  'closed: Sends a DATA frame after sending RST_STREAM frame': late,
  'closed: Sends a HEADERS frame after sending RST_STREAM frame': late,
  'closed: Sends a DATA frame': late,
  'closed: Sends a HEADERS frame': late,
  'Sends stream identifier that is numerically smaller than previous': late,
  'Sends PRIORITY frame that depend on itself': priorities,
  'Sends a PRIORITY frame with 0x0 stream identifier': priorities,
  'Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream':
    'the connection ends with it, not the stream alone',
  'Sends a PING frame with ACK': 'an answer to a PING that nobody sent ends the connection',
}

const plainOnly: Readonly<Record<string, string>> = {
  'Sends invalid connection preface': 'what is no preface is HTTP/1.1 on the plain port, and is told so',
}

/** h2spec's own words for the cases that failed. */
function run(port: number, secure: boolean): Promise<{ text: string; failed: string[] }> {
  const child = spawn('h2spec', ['-h', '127.0.0.1', '-p', String(port), '-o', '3', ...(secure ? ['-t', '-k'] : [])])
  let text = ''
  child.stdout.on('data', chunk => {
    text += chunk
  })
  return new Promise(resolve =>
    child.on('close', () => {
      // A case is written over its own line when it ends; the summary repeats those that failed.
      const failed = [...text.matchAll(/× \d+: ([^\n]+)/g)].map(([, name = '']) => name.trim())
      resolve({ text, failed: [...new Set(failed)] })
    }),
  )
}

const missing = spawnSync('h2spec', ['--version']).error ? 'NOT TESTED: h2spec is not on PATH' : false

for (const legs of allLegs.filter(({ attested }) => !attested)) {
  t.test(`h2spec, ${legs.name}`, { skip: missing }, async t => {
    t.setTimeout(300_000)
    const container = createServer()
    container.on('stream', stream => {
      stream.on('error', () => {})
      stream.respond({ ':status': 200, 'content-type': 'text/plain' })
      stream.end('hello')
    })
    const { port } = await startLegs(t, legs, await listen(t, container as unknown as Server))
    const { text, failed } = await run(port, legs.secure)
    const known = { ...exceptions, ...(legs.secure ? {} : plainOnly) }
    t.match(text, /\d+ tests, \d+ passed/)
    t.same(failed.sort(), Object.keys(known).sort())
  })
}
