// What stands behind the proxy in the demo: a small HTTPS function that shows an RA-TLS certificate, or one of those who
// would like to be taken for it. Each counts the request bytes that it gets to see.

import { createServer, type Server } from 'node:http'
import { createServer as createNetServer, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { bindClaims, encodeClaims, type Role } from '../attest/bind.ts'
import type { QuoteSource } from '../attest/evidence.ts'
import { evidenceExtensions } from '../attest/ratls.ts'
import { systemClock } from '../base/clock.ts'
import { type Credential, toCredential, withKeyPem } from '../identity/credential.ts'
import { makeRatlsCredential, syntheticMark } from '../identity/sources/self-signed.ts'
import { generateKey, selfSigned } from '../identity/x509.ts'
import { demoDebugFunction, demoFunction, demoStranger } from './enclaves.ts'

const hourMs = 3_600_000
const tlsHandshakeRecord = 22
const noDigest = new Uint8Array(32)

export interface Container {
  /** Bytes that came after the handshake: what a request would consist of. */
  readonly requestBytes: () => number
  readonly requests: () => number
  /** Lets go whoever waits for `/held`, and whoever comes later. */
  release(): void
  close(): Promise<void>
}

/** An RA-TLS credential of a demo enclave. */
export function demoCredential(source: QuoteSource, role: Role = 'workload'): Promise<Credential> {
  return makeRatlsCredential({
    source,
    role,
    policyDigest: noDigest,
    service: undefined,
    dnsNames: ['localhost'],
    lifetimeMs: hourMs,
    clock: systemClock,
  })
}

/** A certificate like any other, with no evidence in it, or with evidence for somebody else's key. */
async function bareCredential(borrowed: QuoteSource | undefined): Promise<Credential> {
  const key = generateKey()
  const now = Date.now()
  const certificate = await selfSigned({
    key,
    subject: { commonName: 'postern demo impostor', organization: syntheticMark },
    dnsNames: ['localhost'],
    notBefore: now - hourMs,
    notAfter: now + hourMs,
    extensions: borrowed ? await borrowedEvidence(borrowed) : [],
  })
  return toCredential([certificate], key.privateKey, 'enclave')
}

/** Genuine evidence, but for a key that the one who shows it does not have. */
async function borrowedEvidence(source: QuoteSource): Promise<ReturnType<typeof evidenceExtensions>> {
  const spki = generateKey().publicKey.export({ type: 'spki', format: 'der' })
  const claims = encodeClaims({ spki, use: 'tls', role: 'workload', policyDigest: noDigest, service: undefined })
  return evidenceExtensions({ quote: await source.quote(bindClaims(claims)), claims }, undefined)
}

export interface Impostor {
  readonly name: string
  /** The rule by which it must be refused. */
  readonly rule: string
  /** Undefined: speaks no TLS at all. */
  readonly credential: (() => Promise<Credential>) | undefined
}

/** Those who would like to be the container, and the rule that must stop each. */
export const impostors: readonly Impostor[] = [
  { name: 'a plain HTTP server', rule: 'handshake', credential: undefined },
  {
    name: 'an ordinary self-signed certificate',
    rule: 'evidence-missing',
    credential: () => bareCredential(undefined),
  },
  {
    name: "the function's evidence with another key",
    rule: 'evidence-unbound',
    credential: () => bareCredential(demoFunction()),
  },
  { name: 'an enclave with other code', rule: 'mrenclave', credential: () => demoCredential(demoStranger()) },
  { name: 'the function in a debug enclave', rule: 'debug', credential: () => demoCredential(demoDebugFunction()) },
  { name: 'another proxy', rule: 'role-proxy', credential: () => demoCredential(demoFunction(), 'proxy') },
]

/**
 * The function: `GET /` answers at once, `/slow` after 300 ms, `/held` when released. `credential` undefined makes it a plain HTTP server.
 * @throws what listen() does, where the port is taken
 */
export async function startContainer(port: number, credential: Credential | undefined): Promise<Container> {
  const sockets = new Set<Socket>()
  let requestBytes = 0
  let requests = 0
  const { promise: released, resolve: release } = Promise.withResolvers<void>()
  const app: Server = createServer({ keepAliveTimeout: 0 }, (message, response) => {
    requests++
    message.resume()
    const answer = (): void => {
      response.setHeader('Content-Type', 'text/plain; charset=utf-8')
      response.end(`hello from the function; you asked for ${message.method} ${message.url}\n`)
    }
    if (message.url?.startsWith('/held')) released.then(answer)
    else setTimeout(answer, message.url?.startsWith('/slow') ? 300 : 0)
  })
  const serve = (socket: Socket): void => {
    socket.on('error', () => {})
    app.emit('connection', socket)
    // Only a listener added after node:http took the socket gets to see bytes: before, its parser reads below the stream.
    let greeting: boolean | undefined
    socket.on('data', (chunk: Buffer) => {
      // What comes to a plain server as a TLS record is the proxy's greeting and no part of a request.
      greeting ??= !credential && chunk[0] === tlsHandshakeRecord
      if (!greeting) requestBytes += chunk.length
    })
  }
  const server = credential
    ? withKeyPem(credential, pem => createTlsServer({ ...pem, minVersion: 'TLSv1.3' }, serve))
    : createNetServer(serve)
  server.on('tlsClientError', () => {})
  server.on('connection', socket => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, '127.0.0.1', resolve)
  })
  return {
    requestBytes: () => requestBytes,
    requests: () => requests,
    release,
    close() {
      for (const socket of sockets) socket.destroy()
      return new Promise(resolve => server.close(() => resolve()))
    },
  }
}
