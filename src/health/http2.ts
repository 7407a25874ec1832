// One GET over HTTP/2 with prior knowledge, on a connection of its own. Always cleartext, also where the scheme is https,
// as in the Go proxy (knative.dev/pkg network/h2c.go). Loaded only where detection is on.

import { connect, type OutgoingHttpHeaders } from 'node:http2'
import { type Means, reach } from './reach.ts'
import {
  type Answer,
  compression,
  type Fields,
  type Get,
  probeAgent,
  redirects,
  type Target,
  timedOut,
  without,
} from './target.ts'
import { broken, endsOf } from './words.ts'

/** Declared fields that lose, and those that HTTP/2 does not have. */
const refused = [
  ...['host', 'user-agent', 'content-length', 'transfer-encoding'],
  ...['connection', 'proxy-connection', 'keep-alive', 'upgrade', 'http2-settings', 'te'],
]

export function http2(means: Means): Get {
  return (target, declared, until, drain) => {
    let answer: Answer = timedOut
    return reach<Answer>({ ...target, offer: ['h2'] }, until, means, {
      failed: text => text,
      late: () => answer,
      use(socket, done) {
        const ends = endsOf(socket)
        const failed = (error: unknown): void => done(typeof answer === 'string' ? broken(error, ends) : answer)
        const session = connect(`http://${target.authority}`, {
          createConnection: () => socket,
          settings: { enablePush: false },
        })
        session.on('error', failed)
        const stream = session.request(fieldsFor(target, declared), { endStream: true })
        stream.on('response', headers => {
          const head = { status: Number(headers[':status'] ?? 0), location: headers.location ?? '' }
          answer = head
          if (!drain || redirects(head)) done(head)
          else stream.resume()
        })
        stream.on('error', failed)
        stream.on('close', () => done(typeof answer === 'string' ? 'unexpected EOF' : answer))
      },
    })
  }
}

function fieldsFor(target: Target, declared: Fields): OutgoingHttpHeaders {
  const own = without(declared, refused)
  const fields = new Map<string, string[]>()
  for (const [name, value] of [['user-agent', probeAgent] as const, ...own, ...compression(own)]) {
    const lower = name.toLowerCase()
    fields.set(lower, [...(fields.get(lower) ?? []), value])
  }
  return {
    ':authority': target.authority,
    ':method': 'GET',
    ':path': target.path,
    ':scheme': target.scheme,
    // Node wants one value of a field that can have only one.
    ...Object.fromEntries([...fields].map(([name, values]) => [name, values.length === 1 ? values[0] : values])),
  }
}
