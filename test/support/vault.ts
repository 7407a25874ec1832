// NOT A VAULT: a fake of the few paths of Vault's and OpenBao's HTTP API that we use, built from their public documents
// (PKI secrets engine; TLS certificate, JWT and Kubernetes auth methods; tokens; error envelope) and, for `sgx-auth`, from
// what enclaive's public plug-in reads. It can misbehave on order. Where a real one is on the machine, the same tests run
// on that (vault-real.ts).

import { createHash, createPublicKey, type KeyObject, sign, verify, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { connect, type TLSSocket } from 'node:tls'
import { parseQuote } from '../../src/attest/quote.ts'
import type { Clock } from '../../src/base/clock.ts'
import { chainPem, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import type { VaultServer } from '../../src/identity/vault/call.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { makeIntermediate, makeRoot, type TestAuthority } from './identity.ts'

export const audience = 'postern-test'
export const pkiMount = 'pki'
export const pkiRole = 'proxy'
const roles: ReadonlySet<string> = new Set([pkiRole])
const allowedNames = /^(?:kn-user-team-a|data-plane\.knative\.dev|spiffe:\/\/c1\.example\.org\/.+)$/

export type Mood = 'good' | 'sealed' | 'busy' | 'slow' | 'garbage' | 'huge' | 'html' | 'redirect' | 'hangs-up'

export interface Asked {
  readonly path: string
  readonly token: string | undefined
  readonly namespace: string | undefined
  readonly body: Readonly<Record<string, unknown>>
}

interface Token {
  until: number
  /** Whether renewals are for who shows this certificate again. */
  readonly leaf: string | undefined
}

type Result = readonly [status: number, body: unknown]

const denied: Result = [403, { errors: ['permission denied'] }]

export interface FakeVaultOptions {
  readonly now?: () => number
  readonly leaseSeconds?: number
  /** Signs the JWTs that it believes. */
  readonly jwtKey: KeyObject
  /** SHA-256 certificates whose holders may log in with them: a CA. */
  readonly clientCa: TestAuthority
  /** Hex of the measurement that `sgx-auth` knows under each id. */
  readonly enclaves?: Readonly<Record<string, string>>
}

/** A JWT (ES256) for the audience of the tests, good for a quarter of an hour. */
export function makeJwt(key: KeyObject, claims: object = {}): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const iat = Math.floor(Date.now() / 1000)
  const text = `${part({ alg: 'ES256', typ: 'JWT' })}.${part({ aud: audience, sub: 'pod', iat, nbf: iat, exp: iat + 900, ...claims })}`
  const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' })
  return `${text}.${signature.toString('base64url')}`
}

/** Time is moved by hours while real requests are under way: their deadline is not to be among what passes. */
export function patient(clock: Clock): Clock {
  return {
    now: () => clock.now(),
    monotonic: () => clock.monotonic(),
    every: (ms, run) => clock.every(ms, run),
    after: (ms, run) => (ms === 15_000 ? () => {} : clock.after(ms, run)),
  }
}

/** A way to the server that checks its CA and nothing else: how the role does it is another test's. */
export function reach(port: number, ca: Uint8Array, clock: Clock, namespace?: string): VaultServer {
  return {
    authority: `localhost:${port}`,
    namespace,
    clock,
    connect: (credential, signal) =>
      new Promise((resolve, reject) => {
        const common = { host: '127.0.0.1', port, servername: 'localhost', ca: chainPem([ca]), signal }
        const socket = credential ? withKeyPem(credential, pem => connect({ ...common, ...pem })) : connect(common)
        socket.on('error', reject)
        socket.once('secureConnect', () => resolve(socket))
      }),
  }
}

/** What the certificate is to say in the place of what was asked. */
export interface Twist {
  readonly dnsNames?: readonly string[]
  readonly key?: KeyObject
  readonly extensions?: readonly []
  /** Milliseconds of life. */
  readonly lifeMs?: number
}

export class FakeVault {
  readonly asked: Asked[] = []
  readonly port: number
  readonly root: TestAuthority
  /** Who signed the server's certificate. */
  readonly serverCa: TestAuthority
  mood: Mood = 'good'
  twist: Twist = {}
  /** Whether tokens may be renewed. */
  renewable = true
  readonly #options: FakeVaultOptions
  readonly #server: Server
  readonly #intermediate: TestAuthority
  readonly #tokens = new Map<string, Token>()
  #serial = 0

  private constructor(options: FakeVaultOptions, server: Server, made: TestAuthority[], port: number) {
    this.#options = options
    this.#server = server
    const [root, intermediate, serverCa] = made as [TestAuthority, TestAuthority, TestAuthority]
    this.root = root
    this.#intermediate = intermediate
    this.serverCa = serverCa
    this.port = port
  }

  static async open(options: FakeVaultOptions): Promise<FakeVault> {
    const now = options.now?.() ?? Date.now()
    // For OpenSSL, whose clock is no test's, and for ours.
    const dates = { notBefore: Math.min(now, Date.now()) - 3_600_000, notAfter: Math.max(now, Date.now()) + 1e11 }
    const root = await makeRoot('fake vault root', dates)
    const intermediate = await makeIntermediate(root, 'fake vault intermediate', dates)
    const serverCa = await makeRoot('fake vault server CA', dates)
    const key = generateKey()
    const leaf = await issue({
      ...dates,
      subject: { commonName: 'vault' },
      dnsNames: ['localhost'],
      issuer: serverCa,
      publicKey: key.publicKey,
    })
    const asksForCertificates = { requestCert: true, rejectUnauthorized: false }
    const server = withKeyPem(toCredential([leaf], key.privateKey, 'file'), pem =>
      createServer({ ...pem, ...asksForCertificates }),
    )
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const vault = new FakeVault(options, server, [root, intermediate, serverCa], port)
    server.on('request', async (message, response) => {
      const chunks: Buffer[] = []
      for await (const chunk of message) chunks.push(chunk as Buffer)
      const answer = await vault.#answer(message, Buffer.concat(chunks).toString()).catch(error => {
        return [500, { errors: [`${error}`] }] as const
      })
      if (vault.mood === 'hangs-up') message.socket.destroy()
      else if (vault.mood === 'slow') response.write(' ')
      else if (typeof answer[1] === 'string') response.writeHead(answer[0]).end(answer[1])
      else response.writeHead(answer[0], { 'Content-Type': 'application/json' }).end(JSON.stringify(answer[1]))
    })
    return vault
  }

  revokeTokens(): void {
    this.#tokens.clear()
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  get #now(): number {
    return this.#options.now?.() ?? Date.now()
  }

  async #answer(message: IncomingMessage, text: string): Promise<Result> {
    const path = (message.url ?? '').replace(/^\/v1\//, '')
    const one = (name: string): string | undefined => message.headers[name] as string | undefined
    const body = JSON.parse(text || '{}') as Record<string, string>
    const token = one('x-vault-token')
    this.asked.push({ path, token, namespace: one('x-vault-namespace'), body })
    switch (this.mood) {
      case 'sealed':
        return [503, { errors: ['Vault is sealed'] }]
      case 'busy':
        return [429, { errors: [`rate limit quota exceeded by ${token ?? body['jwt']}`] }]
      case 'garbage':
        return [200, '{"data": {"certificate": 1, "certificate": 2}}']
      case 'huge':
        return [200, `{"a": "${'a'.repeat(1_100_000)}"}`]
      case 'html':
        return [502, '<html>bad gateway</html>']
      case 'redirect':
        return [307, '']
    }
    if (one('x-vault-request') !== 'true') return [412, { errors: ['want X-Vault-Request'] }]
    const [mount, verb] = path.split('/')
    if (mount === 'auth' && path.endsWith('/login')) return this.#login(message.socket as TLSSocket, verb ?? '', body)
    const held = token === undefined ? undefined : this.#tokens.get(token)
    if (token === undefined || held === undefined || held.until <= this.#now) return denied
    if (path === 'auth/token/renew-self') return this.#renew(message.socket as TLSSocket, token, held)
    const [, how, role] = /^pki\/(sign|sign-verbatim)\/([a-z]+)$/.exec(path) ?? []
    if (how === undefined || role === undefined || !roles.has(role)) return denied
    return this.#sign(body, how === 'sign-verbatim')
  }

  #lease(token: string, leaf: string | undefined): Result {
    const seconds = this.#options.leaseSeconds ?? 3600
    this.#tokens.set(token, { until: this.#now + seconds * 1000, leaf })
    const auth = {
      client_token: token,
      accessor: 'a',
      policies: ['x'],
      lease_duration: seconds,
      renewable: this.renewable,
    }
    return [200, { request_id: '1', lease_id: '', renewable: false, lease_duration: 0, data: null, auth }]
  }

  #login(socket: TLSSocket, method: string, body: Record<string, string>): Result {
    const raw = socket.getPeerCertificate(true).raw as Buffer | undefined
    const token = `hvs.token-${++this.#serial}`
    if (method === 'cert') {
      if (!raw) return [400, { errors: ['client certificate must be supplied'] }]
      const pem = new X509Certificate(chainPem([raw]))
      if (!pem.verify(this.#options.clientCa.publicKey))
        return [400, { errors: ['invalid certificate or no client certificate supplied'] }]
      return this.#lease(token, pem.fingerprint256)
    }
    if (method === 'jwt' || method === 'kubernetes') {
      if (body['role'] !== 'postern') return [400, { errors: ['role "?" could not be found'] }]
      if (!this.#believes(body['jwt'] ?? ''))
        return [400, { errors: [`error validating token: invalid signature: ${body['jwt']}`] }]
      return this.#lease(token, undefined)
    }
    if (method === 'sgx-auth') return this.#attest(raw, body) ? this.#lease(token, undefined) : denied
    return [404, { errors: [] }]
  }

  #believes(jwt: string): boolean {
    const [head = '', payload = '', signature = ''] = jwt.split('.')
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString() || '{}') as { aud?: string; exp?: number }
    const key = { key: this.#options.jwtKey, dsaEncoding: 'ieee-p1363' as const }
    const good = verify('sha256', Buffer.from(`${head}.${payload}`), key, Buffer.from(signature, 'base64url'))
    return good && claims.aud === audience && (claims.exp ?? 0) * 1000 > Date.now()
  }

  /** As the plug-in: SHA-512 of the connection's certificate is the report data, and the measurement is the id's. */
  #attest(raw: Buffer | undefined, { id = '', attestation = '' }: Record<string, string>): boolean {
    if (!raw) return false
    const { Name, Quote } = JSON.parse(Buffer.from(attestation, 'base64').toString()) as { Name: string; Quote: string }
    const { body } = parseQuote(Buffer.from(Quote, 'base64'))
    const bound = createHash('sha512').update(raw).digest().equals(body.reportData)
    const known = this.#options.enclaves?.[id]
    return (
      bound &&
      Name === id &&
      known !== undefined &&
      known === Buffer.from('mrenclave' in body ? body.mrenclave : []).toString('hex')
    )
  }

  #renew(socket: TLSSocket, token: string, held: Token): Result {
    if (!this.renewable) return [400, { errors: ['lease is not renewable'] }]
    const shown = socket.getPeerX509Certificate()?.fingerprint256
    if (held.leaf !== undefined && held.leaf !== shown) return denied
    return this.#lease(token, held.leaf)
  }

  async #sign(body: Record<string, string>, verbatim: boolean): Promise<Result> {
    await import('reflect-metadata/lite')
    const lib = await import('@peculiar/x509')
    const csr = new lib.Pkcs10CertificateRequest(body['csr'] ?? '')
    if (!(await csr.verify())) return [400, { errors: ['request signature invalid'] }]
    const san = csr.getExtension('2.5.29.17')
    const names = san ? new lib.SubjectAlternativeNameExtension(san.rawData).names.items : []
    const bad = names.find(({ value }) => !allowedNames.test(value))
    if (bad && !verbatim) return [400, { errors: [`subject alternate name ${bad.value} not allowed by this role`] }]
    const copied = csr.extensions
      .filter(({ type }) => verbatim && type !== '2.5.29.17')
      .map(({ type, value }) => ({ oid: type, value: new Uint8Array(value) }))
    const lifeMs = this.twist.lifeMs ?? Number.parseInt(body['ttl'] ?? '0', 10) * 1000
    const certificate = await issue({
      subject: { commonName: body['common_name'] ?? '' },
      dnsNames: this.twist.dnsNames ?? names.filter(({ type }) => type === 'dns').map(({ value }) => value),
      uris: names.filter(({ type }) => type === 'url').map(({ value }) => value),
      notBefore: this.#now - 30_000,
      notAfter: this.#now + lifeMs,
      issuer: this.#intermediate,
      publicKey:
        this.twist.key ?? createPublicKey({ key: Buffer.from(csr.publicKey.rawData), format: 'der', type: 'spki' }),
      extensions: this.twist.extensions ?? copied,
    })
    const [pem, issuer, root] = [certificate, this.#intermediate.certificate, this.root.certificate].map(der =>
      chainPem([der]).trim(),
    )
    const data = { certificate: pem, issuing_ca: issuer, ca_chain: [issuer, root], serial_number: '0', expiration: 0 }
    return [200, { request_id: '1', lease_id: '', renewable: false, lease_duration: 0, data, auth: null }]
  }
}
