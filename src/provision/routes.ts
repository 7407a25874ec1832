// The CA's routes: what may be asked, how long it may be, what is answered.

import { Fault } from '../base/errors.ts'
import { JsonError, readJson } from '../base/json.ts'
import { maxSetBytes } from '../config/provision.ts'
import { object, optional, text, unfit } from '../config/shape.ts'
import { maxTokenBytes } from '../config/signed/jws.ts'
import { chainPem, requestPem } from '../identity/credential.ts'
import { certificatesPath, maxQuestionBytes, messageType } from '../identity/issuance.ts'
import type { Ca, Channel, Outcome } from './ca.ts'
import type { Limits } from './limits.ts'
import { openApi } from './openapi.ts'

export interface Reply {
  readonly status: number
  readonly type: string
  readonly body: string | Uint8Array
  readonly headers?: Readonly<Record<string, string>>
}

export interface Route {
  readonly method: 'GET' | 'POST'
  readonly path: string
  /** Of the body; absent: it has none. */
  readonly takes?: { readonly type: string; readonly maxBytes: number }
  /** Absent: as often as anybody likes. */
  readonly limits?: Limits
  answer(body: Uint8Array, channel: Channel): Reply | Promise<Reply>
}

export interface RouteOptions {
  readonly ca: Ca
  readonly certificateLimits: Limits
  readonly unlockLimits: Limits
  /** Told of every question's outcome. */
  readonly counted: (outcome: Outcome) => void
  /** Told of every statement that was refused. */
  readonly statementRefused: () => void
}

const maxChainBytes = 64 * 1024
// Escaping may double what is inside of a JSON string.
const maxUnlockBytes = 2 * (2 * maxSetBytes + maxTokenBytes + maxChainBytes)
const anyText = text(/^[\s\S]*$/, 'a text')
const unlockShape = object({
  statement: anyText,
  policies: anyText,
  revocations: anyText,
  chain: optional(anyText),
})

export function makeRoutes(options: RouteOptions): readonly Route[] {
  const { ca, certificateLimits, unlockLimits, counted } = options
  const json = (body: unknown): Reply => ({ status: 200, type: 'application/json', body: `${JSON.stringify(body)}\n` })
  return [
    {
      method: 'POST',
      path: certificatesPath,
      takes: { type: messageType, maxBytes: maxQuestionBytes },
      limits: certificateLimits,
      async answer(body, channel) {
        const outcome = await ca.certify(body, channel)
        counted(outcome)
        return replyTo(outcome)
      },
    },
    {
      method: 'GET',
      path: '/v1/bundle',
      answer: () => ({ status: 200, type: 'application/pem-certificate-chain', body: chainPem(ca.bundle) }),
    },
    {
      method: 'GET',
      path: '/v1/crl',
      async answer() {
        const list = await ca.revocationList()
        return list ? { status: 200, type: 'application/pkix-crl', body: list } : locked
      },
    },
    {
      method: 'GET',
      path: '/v1/csr',
      answer: async () => ({ status: 200, type: 'application/x-pem-file', body: requestPem(await ca.request()) }),
    },
    { method: 'GET', path: '/v1/state', answer: () => json(ca.state) },
    {
      method: 'POST',
      path: '/v1/unlock',
      takes: { type: 'application/json', maxBytes: maxUnlockBytes },
      limits: unlockLimits,
      answer(body, { from }) {
        const reply = unlock(ca, body, from)
        if (reply.status !== 204) options.statementRefused()
        return reply
      },
    },
    { method: 'GET', path: '/v1/openapi.json', answer: () => json(openApi) },
  ]
}

/** RFC 9457, without a type: the title says it all. */
export function problem(status: number, title: string, more: object = {}): Reply {
  return { status, type: 'application/problem+json', body: `${JSON.stringify({ title, status, ...more })}\n` }
}

const locked = problem(503, 'locked')

function replyTo(outcome: Outcome): Reply {
  switch (outcome.outcome) {
    case 'issued':
      return { status: 200, type: messageType, body: outcome.answer }
    case 'locked':
      return locked
    case 'malformed':
      return problem(400, 'malformed', { rules: outcome.rules })
    case 'refused':
      return problem(403, 'refused', { rules: outcome.rules })
  }
}

function unlock(ca: Ca, body: Uint8Array, from: string): Reply {
  const unlocking = readUnlocking(body)
  if (unlocking === undefined) {
    const detail = 'want statement, policies, revocations'
    ca.refuseForm(from, detail)
    return problem(400, 'malformed', { detail })
  }
  try {
    const bytes = new TextEncoder()
    const { statement, policies, revocations, chain } = unlocking
    const sets = { policies: bytes.encode(policies), revocations: bytes.encode(revocations) }
    ca.unlock({ statement, ...sets, chain: chain === undefined ? undefined : bytes.encode(chain) }, from)
    return { status: 204, type: '', body: '' }
  } catch (error) {
    // The operator's own words come back to him; whoever else asks learns nothing that the state does not say.
    if (error instanceof Fault) return problem(403, 'refused', { detail: error.message.slice(0, 1024) })
    throw error
  }
}

function readUnlocking(body: Uint8Array) {
  try {
    const said = unlockShape.read(readJson(new TextDecoder('utf-8', { fatal: true }).decode(body)), '', [])
    return said === unfit ? undefined : said
  } catch (error) {
    if (error instanceof JsonError || error instanceof TypeError) return undefined
    throw error
  }
}
