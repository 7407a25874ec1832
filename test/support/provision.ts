// An attesting CA and those who want something of it, in one process: enclaves that do not exist, connections that do.

import { createHash } from 'node:crypto'
import type { IncomingHttpHeaders } from 'node:http'
import { request } from 'node:https'
import type { TLSSocket } from 'node:tls'
import type { OwnClaims } from '../../src/attest/bind.ts'
import { exporterBytes, exporterLabel } from '../../src/attest/challenge.ts'
import { makeRequestEvidence, requestContext } from '../../src/attest/csr.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { toHex } from '../../src/base/bytes.ts'
import { systemClock } from '../../src/base/clock.ts'
import { type ProvisionOptions, readProvisionOptions } from '../../src/config/provision.ts'
import { measurement, syntheticRootPem } from '../../src/demo/tee.ts'
import { certificatesPath, messageType, writeQuestion } from '../../src/identity/issuance.ts'
import { certificateRequest, generateKey, type KeyPair } from '../../src/identity/x509.ts'
import { type Statement, statementType } from '../../src/provision/lock.ts'
import { type ProvisionRole, type RunningProvision, startProvision } from '../../src/provision/provision.ts'
import { makeTee, mrenclave, spkiOf } from './evidence.ts'
import { ed25519Key, headerOf, type SigningKey, tokenOf } from './signed.ts'

export const service = 'spiffe://c1.example.org/ns/shop/svc/cart'
export const policyDigest = new Uint8Array(32).fill(9)
export const caMrenclave = measurement('provision')
export const caTee = (): QuoteSource => makeTee({ mrenclave: caMrenclave })
export const operator: SigningKey = ed25519Key()

export const document = (more: object = {}): string =>
  JSON.stringify({
    version: 1,
    name: 'demo',
    trustDomain: 'c1.example.org',
    operators: [{ kid: 'ops-1', jwk: operator.jwk }],
    peers: { app: { enclaves: [{ mrenclave: toHex(mrenclave) }] } },
    dangerSyntheticRoot: syntheticRootPem,
    ...more,
  })

export const makeOptions = (more: object = {}): ProvisionOptions =>
  readProvisionOptions(Buffer.from(document(more)), 'test')

export const policySet = (more: object = {}): string =>
  JSON.stringify({
    version: 1,
    serial: 3,
    policies: ['proxy', 'workload'].map(role => ({
      digest: toHex(policyDigest),
      role,
      service,
      accept: 'app',
      serial: 17,
    })),
    ...more,
  })

export const revocationSet = (more: object = {}): string => JSON.stringify({ version: 1, serial: 3, ...more })

/** A statement, each part of which can lie. */
export const sign = (
  said: Partial<Statement> | object,
  key = operator,
  kid = 'ops-1',
  typ: string = statementType,
): string => tokenOf(key, headerOf(key, kid, { typ }), JSON.stringify(said))

export interface Asked {
  readonly key: KeyPair
  readonly request: Uint8Array
}

export async function makeAsked(dnsNames: readonly string[] = []): Promise<Asked> {
  const key = generateKey()
  const request = await certificateRequest({ key, subject: { commonName: 'me' }, dnsNames, uris: [], extensions: [] })
  return { key, request }
}

export type Exported = (bytes: number, label: string, context: Buffer) => Buffer

/** A question as an honest enclave asks it, but for what is said otherwise. */
export async function ask(
  { key, request }: Asked,
  exported: Exported,
  own: Partial<OwnClaims> = {},
  tee: QuoteSource = makeTee(),
): Promise<Uint8Array> {
  const channel = new Uint8Array(exported(exporterBytes, exporterLabel, requestContext(request)))
  const evidence = await makeRequestEvidence(tee, {
    spki: spkiOf(key),
    role: 'proxy',
    policyDigest,
    service,
    channels: [channel],
    ...(own as object),
  })
  return writeQuestion({ request, evidence })
}

export interface Said {
  readonly status: number
  readonly body: Buffer
  readonly type: string
  readonly headers: IncomingHttpHeaders
}

export interface Call {
  readonly method?: string
  readonly path?: string
  readonly type?: string
  /** Gives the body when the handshake is done. */
  readonly body?: Uint8Array | string | ((exported: Exported, socket: TLSSocket) => Promise<Uint8Array>)
  readonly headers?: Record<string, string>
}

/** One request on a connection of its own. */
export function call(
  port: number,
  { method = 'POST', path = certificatesPath, type = messageType, body, headers }: Call,
): Promise<Said> {
  return new Promise((resolve, reject) => {
    const asked = request({
      port,
      host: '127.0.0.1',
      method,
      path,
      rejectUnauthorized: false,
      agent: false,
      headers: { ...(body !== undefined && { 'Content-Type': type }), ...headers },
    })
    asked.on('error', reject)
    asked.on('response', response => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () =>
        resolve({
          status: response.statusCode ?? 0,
          body: Buffer.concat(chunks),
          type: response.headers['content-type'] ?? '',
          headers: response.headers,
        }),
      )
    })
    asked.on('socket', socket => {
      socket.once('secureConnect', () => {
        const tls = socket as TLSSocket
        if (typeof body !== 'function') return void asked.end(body)
        body((...about) => tls.exportKeyingMaterial(...about), tls).then(bytes => asked.end(bytes), reject)
      })
    })
  })
}

export const json = (said: Said): Record<string, unknown> => JSON.parse(said.body.toString())

export async function unlock(
  port: number,
  said: Partial<Statement> | object = {},
  sets: { policies?: string; revocations?: string; chain?: string } = {},
): Promise<Said> {
  const { policies = policySet(), revocations = revocationSet(), chain } = sets
  const state = json(await call(port, { method: 'GET', path: '/v1/state' }))
  const about = { ...statementFor(state, policies, revocations), ...(chain && { chain: sha256(chain) }) }
  const statement = sign({ ...about, ...said })
  return call(port, {
    path: '/v1/unlock',
    type: 'application/json',
    body: JSON.stringify({ statement, policies, revocations, chain }),
  })
}

export function statementFor(
  { ca, boot }: Record<string, unknown>,
  policies: string,
  revocations: string,
  at = Date.now(),
): Statement {
  return {
    v: 1,
    ca: String(ca),
    boot: String(boot),
    policies: sha256(policies),
    revocations: sha256(revocations),
    time: Math.floor(at / 1000),
  }
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** A CA on free ports of the loopback, and its lines. */
export async function startCa(more: Partial<ProvisionRole> = {}): Promise<RunningProvision & { lines: string[] }> {
  const lines: string[] = []
  const running = await startProvision({
    options: makeOptions(),
    policyDigest: new Uint8Array(32).fill(4),
    tee: caTee(),
    port: 0,
    sidePort: 0,
    version: 'test',
    clock: systemClock,
    builtAfter: Date.UTC(2026, 0, 1),
    write: line => lines.push(line),
    rates: { each: { burst: 1000, perSecond: 1000 }, all: { burst: 1000, perSecond: 1000 } },
    ...more,
  })
  return { ...running, lines }
}
