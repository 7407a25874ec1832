// One GET over HTTP/1.1, on a connection of its own.

import { request } from 'node:http'
import { isIP, type Socket } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import { type Means, reach } from './reach.ts'
import { type Answer, compression, type Fields, type Get, probeAgent, redirects, timedOut, without } from './target.ts'
import { broken, endsOf } from './words.ts'

const maxHeaderSize = 1024 * 1024

/** Declared fields that lose: who probes whom is part of what the container may rely on, and there is no body. */
const refused = ['host', 'user-agent', 'content-length', 'transfer-encoding', 'trailer']

export function http1(means: Means): Get {
  return (target, declared, until, drain) => {
    let answer: Answer = timedOut
    return reach<Answer>(target, until, means, {
      failed: text => text,
      late: () => answer,
      use(socket, done) {
        const ends = endsOf(socket)
        const stream = target.scheme === 'https' && !means.verified ? unverified(socket, target.host) : socket
        const ask = request({
          createConnection: () => stream,
          method: 'GET',
          path: target.path,
          headers: fieldsFor(target.authority, declared).flat(),
          maxHeaderSize,
        })
        ask.on('response', message => {
          const head = { status: message.statusCode ?? 0, location: message.headers.location ?? '' }
          answer = head
          if (!drain || redirects(head)) {
            done(answer)
            return
          }
          // The head decides. The body is read all the same, so that the container sees an ordinary end.
          message.on('error', () => done(head))
          message.on('end', () => done(head))
          message.resume()
        })
        ask.on('upgrade', message => done({ status: message.statusCode ?? 0, location: '' }))
        ask.on('error', error => done(typeof answer === 'string' ? broken(error, ends) : answer))
        ask.end()
      },
    })
  }
}

function fieldsFor(authority: string, declared: Fields): Fields {
  const own = without(declared, refused)
  const closes = own.some(([name, value]) => name.toLowerCase() === 'connection' && /\bclose\b/i.test(value))
  return [
    ['Host', authority],
    ['User-Agent', probeAgent],
    ...own,
    ...compression(own),
    ...(closes ? [] : ([['Connection', 'close']] as const)),
  ]
}

/**
 * TLS without a verdict. Only where the policy says that the container is reached in plaintext: there a certificate adds
 * nothing, and those who serve HTTPS to a probe show a self-signed one. The kubelet does not look at it either. The Go
 * proxy verifies against the system's roots, so that such a container never becomes ready.
 */
function unverified(socket: Socket, host: string): TLSSocket {
  const name = isIP(host) === 0 ? { servername: host } : {}
  return tlsConnect({ socket, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'], ...name })
}
