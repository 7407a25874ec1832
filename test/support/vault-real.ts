// A real OpenBao or Vault, where `bao` or `vault` is on the path: in memory, with a PKI whose issuer is an intermediate, and
// the logins that need nobody else. Set up by its own HTTP API.

import { spawn, spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { join } from 'node:path'
import type { Test } from 'tap'
import { chainPem, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { generateKey, issue } from '../../src/identity/x509.ts'
import { eventually, makeRoot } from './identity.ts'
import { freePort } from './sockets.ts'
import { audience, makeJwt, pkiRole } from './vault.ts'

/** The command, or undefined where there is none. */
export function vaultBinary(): string | undefined {
  return ['bao', 'vault'].find(name => spawnSync(name, ['version']).error === undefined)
}

interface Reply {
  readonly data?: Record<string, string>
  readonly keys?: string[]
  readonly root_token?: string
}

const policyText = (mount: string): string =>
  ['sign', 'sign-verbatim']
    .map(how => `path "${mount}/${how}/${pkiRole}" { capabilities = ["create", "update"] }`)
    .join('\n')

export class RealVault {
  readonly port: number
  readonly pkiMount = 'pki'
  /** DER. */
  readonly serverCa: Uint8Array
  /** Holds a JWT that logs in. */
  readonly tokenFile: string
  /** DER of the PKI's root. */
  root: Uint8Array = new Uint8Array()
  /** PEM of the CA whose certificates may log in. */
  readonly clientCa: Awaited<ReturnType<typeof makeRoot>>
  #token = ''
  #unsealKey = ''

  private constructor(port: number, ca: Uint8Array, tokenFile: string, clientCa: RealVault['clientCa']) {
    this.port = port
    this.serverCa = ca
    this.tokenFile = tokenFile
    this.clientCa = clientCa
  }

  /** Starts one for as long as the test. */
  static async open(t: Test): Promise<RealVault> {
    const folder = t.testdir({})
    const port = await freePort()
    const dates = { notBefore: Date.now() - 3_600_000, notAfter: Date.now() + 3_600_000 }
    const [ca, clientCa] = [await makeRoot('vault server CA', dates), await makeRoot('clients', dates)]
    const key = generateKey()
    const subject = { commonName: 'vault' }
    const leaf = await issue({ ...dates, subject, dnsNames: ['localhost'], issuer: ca, publicKey: key.publicKey })
    const files = { tls_cert_file: join(folder, 'server.crt'), tls_key_file: join(folder, 'server.key') }
    withKeyPem(toCredential([leaf], key.privateKey, 'file'), ({ key, cert }) => {
      writeFileSync(files.tls_key_file, key)
      writeFileSync(files.tls_cert_file, cert)
    })
    const listener = { tcp: { address: `127.0.0.1:${port}`, ...files } }
    const config = { storage: { inmem: {} }, listener, disable_mlock: true, api_addr: `https://localhost:${port}` }
    writeFileSync(join(folder, 'config.json'), JSON.stringify(config))
    const server = spawn(vaultBinary() ?? '', ['server', `-config=${join(folder, 'config.json')}`], { stdio: 'ignore' })
    t.teardown(() => server.kill())
    const jwt = generateKey()
    writeFileSync(join(folder, 'token'), makeJwt(jwt.privateKey))
    const vault = new RealVault(port, ca.certificate, join(folder, 'token'), clientCa)
    await eventually(() => server.exitCode !== null || serverIsUp(port), 30_000)
    await vault.#setUp(jwt.publicKey.export({ type: 'spki', format: 'pem' }).toString())
    return vault
  }

  async seal(): Promise<void> {
    await this.#put('sys/seal', {})
  }

  async unseal(): Promise<void> {
    await this.#put('sys/unseal', { key: this.#unsealKey })
  }

  /** Every token that a login gave. */
  async revokeTokens(): Promise<void> {
    await this.#put('sys/leases/revoke-prefix/auth/jwt/login', {})
  }

  async #setUp(jwtKey: string): Promise<void> {
    const { keys = [], root_token: token = '' } = await this.#put('sys/init', { secret_shares: 1, secret_threshold: 1 })
    this.#token = token
    this.#unsealKey = keys[0] ?? ''
    await this.unseal()
    for (const mount of ['root', this.pkiMount]) await this.#put(`sys/mounts/${mount}`, { type: 'pki' })
    const root = await this.#put('root/root/generate/internal', { common_name: 'root', key_type: 'ec', ttl: '24h' })
    this.root = derOf(root.data?.['certificate'])
    const below = { common_name: 'intermediate', key_type: 'ec' }
    const { data } = await this.#put(`${this.pkiMount}/intermediate/generate/internal`, below)
    const csr = data?.['csr'] ?? ''
    const signed = await this.#put('root/root/sign-intermediate', { csr, common_name: 'intermediate', ttl: '12h' })
    const chain = `${signed.data?.['certificate']}\n${root.data?.['certificate']}`
    await this.#put(`${this.pkiMount}/intermediate/set-signed`, { certificate: chain })
    await this.#put(`${this.pkiMount}/roles/${pkiRole}`, {
      allowed_domains: 'kn-user-team-a,data-plane.knative.dev',
      allow_bare_domains: true,
      allowed_uri_sans: 'spiffe://c1.example.org/*',
      key_type: 'ec',
      require_cn: false,
      max_ttl: '1h',
    })
    await this.#put('sys/policies/acl/postern', { policy: policyText(this.pkiMount) })
    for (const type of ['jwt', 'cert']) await this.#put(`sys/auth/${type}`, { type })
    await this.#put('auth/jwt/config', { jwt_validation_pubkeys: [jwtKey] })
    await this.#put('auth/jwt/role/postern', {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: [audience],
      token_policies: ['postern'],
      token_ttl: '1h',
    })
    const certificate = chainPem([this.clientCa.certificate])
    await this.#put('auth/cert/certs/postern', { certificate, token_policies: ['postern'], token_ttl: '1h' })
  }

  #put(path: string, body: object): Promise<Reply> {
    return new Promise((resolve, reject) => {
      const ca = chainPem([this.serverCa])
      const asked = request(
        {
          host: 'localhost',
          port: this.port,
          path: `/v1/${path}`,
          method: 'PUT',
          ca,
          agent: false,
          headers: { 'X-Vault-Token': this.#token },
        },
        response => {
          let text = ''
          response.setEncoding('utf8').on('data', (part: string) => {
            text += part
          })
          response.on('end', () => {
            if ((response.statusCode ?? 0) < 300) resolve(JSON.parse(text || '{}') as Reply)
            else reject(new Error(`${path}: ${response.statusCode} ${text}`))
          })
        },
      )
      asked.on('error', reject)
      asked.end(JSON.stringify(body))
    })
  }
}

function derOf(pem = ''): Uint8Array {
  return new Uint8Array(Buffer.from(pem.replace(/-----[^-]+-----/g, ''), 'base64'))
}

/** Listening sockets are in the kernel's table before anything answers. */
function serverIsUp(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, '0')
  const table = readFileSync('/proc/net/tcp', 'utf8')
  return table.includes(`0100007F:${hex} 00000000:0000 0A`)
}
