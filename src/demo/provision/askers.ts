// Those who would like a certificate of the proxy's: each asks the CA as the proxy does, by the proxy's own code, and says
// that he runs under its policy.

import { connect, type TLSSocket } from 'node:tls'
import type { QuoteSource } from '../../attest/evidence.ts'
import { systemClock } from '../../base/clock.ts'
import { describe } from '../../base/errors.ts'
import { provisionSource } from '../../identity/sources/provision.ts'
import { demoProxy, demoStranger, enclave } from '../enclaves.ts'
import { service } from './stage.ts'

export interface Asker {
  readonly name: string
  /** The rule by which he must be refused. */
  readonly rule: string
  readonly source: () => QuoteSource
  /** Of the policy that he says he runs under, 32 bytes; the proxy's where absent. */
  readonly policyDigest?: Uint8Array
}

export const askers: readonly Asker[] = [
  { name: 'an enclave with other code', rule: 'mrenclave', source: demoStranger },
  { name: 'the proxy in a debug enclave', rule: 'debug', source: () => enclave('postern demo proxy', true) },
  {
    name: 'the proxy under a policy of its own',
    rule: 'policy-set',
    source: demoProxy,
    policyDigest: new Uint8Array(32).fill(1),
  },
]

const mostTries = 5

/** @returns what the CA has said: the rules, 'a certificate', or why there is no answer */
export async function askAs(asker: Asker, port: number, proxyPolicy: Uint8Array): Promise<string> {
  const stop = new AbortController()
  let said = 'nothing'
  let tries = 0
  const source = provisionSource({
    source: asker.source(),
    role: 'proxy',
    policyDigest: asker.policyDigest ?? proxyPolicy,
    service,
    dnsNames: ['kn-user-default', 'data-plane.knative.dev'],
    clock: systemClock,
    authority: `127.0.0.1:${port}`,
    connect: () => openTo(port),
    learned: () => {},
  })
  const credentials = source.credentials(stop.signal, fault => {
    said = /status 403: (.*)$/.exec(fault.message)?.[1]?.replaceAll('"', '') ?? describe(fault)
    // Who has come too often may come again; whoever was refused has his answer.
    if (fault.code === 'issuer-refused' || ++tries === mostTries) stop.abort()
  })
  for await (const _credential of credentials) {
    said = 'a certificate'
    stop.abort()
  }
  return said
}

/** An impostor does not care whom he asks. */
function openTo(port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    socket.once('error', reject)
    socket.once('secureConnect', () => resolve(socket))
  })
}
