// `postern ca`: the operator's side of the attesting CA. What it says of itself counts only on a connection whose other
// end has shown its evidence, and so does what it is told.

import { createHash } from 'node:crypto'
import { request } from 'node:http'
import { connect, type TLSSocket } from 'node:tls'
import { readRequest } from '../attest/csr.ts'
import { judgePeer } from '../attest/peer.ts'
import { describe, Fault } from '../base/errors.ts'
import { type JsonObject, readJson } from '../base/json.ts'
import type { Policy } from '../config/policy.ts'
import { verifyAudit } from '../provision/audit.ts'
import { readStatement, type Statement, statementType } from '../provision/lock.ts'
import type { Parsed } from './args.ts'
import type { Io } from './io.ts'
import { jwkOf, readKey, signed, thumbprint } from './signing.ts'
import { readFile, readPolicyOf } from './subject.ts'
import { trustFor } from './verify.ts'

const dialMs = 10_000
const maxAnswerBytes = 64 * 1024

/** Prints the CA's state. @returns 0, or 1 where it is not the CA that the policy means. @throws Fault 'usage', … */
export async function showState({ values }: Parsed, io: Io): Promise<number> {
  const { policy } = readPolicyOf(String(values['policy']), io)
  const said = await ask(policy, io, { method: 'GET', path: '/v1/state' })
  io.write(said.text)
  return said.status === 200 ? 0 : 1
}

/**
 * Prints the CA's request for a certificate, for whoever holds the root; and beside it whose it is, as its state has it.
 * @returns 0, or 1 where there was none. @throws Fault 'usage', …
 */
export async function showRequest({ values }: Parsed, io: Io): Promise<number> {
  const { policy } = readPolicyOf(String(values['policy']), io)
  const said = await ask(policy, io, { method: 'GET', path: '/v1/csr' })
  if (said.status !== 200) {
    io.write(said.text)
    return 1
  }
  const [, body = ''] =
    /^-----BEGIN CERTIFICATE REQUEST-----([\s\S]*)-----END CERTIFICATE REQUEST-----\s*$/.exec(said.text) ?? []
  const { spki } = readRequest(new Uint8Array(Buffer.from(body, 'base64')))
  io.warn(`the request of the CA whose key is ${sha256(spki)}\n`)
  io.write(said.text)
  return 0
}

/** Prints one statement. @returns 0. @throws Fault 'usage' */
export async function signStatement({ values }: Parsed, io: Io): Promise<number> {
  const key = readKey(String(values['key']), io)
  const jwk = jwkOf(key)
  const kid = values['kid'] === undefined ? thumbprint(jwk) : String(values['kid'])
  const state = readState(String(values['state']), io)
  const statement: Statement = {
    v: 1,
    ca: String(state['ca']),
    boot: String(state['boot']),
    policies: sha256(readFile(String(values['policies']), io)),
    revocations: sha256(readFile(String(values['revocations']), io)),
    ...(values['chain'] !== undefined && { chain: sha256(readFile(String(values['chain']), io)) }),
    time: Math.floor(io.now() / 1000),
  }
  const payload = JSON.stringify(statement)
  // As the CA will read it.
  readStatement(Buffer.from(payload))
  io.write(`${signed(key, jwk, kid, statementType, payload)}\n`)
  return 0
}

/** Gives the CA a statement. @returns 0 where it took it, 1 where it did not. @throws Fault 'usage', … */
export async function unlock({ values }: Parsed, io: Io): Promise<number> {
  const { policy } = readPolicyOf(String(values['policy']), io)
  const text = (name: string): string => Buffer.from(readFile(String(values[name]), io)).toString()
  const body = JSON.stringify({
    statement: text('statement').trim(),
    policies: text('policies'),
    revocations: text('revocations'),
    ...(values['chain'] !== undefined && { chain: text('chain') }),
  })
  const said = await ask(policy, io, { method: 'POST', path: '/v1/unlock', body })
  io.write(said.status === 204 ? 'unlocked\n' : said.text)
  return said.status === 204 ? 0 : 1
}

