// The attesting CA as the issuer of our certificate: a key is born here, and evidence over it made for the one connection
// that the request is sent on, after its other end was judged.
//
// What comes back is looked at: a certificate for another key, another name or without our evidence, or a time that was
// signed for another connection, is a failed renewal. Messages: identity/issuance.ts.

import { verify } from 'node:crypto'
import { type IncomingMessage, request } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { Role } from '../../attest/bind.ts'
import { type Binding, readBinding } from '../../attest/binding.ts'
import { type Certificate, readCertificate } from '../../attest/certificate.ts'
import { exporterBytes, exporterLabel } from '../../attest/challenge.ts'
import { readCrl, requireIssuedBy } from '../../attest/crl.ts'
import { makeRequestEvidence, requestContext } from '../../attest/csr.ts'
import type { QuoteSource } from '../../attest/evidence.ts'
import { taggedEvidenceOid } from '../../attest/ratls.ts'
import { equalBytes, toHex } from '../../base/bytes.ts'
import type { Clock } from '../../base/clock.ts'
import { describe, Fault } from '../../base/errors.ts'
import type { PhaseDone } from '../../base/startup.ts'
import { type CertificateSource, type Credential, toCredential } from '../credential.ts'
import {
  type Answer,
  certificatesPath,
  maxAnswerBytes,
  messageType,
  readAnswer,
  readTime,
  timeLabel,
  writeQuestion,
} from '../issuance.ts'
import { rotate } from '../rotate.ts'
import { certificateRequest, generateKey } from '../x509.ts'

export interface ProvisionSourceOptions {
  readonly source: QuoteSource
  readonly role: Role
  /** SHA-256 over the policy in force, 32 bytes. */
  readonly policyDigest: Uint8Array
  /** SPIFFE ID of the service. */
  readonly service: string
  /** Names that the certificate must have besides the service's; the CA has them from its own sets. */
  readonly dnsNames: readonly string[]
  readonly clock: Clock
  /** Host and port of the CA. */
  readonly authority: string
  /**
   * Opens one connection and hands it over once its other end is known to be the CA that the policy means.
   * @throws Fault 'issuer-unavailable', 'issuer-untrusted'
   */
  readonly connect: (signal: AbortSignal) => Promise<TLSSocket>
  /** Told of what came with each certificate that was taken. */
  readonly learned: (said: Learned) => void
  /** Told where the time goes. */
  readonly done?: PhaseDone | undefined
}

export interface Learned {
  /** What our certificate says of us, and of the machine that we are on. */
  readonly binding: Binding
  /** DER: whose signatures count. */
  readonly bundle: Answer['bundle']
  /** The CA's time, signed for our connection; milliseconds since the epoch. */
  readonly at: number
  readonly floors: Answer['floors']
  /** Serial numbers, hex: certificates of this CA that count no more. */
  readonly revoked: ReadonlySet<string>
}

/** Connection, quote and answer together. */
const askMs = 60_000
const maxHeadBytes = 16 * 1024
const maxRefusalBytes = 4096

/** Certificates of the attesting CA, renewed at two thirds of their life. */
export function provisionSource(options: ProvisionSourceOptions): CertificateSource {
  return {
    name: 'provision',
    attested: true,
    credentials: (signal, failed) =>
      rotate({ issue: stopped => issueOne(options, stopped), clock: options.clock, signal, failed }),
  }
}

async function issueOne(options: ProvisionSourceOptions, signal: AbortSignal): Promise<Credential> {
  const giveUp = new AbortController()
  const stop = (): void => giveUp.abort()
  const cancelTimer = options.clock.after(askMs, stop)
  signal.addEventListener('abort', stop, { once: true })
  if (signal.aborted) stop()
  try {
    return await askOnce(options, giveUp.signal)
  } catch (error) {
    if (giveUp.signal.aborted && !signal.aborted) throw unavailable(options, `no whole answer within ${askMs} ms`)
    throw error instanceof Fault ? error : unavailable(options, describe(error))
  } finally {
    cancelTimer()
    signal.removeEventListener('abort', stop)
  }
}

async function askOnce(options: ProvisionSourceOptions, signal: AbortSignal): Promise<Credential> {
  const { source, role, policyDigest, service, connect, learned, done } = options
  const key = generateKey()
  const spki = new Uint8Array(key.publicKey.export({ type: 'spki', format: 'der' }))
  const asked = await certificateRequest({ key, subject: { commonName: 'postern' } })
  done?.('key')
  const socket = await connect(signal)
  // Nobody reads it while the quote is made; one that has broken by then is found so below.
  socket.on('error', () => {})
  try {
    const channel = new Uint8Array(socket.exportKeyingMaterial(exporterBytes, exporterLabel, requestContext(asked)))
    const own = { spki, role, policyDigest, service, channels: [channel] } as const
    const evidence = await makeRequestEvidence(source, own)
    done?.('quote')
    if (socket.destroyed) throw unavailable(options, 'it broke off while our evidence was made')
    const answer = readAnswer(await post(options, socket, writeQuestion({ request: asked, evidence }), signal))
    const leaf = readLeaf(answer.chain[0])
    requireOurs(options, leaf, spki, evidence)
    const binding = bindingOf(options, leaf)
    const at = timeOf(answer, channel)
    const credential = toCredential(answer.chain, key.privateKey, 'enclave')
    learned({ binding, bundle: answer.bundle, at, floors: answer.floors, revoked: revokedBy(answer) })
    done?.('certificate')
    return credential
  } finally {
    socket.destroy()
  }
}

