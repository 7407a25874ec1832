// The client of the tour, a process of its own: what an activator or ingress does that trusts the attesting CA. It gets the
// CA's certificate only after it has judged the CA's evidence, and sends requests only where a certificate below that says
// both names for which Knative's activator looks.

import { readFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { checkServerIdentity, type TLSSocket } from 'node:tls'
import { ask } from '../../cli/ca.ts'
import { loadPolicy, type Policy } from '../../config/policy.ts'
import { converse } from './conversation.ts'
import { type Found, Load } from './load.ts'

/** What one request on a connection of its own came to. */
export interface Seen extends Partial<Found> {
  /** DNS names in the certificate. */
  readonly names?: string
  /** In the subject of the certificate. */
  readonly organization?: string
  /** Why there was no answer. */
  readonly problem?: string
}

/** What came of asking the CA whom to trust. */
export interface Learned {
  readonly anchors?: number
  /** Why nothing was learned. */
  readonly problem?: string
}

const timeoutMs = 15_000

export class Client {
  readonly #port: number
  readonly #policy: Policy
  #bundle: string | undefined

  /** @param policy names the CA, and the service whose namespace is in the names */
  constructor(port: number, policy: Policy) {
    this.#port = port
    this.#policy = policy
  }

  /** Whom to trust, from a CA whose evidence was accepted. @throws Fault 'issuer-untrusted', 'issuer-unavailable' */
  async learn(): Promise<Learned> {
    const { text } = await ask(this.#policy, { now: Date.now }, { method: 'GET', path: '/v1/bundle' })
    this.#bundle = text
    return { anchors: text.split('-----BEGIN CERTIFICATE-----').length - 1 }
  }

  /** Connections that are opened by it are to who has such a certificate. It keeps one at most, or none. */
  agent(keepAlive: boolean): Agent {
    const names = [`kn-user-${this.#policy.service?.namespace}`, 'data-plane.knative.dev']
    return new Agent({
      keepAlive,
      maxSockets: 1,
      // Without a bundle nobody is trusted; where it is undefined, that would be whom Node trusts.
      ca: this.#bundle ?? [],
      minVersion: 'TLSv1.3',
      servername: names[0],
      checkServerIdentity: (_name, certificate) =>
        names.map(name => checkServerIdentity(name, certificate)).find(problem => problem !== undefined),
    })
  }

  /** One request. @param agent undefined: on a connection of its own */
  ask(agent?: Agent): Promise<Found & Seen> {
    const via = agent ?? this.agent(false)
    return new Promise<Found & Seen>((resolve, reject) => {
      let seen: Seen = {}
      const asked = request({ host: '127.0.0.1', port: this.#port, path: '/hello', agent: via, timeout: timeoutMs })
      asked.on('socket', socket => {
        if (asked.reusedSocket) return
        socket.once('secureConnect', () => {
          seen = seenOn(socket as TLSSocket)
        })
      })
      asked.on('timeout', () => asked.destroy(new Error(`no answer in ${timeoutMs} ms`)))
      asked.on('error', reject)
      asked.on('response', message => {
        message.on('error', reject)
        message.on('end', () => resolve({ status: message.statusCode ?? 0, ...seen }))
        message.resume()
      })
      asked.end()
    }).finally(() => {
      if (agent === undefined) via.destroy()
    })
  }
}

function seenOn(socket: TLSSocket): Seen {
  const { subjectaltname = '', fingerprint256, valid_to, subject } = socket.getPeerCertificate()
  const names = subjectaltname.split(', ').filter(name => name.startsWith('DNS:'))
  return {
    leaf: fingerprint256,
    notAfter: Date.parse(valid_to),
    names: names.map(name => name.slice('DNS:'.length)).join(', '),
    organization: String(subject?.O ?? ''),
  }
}

export const clientModule: string = import.meta.url

if (import.meta.main) {
  const [port, file = ''] = process.argv.slice(2)
  const client = new Client(Number(port), loadPolicy(file, path => readFileSync(path), { kind: 'later' }).policy)
  const load = new Load(client)
  await converse({
    learn: () => client.learn(),
    ask: () => client.ask(),
    begin: () => load.begin(),
    counts: () => load.counts(),
    end: () => load.end(),
  })
  await load.end()
}
