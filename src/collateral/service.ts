// The services that hand out Intel's collateral over HTTP: Intel's own (PCS, API version 4), the cache that data centres
// run (PCCS), and Azure's, which speaks as a PCCS. Routes and fields: Intel's PCS API documentation, and the PCCS in
// intel/SGXDataCenterAttestationPrimitives.
//
// Everything that they say is signed, so TLS adds nothing to its truth. What it adds is that nobody on the way can hand us
// last month's: Intel's and Azure's services are asked under the public CAs that Node carries; a PCCS signs itself.

import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { type Got, get } from './get.ts'
import { type Answer, type Kind, maxBytes, type Source, type Want } from './source.ts'

export interface ServiceOptions {
  readonly kind: 'pcs' | 'pccs' | 'azure'
  /** Where its routes begin: an address, or an address with a path of its own. */
  readonly at: string
  /** Where the root's list is; undefined: at the service's own route, which Intel's does not have. */
  readonly rootCrlAt: string | undefined
  /** Which of the truths that stand beside each other is asked for. */
  readonly evaluation: Evaluation
  readonly clock: Clock
  readonly deadlineMs?: number
}

/** Intel publishes new evaluation data early for those who ask, later for everybody, and each number by its name. */
export type Evaluation = 'standard' | 'early' | number

/** Of one request. Below what a dial may take, so that a second source can still be asked. */
const requestMs = 5_000

const code = 'collateral-missing'
const apiPath = '/sgx/certification/v4/'

/** Fields in which an answer's issuer chain comes; version 3 had another name for one. */
const chainFields: Readonly<Record<Kind, readonly string[]>> = {
  'root-crl': [],
  'pck-crl': ['sgx-pck-crl-issuer-chain'],
  'tcb-info': ['tcb-info-issuer-chain', 'sgx-tcb-info-issuer-chain'],
  'qe-identity': ['sgx-enclave-identity-issuer-chain'],
}

/** What a status means there, beyond its HTTP meaning. */
const meanings: Readonly<Record<number, string>> = {
  400: 'does not understand the request',
  401: 'wants a key',
  403: 'does not want to serve us',
  404: 'does not have it',
  410: 'no longer has this evaluation data number',
  429: 'is asked too often',
  460: 'doubts the integrity of what it has',
  461: 'does not know this platform',
  462: 'has no certificates for this platform',
  500: 'failed',
  502: 'could not reach Intel',
  503: 'is not available',
}

/** A source over HTTP. */
export function serviceSource(options: ServiceOptions): Source {
  const { kind, at, clock, deadlineMs = requestMs } = options
  const stopping = new AbortController()
  return {
    name: `${kind} ${at}`,
    local: false,
    async ask(want) {
      const got = await get(urlOf(want, options), {
        clock,
        deadlineMs,
        maxBytes: maxBytes[want.kind],
        anyCertificate: kind === 'pccs',
        signal: stopping.signal,
      })
      if (got.status !== 200) throw new Fault(code, refusal(got.status))
      return [answerOf(want, got)]
    },
    stop: () => stopping.abort(),
  }
}

/** @throws TypeError for an address that is none: the policy's reader has refused it before */
export function urlOf(want: Want, { kind, at, rootCrlAt, evaluation }: ServiceOptions): URL {
  const base = baseOf(at)
  const route = (path: string, query: Readonly<Record<string, string>>): URL => {
    const url = new URL(path, base)
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value)
    return url
  }
  switch (want.kind) {
    case 'root-crl':
      return rootCrlAt === undefined ? route('rootcacrl', {}) : new URL(rootCrlAt)
    case 'pck-crl':
      // Without it Intel answers in PEM and a PCCS in hex; all three are read.
      return route('pckcrl', { ca: want.ca, encoding: 'der' })
    case 'tcb-info':
      return route('tcb', { fmspc: want.fmspc, ...evaluationQuery(evaluation, kind) })
    case 'qe-identity':
      return route('qe/identity', evaluationQuery(evaluation, kind))
  }
}

/** A PCCS takes its values in capitals only. */
function evaluationQuery(evaluation: Evaluation, kind: ServiceOptions['kind']): Readonly<Record<string, string>> {
  if (evaluation === 'standard') return {}
  if (typeof evaluation === 'number') return { tcbEvaluationDataNumber: String(evaluation) }
  return { update: kind === 'pcs' ? evaluation : evaluation.toUpperCase() }
}

function baseOf(at: string): URL {
  const url = new URL(at)
  if (url.pathname === '/') url.pathname = apiPath
  if (!url.pathname.endsWith('/')) url.pathname += '/'
  return url
}

function answerOf({ kind }: Want, got: Got): Answer {
  if (kind === 'root-crl') return { body: got.body, chain: new Uint8Array() }
  const value = chainFields[kind].map(name => got.header(name)).find(each => each !== undefined)
  if (value === undefined) throw new Fault(code, 'answers without an issuer chain')
  try {
    return { body: got.body, chain: new Uint8Array(Buffer.from(decodeURIComponent(value), 'latin1')) }
  } catch (cause) {
    throw new Fault(code, 'answers with an issuer chain that is not URL-encoded', { cause })
  }
}

function refusal(status: number): string {
  const meaning = status >= 300 && status < 400 ? 'redirects, which is not followed' : meanings[status]
  return meaning === undefined ? `answers ${status}` : `${meaning} (${status})`
}
