// An attesting CA that certifies whoever the test says, true or not: it answers as the real one does, and its key is the
// test's. So those whom a real one would never certify can stand beside those whom it would.

import { createPrivateKey, createPublicKey, type KeyObject, sign } from 'node:crypto'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Test } from 'tap'
import { type Binding, bindingOid, readBinding, writeBinding } from '../../src/attest/binding.ts'
import { readCertificate } from '../../src/attest/certificate.ts'
import { exporterBytes, exporterLabel } from '../../src/attest/challenge.ts'
import { makeRequestEvidence, readRequest, requestContext } from '../../src/attest/csr.ts'
import type { QuoteSource } from '../../src/attest/evidence.ts'
import { readPlatform } from '../../src/attest/pck.ts'
import { parseSgxQuote } from '../../src/attest/quote.ts'
import { readTagged, taggedEvidenceOid } from '../../src/attest/ratls.ts'
import { toHex } from '../../src/base/bytes.ts'
import { demoFunction, demoProvision } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { makeSyntheticTee, syntheticRoot, syntheticRootKeyPem } from '../../src/demo/tee.ts'
import { type Credential, toCredential, withKeyPem } from '../../src/identity/credential.ts'
import { readQuestion, timeLabel, writeAnswer, writeTime } from '../../src/identity/issuance.ts'
import type { Learned } from '../../src/identity/sources/provision.ts'
import { type Fields, generateKey, issue, type KeyPair } from '../../src/identity/x509.ts'
import { platformTag } from '../../src/provision/decision.ts'
import { makePlatform, sgxExtension } from './certificates.ts'
import { spkiOf } from './evidence.ts'
import { hour, makeRoot, type TestAuthority } from './identity.ts'

/** Who is certified; a container of the service where nothing else is said. */
export interface Certified {
  readonly tee?: QuoteSource
  readonly role?: 'proxy' | 'workload'
  readonly service?: string
  /** What the CA says instead of what is true. */
  readonly binding?: Partial<Binding>
  readonly fields?: Partial<Fields>
  /** Of the evidence, where it is another than the certificate's. */
  readonly evidenceFor?: KeyPair
  readonly policyDigest?: Uint8Array
}

export interface Issuer {
  readonly port: number
  certify(who?: Certified): Promise<Credential>
  /** What whoever has a certificate of it knows. */
  learned(): Promise<Pick<Learned, 'bundle' | 'at' | 'binding'>>
}

/** A certificate for this name instead. */
export const uris = (id: string): Certified => ({ fields: { uris: [id] } })

const dates = () => ({ notBefore: Date.now() - hour / 12, notAfter: Date.now() + 12 * hour })

/** The same enclave on another machine than the usual synthetic one. */
export async function enclaveElsewhere({ mrenclave }: QuoteSource): Promise<QuoteSource> {
  const privateKey = createPrivateKey(syntheticRootKeyPem)
  const { chain, key } = await makePlatform({
    root: { keys: { privateKey, publicKey: createPublicKey(privateKey) } },
    leaf: { extensions: [sgxExtension({ piid: 0x4a })] },
  })
  const platform = { chain: [chain[0], chain[1], syntheticRoot], key } as const
  return makeSyntheticTee({ mrenclave, mrsigner: mrenclave, isvProdId: 1, isvSvn: 1, platform })
}

/**
 * A CA that serves until the test is over.
 * @param service of whoever it is not told of
 * @param life of the certificates that are asked for
 */
export async function startIssuer(t: Test, service: string, life: Partial<Fields> = {}): Promise<Issuer> {
  const root = await makeRoot('issuer', { ...dates(), notAfter: Date.now() + 365 * 24 * hour })
  const salt = new Uint8Array(32).fill(7)
  const server = createServer(
    withKeyPem(await demoCredential(demoProvision(), 'provision'), pem => ({ ...pem, key: Buffer.from(pem.key) })),
  )
  server.on('request', async (message, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of message) chunks.push(chunk)
    const { request, evidence } = readQuestion(Buffer.concat(chunks))
    const { spki } = readRequest(request)
    const { postern } = readTagged(evidence, spki)
    if (!postern) throw new Error('no claims')
    const publicKey = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' })
    const { role, policyDigest, service = '' } = postern
    const asked = { publicKey, evidence, role, policyDigest, service }
    const leaf = await leafFor(root, salt, asked, { fields: life })
    const socket = message.socket as TLSSocket
    const channel = socket.exportKeyingMaterial(exporterBytes, exporterLabel, requestContext(request))
    const signed = writeTime(Date.now(), new Uint8Array(channel))
    const signature = sign('sha256', Buffer.concat([timeLabel, signed]), root.key)
    const [bundle, auditHead] = [[root.certificate] as const, new Uint8Array(32)]
    response.end(writeAnswer({ chain: [leaf], bundle, time: { signed, signature }, floors: new Map(), auditHead }))
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => {
    server.close()
    server.closeAllConnections()
  })
  const issuer: Issuer = {
    port: (server.address() as AddressInfo).port,
    async learned() {
      const binding = readBinding(readCertificate((await issuer.certify()).chain[0]))
      if (!binding) throw new Error('no binding')
      return { bundle: [root.certificate], at: Date.now(), binding }
    },
    async certify(who = {}) {
      const key = generateKey()
      const own = { role: who.role ?? 'workload', service: who.service ?? service } as const
      const policyDigest = who.policyDigest ?? new Uint8Array(32)
      const claims = { ...own, policyDigest, spki: spkiOf(who.evidenceFor ?? key), channels: [new Uint8Array(32)] }
      const evidence = await makeRequestEvidence(who.tee ?? demoFunction(), claims as never)
      const { publicKey } = key
      const leaf = await leafFor(root, salt, { ...own, publicKey, evidence, policyDigest }, who)
      return toCredential([leaf], key.privateKey, 'enclave')
    },
  }
  return issuer
}

interface Subject {
  readonly publicKey: KeyObject
  readonly evidence: Uint8Array
  readonly role: Binding['role']
  readonly service: string
  readonly policyDigest: Uint8Array
}

/** As the real CA would write it, but for what is said otherwise. */
function leafFor(root: TestAuthority, salt: Uint8Array, subject: Subject, who: Certified = {}): Promise<Uint8Array> {
  const { publicKey, evidence, role, service, policyDigest } = subject
  const { quote } = readTagged(evidence, spkiOf({ publicKey: (who.evidenceFor ?? { publicKey }).publicKey } as KeyPair))
  const { pckChain, body } = parseSgxQuote(quote)
  const [, , , , namespace] = service.split('/')
  const binding: Binding = {
    role,
    policyDigest: toHex(policyDigest),
    tee: 'sgx',
    mrenclave: toHex(body.mrenclave),
    platform: platformTag(readPlatform(readCertificate(pckChain[0])), salt),
    serial: 0,
    ...who.binding,
  }
  return issue({
    ...dates(),
    issuer: root,
    publicKey,
    subject: { commonName: 'postern' },
    dnsNames: role === 'proxy' ? [`kn-user-${namespace}`, 'data-plane.knative.dev'] : [],
    uris: [`${service}/${role}`],
    extensions: [
      { oid: taggedEvidenceOid, value: evidence },
      { oid: bindingOid, value: writeBinding(binding) },
    ],
    ...who.fields,
  })
}
