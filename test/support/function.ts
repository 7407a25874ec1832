// A function that presents evidence, and those who call it.

import { once } from 'node:events'
import type { AddressInfo, Server as NetServer } from 'node:net'
import { type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Test } from 'tap'
import type { Role } from '../../src/attest/bind.ts'
import {
  challengePath,
  channelContext,
  exporterBytes,
  exporterLabel,
  writeChallenge,
} from '../../src/attest/challenge.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { systemClock } from '../../src/base/clock.ts'
import { demoProxy } from '../../src/demo/enclaves.ts'
import { synthetic, syntheticProxy } from '../../src/demo/synthetic.ts'
import { type Attestation, attestIn, type Surroundings } from '../../src/function/attest.ts'
import type { AttestOptions, FunctionEvent } from '../../src/function/options.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { makeRatlsCredential } from '../../src/identity/sources/self-signed.ts'

export const clients = { enclaves: [syntheticProxy] }

/** Evidence of the demo's function; closed with the test. */
export async function attested(
  t: Test,
  options: Partial<AttestOptions> = {},
  surroundings: Surroundings = {},
): Promise<Attestation & { readonly events: FunctionEvent[] }> {
  const events: FunctionEvent[] = []
  const report = (event: FunctionEvent): void => void events.push(event)
  const attestation = await attestIn(surroundings, { clients, dangerSynthetic: synthetic(), report, ...options })
  t.teardown(() => attestation.close())
  return { ...attestation, events }
}

/** Until the test is over. @returns the port */
export async function serving(t: Test, server: NetServer, port = 0): Promise<number> {
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.close()
    if ('closeAllConnections' in server) (server.closeAllConnections as () => void)()
  })
  return (server.address() as AddressInfo).port
}

export interface Caller {
  readonly source?: QuoteSource
  readonly role?: Role
  readonly service?: string
  readonly policyDigest?: Uint8Array
  readonly at?: () => number
}

/** What a caller shows; a proxy's where nothing else is said. */
export function callerCredential(caller: Caller = {}): Promise<Credential> {
  return makeRatlsCredential({
    source: caller.source ?? demoProxy(),
    role: caller.role ?? 'proxy',
    policyDigest: caller.policyDigest ?? new Uint8Array(32),
    service: caller.service,
    dnsNames: [],
    lifetimeMs: 3_600_000,
    clock: { ...systemClock, now: caller.at ?? (() => Date.now()) },
  })
}

/** A connection with this certificate, its handshake over on this side; closed with the test. */
export async function dialled(
  t: Test,
  port: number,
  credential: Credential | undefined,
  more: { readonly ALPNProtocols?: string[]; readonly maxVersion?: 'TLSv1.2'; readonly session?: Buffer } = {},
): Promise<TLSSocket> {
  const options = { port, host: '127.0.0.1', rejectUnauthorized: false, ...more }
  const socket = credential ? withKeyPem(credential, pem => tlsConnect({ ...options, ...pem })) : tlsConnect(options)
  t.teardown(() => socket.destroy())
  socket.on('error', () => {})
  await new Promise(resolve => {
    socket.once('secureConnect', resolve)
    socket.once('close', resolve)
  })
  return socket
}

/** Everything until the other side ends. */
export async function saidTo(socket: TLSSocket, text: string | Uint8Array): Promise<string> {
  let heard = ''
  socket.on('data', (chunk: Buffer) => {
    heard += chunk.toString('latin1')
  })
  if (!socket.destroyed) {
    socket.write(text)
    await new Promise(resolve => socket.once('close', resolve))
  }
  return heard
}

export const get = 'GET / HTTP/1.1\r\nHost: f\r\nConnection: close\r\n\r\n'

/** A challenge as one request, and what has to be in its answer. */
export function challengeOn(socket: TLSSocket, leaf: Uint8Array, nonce = new Uint8Array(32).fill(5)) {
  const body = writeChallenge(nonce)
  const channel = socket.exportKeyingMaterial(exporterBytes, exporterLabel, channelContext(nonce, leaf))
  return { request: posted(body), body, asked: { leaf, channel } }
}

export function posted(body: Uint8Array, fields = 'Connection: close\r\n', method = 'POST'): Buffer {
  const head = `${method} ${challengePath} HTTP/1.1\r\nHost: f\r\nContent-Length: ${body.length}\r\n${fields}\r\n`
  return Buffer.concat([Buffer.from(head), body])
}

/** The certificate that the function shows on this connection. */
export function leafOf(socket: TLSSocket): Uint8Array {
  return new Uint8Array(socket.getPeerCertificate().raw)
}