function post(
  { authority }: ProvisionSourceOptions,
  socket: TLSSocket,
  body: Uint8Array,
  signal: AbortSignal,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      method: 'POST',
      path: certificatesPath,
      maxHeaderSize: maxHeadBytes,
      signal,
      headers: {
        Host: authority,
        'Accept-Encoding': 'identity',
        'Content-Type': messageType,
        'Content-Length': body.length,
      },
    })
    asked.on('error', reject)
    asked.on('upgrade', () => reject(malformed('an upgrade')))
    asked.on('response', response => {
      const { statusCode: status = 0 } = response
      const most = status === 200 ? maxAnswerBytes : maxRefusalBytes
      collect(response, most, reject, bytes => {
        if (status === 200) resolve(bytes)
        else reject(refusal(authority, status, bytes))
      })
    })
    asked.end(body)
  })
}

function collect(
  response: IncomingMessage,
  most: number,
  fail: (error: unknown) => void,
  done: (bytes: Uint8Array) => void,
): void {
  const chunks: Buffer[] = []
  let length = 0
  response.on('data', (chunk: Buffer) => {
    length += chunk.length
    if (length <= most) chunks.push(chunk)
    else {
      fail(malformed(`more than ${most} bytes`))
      response.destroy()
    }
  })
  response.on('error', fail)
  response.on('end', () => done(Buffer.concat(chunks)))
}

/** The rules that it names are those of its audit log. Where time may help, it is tried again all the same. */
function refusal(authority: string, status: number, body: Uint8Array): Fault {
  const rules = /"rules":\[("[a-z-]+"(?:,"[a-z-]+")*)\]/.exec(Buffer.from(body).toString('latin1'))?.[1]
  const why = status === 503 ? 'locked: an operator has to unlock it' : (rules ?? 'no reason given')
  const later = status === 429 || status >= 500
  return new Fault(
    later ? 'issuer-unavailable' : 'issuer-refused',
    `provision: ${authority}: status ${status}: ${why.slice(0, 200)}`,
  )
}

function readLeaf(der: Uint8Array): Certificate {
  try {
    return readCertificate(der)
  } catch {
    throw malformed('a certificate that is none')
  }
}

/** For our key, with our evidence, and exactly our names: one more is somebody's whom we are not. */
function requireOurs(
  { service, role, dnsNames }: ProvisionSourceOptions,
  leaf: Certificate,
  spki: Uint8Array,
  evidence: Uint8Array,
): void {
  if (!equalBytes(leaf.spki, spki)) throw malformed('a certificate for another key')
  const shown = leaf.extensions.find(({ oid }) => oid === taggedEvidenceOid)
  if (shown === undefined || !equalBytes(shown.value, evidence)) throw malformed('a certificate without our evidence')
  const want = [...dnsNames.map(name => `DNS:${name}`), `URI:${service}/${role}`]
  const got = (leaf.x509.subjectAltName ?? '').split(', ')
  if (got.length === want.length && want.every(name => got.includes(name))) return
  throw malformed(`a certificate for ${got.join(', ').slice(0, 256)}, not for ${want.join(', ')}`)
}

/** @throws Fault 'issuer-malformed' for a certificate that says nothing, or that we are somebody else */
function bindingOf({ role, policyDigest }: ProvisionSourceOptions, leaf: Certificate): Binding {
  let binding: Binding | undefined
  try {
    binding = readBinding(leaf)
  } catch {
    throw malformed('a binding that is none')
  }
  if (binding === undefined) throw malformed('a certificate without a binding')
  if (binding.role === role && binding.policyDigest === toHex(policyDigest)) return binding
  throw malformed(`a certificate for ${binding.role} under ${binding.policyDigest}`)
}

/** What time it is, as whoever issued the certificate has signed it for this connection: an anchor, or one below it. */
function timeOf({ time, chain: [, ...above], bundle }: Answer, channel: Uint8Array): number {
  const data = Buffer.concat([timeLabel, time.signed])
  const signers = [...above, ...bundle].map(der => readLeaf(der).publicKey)
  if (!signers.some(key => verify('sha256', data, key, time.signature))) {
    throw malformed('a time that nobody of its chain or bundle has signed')
  }
  const said = readTime(time.signed)
  if (!equalBytes(said.channel, channel)) {
    throw malformed(`a time for another connection (${toHex(said.channel).slice(0, 8)}…)`)
  }
  return said.at
}

/** What the CA has revoked, as it has signed the list of it. */
function revokedBy({ list, chain: [, ...above], bundle }: Answer): ReadonlySet<string> {
  if (list === undefined) return new Set()
  try {
    const crl = readCrl(list, 'revocation list')
    requireIssuedBy(crl, readLeaf(above[0] ?? bundle[0]), 'revocation list')
    return crl.revoked
  } catch (error) {
    throw malformed(`a revocation list that is none of its own (${describe(error)})`)
  }
}

function unavailable({ authority }: ProvisionSourceOptions, what: string): Fault {
  return new Fault('issuer-unavailable', `provision: ${authority}: ${what}`)
}

function malformed(got: string): Fault {
  return new Fault('issuer-malformed', `provision: the answer has ${got}`)
}