/** Checks a log. @returns 0 where it is whole, else 1. @throws Fault 'usage' */
export async function checkAudit({ positionals }: Parsed, io: Io): Promise<number> {
  const found = verifyAudit(Buffer.from(readFile(positionals[0] ?? '', io)).toString())
  io.write(found.ok ? `whole: ${found.lines} lines, head ${found.head}\n` : `BROKEN: ${found.reason}\n`)
  return found.ok ? 0 : 1
}

/** Prints whom to trust for certificates of the CA's making, PEM. @returns 0, or 1 where it has not said. @throws as showState */
export async function showBundle({ values }: Parsed, io: Io): Promise<number> {
  const { policy } = readPolicyOf(String(values['policy']), io)
  const { status, text } = await ask(policy, io, { method: 'GET', path: '/v1/bundle' })
  io.write(text)
  return status === 200 ? 0 : 1
}

interface Call {
  readonly method: 'GET' | 'POST'
  readonly path: string
  readonly body?: string
}

/**
 * One request on a connection of its own, once its other end has shown that it is the CA which the policy means.
 * @throws Fault 'usage' for a policy that names no CA, 'issuer-untrusted', 'issuer-unavailable'
 */
export async function ask(policy: Policy, io: Pick<Io, 'now'>, call: Call): Promise<{ status: number; text: string }> {
  const { issuer } = policy.identity
  if (!issuer) throw new Fault('usage', `policy ${policy.name}: want /identity/source "provision", which names a CA`)
  const accepted = policy.peers[issuer.accept]
  if (!accepted) throw new Fault('internal', `no peers ${issuer.accept}`)
  const socket = await open(issuer.host, issuer.port)
  try {
    const leaf = new Uint8Array(socket.getPeerX509Certificate()?.raw ?? [])
    const rule = {
      ...accepted,
      role: 'provision',
      maxCollateralAgeMs: policy.collateral.maxAgeMs,
      dangerAcceptSynthetic: policy.dangerSyntheticRoot !== undefined,
      refuse: { leafSha256s: [], mrenclave: undefined },
    } as const
    const judgement = judgePeer(leaf, rule, await trustFor(leaf, policy, io.now), io.now())
    if (!judgement.accepted) {
      const reasons = judgement.reasons.map(each => `${each.rule}: want ${each.want}, got ${each.got}`).join('; ')
      throw new Fault('issuer-untrusted', `${issuer.host}:${issuer.port}: ${reasons}`)
    }
    return await exchange(socket, `${issuer.host}:${issuer.port}`, call)
  } finally {
    socket.destroy()
  }
}

function open(host: string, port: number): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Its evidence is what counts; whether some CA knows it does not, so OpenSSL is not asked.
    const socket = connect({ host, port, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const fail = (what: string): void => {
      socket.destroy()
      reject(new Fault('issuer-unavailable', `${host}:${port}: ${what}`))
    }
    socket.setTimeout(dialMs, () => fail('timed out'))
    socket.on('error', error => fail(describe(error)))
    socket.once('secureConnect', () => resolve(socket))
  })
}

function exchange(
  socket: TLSSocket,
  authority: string,
  { method, path, body }: Call,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request({
      createConnection: () => socket,
      method,
      path,
      headers: {
        Host: authority,
        Connection: 'close',
        ...(body !== undefined && { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }),
      },
    })
    const fail = (what: string): void => reject(new Fault('issuer-unavailable', `${authority}: ${what}`))
    asked.on('error', error => fail(describe(error)))
    socket.once('close', () => fail('closed before it had answered'))
    asked.on('response', response => {
      const chunks: Buffer[] = []
      let length = 0
      response.on('data', (chunk: Buffer) => {
        length += chunk.length
        if (length > maxAnswerBytes) fail(`an answer of more than ${maxAnswerBytes} bytes`)
        else chunks.push(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString() }))
    })
    asked.end(body)
  })
}

function readState(path: string, io: Io): JsonObject {
  try {
    const state = readJson(Buffer.from(readFile(path, io)).toString())
    if (typeof state === 'object' && state !== null && !Array.isArray(state)) return state as JsonObject
  } catch (error) {
    if (error instanceof Fault) throw error
  }
  throw new Fault('usage', `${path}: want what postern ca state has printed`)
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
