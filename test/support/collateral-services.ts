// Intel's PCS, a PCCS and Azure's cache in this process, over real HTTP, with what is odd about each, and a switch for
// everything that can be wrong with a service. Routes, fields and codings: Intel's PCS API version 4, and the PCCS of
// intel/SGXDataCenterAttestationPrimitives.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { CollateralWorld, Edition } from './collateral-world.ts'

/** What is wrong with a service; a number is the status that it answers with. */
export type Trouble =
  | 'nothing'
  | 'down'
  | 'slow'
  | 'garbage'
  | 'cut'
  | 'drip'
  | 'oversized'
  | 'redirect'
  | 'encoded'
  | 'unchained'
  | 'bad-chain'
  | 'no-crl'
  | 'silent-close'
  | number

interface Entry {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

export interface LabService {
  readonly url: string
  trouble: Trouble
  /** Paths with their queries, in order. */
  readonly requests: string[]
  /** Requests that are left without an answer. */
  holding(): number
  close(): void
}

type Answer = (url: URL) => Entry

const urlEncoded = (pem: Uint8Array): string => encodeURIComponent(Buffer.from(pem).toString())
const missing: Entry = { status: 404, headers: {}, body: Buffer.from('no cache data for this platform') }
const api = '/sgx/certification/v4/'

/** Starts a service on loopback. @param tls key and certificate, for https */
export async function startService(answer: Answer, tls?: ServerOptions): Promise<LabService> {
  const requests: string[] = []
  let held = 0
  const service = {
    url: '',
    trouble: 'nothing' as Trouble,
    requests,
    holding: () => held,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
  const handler = (request: IncomingMessage, response: ServerResponse): void => {
    requests.push(request.url ?? '')
    const spoiling = spoil(service.trouble, response)
    if (spoiling === 'held') {
      held++
      response.on('close', () => held--)
    }
    if (spoiling !== 'no') return
    const url = new URL(request.url ?? '', 'http://x')
    const wrong = service.trouble === 'no-crl' && /crl/i.test(url.pathname)
    const { status, headers, body } = wrong ? missing : answer(url)
    if (service.trouble === 'garbage' && status === 200) {
      response.writeHead(status, headers).end('<html>captive portal</html>')
    } else if (service.trouble === 'unchained' || service.trouble === 'bad-chain') {
      const chain = service.trouble === 'bad-chain' ? { 'TCB-Info-Issuer-Chain': '%E0%A4%A' } : {}
      response.writeHead(status, chain).end(body)
    } else response.writeHead(status, headers).end(body)
  }
  const server = tls ? createTlsServer(tls, handler) : createServer(handler)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  server.unref()
  service.url = `${tls ? 'https' : 'http'}://127.0.0.1:${(server.address() as AddressInfo).port}`
  return service
}

/** What is wrong before anything is looked up: an answer of its own, or none. */
function spoil(trouble: Trouble, response: ServerResponse): 'no' | 'answered' | 'held' {
  const answers: Partial<Record<Trouble, () => unknown>> = {
    down: () => response.socket?.resetAndDestroy(),
    'silent-close': () => response.socket?.destroy(),
    redirect: () => response.writeHead(302, { Location: 'http://127.0.0.1:1/' }).end(),
    encoded: () => response.writeHead(200, { 'Content-Encoding': 'gzip' }).end('x'),
    oversized: () => flood(response),
    cut() {
      response.writeHead(200, { 'Content-Length': '100' })
      response.write('half', () => response.socket?.destroy())
    },
  }
  if (trouble === 'slow') return 'held'
  if (trouble === 'drip') {
    response.writeHead(200)
    response.write('{')
    return 'held'
  }
  if (typeof trouble === 'number') response.writeHead(trouble, { 'Error-Message': 'x' }).end('no')
  else if (answers[trouble]) answers[trouble]()
  else return 'no'
  return 'answered'
}

function flood(response: ServerResponse): void {
  response.writeHead(200)
  const chunk = Buffer.alloc(65_536, '{')
  const more = (): void => {
    while (!response.destroyed && response.write(chunk));
    if (!response.destroyed) response.once('drain', more)
  }
  more()
}

/** Which truths Intel publishes now. */
export interface Numbers {
  readonly standard: number
  readonly early: number
}

/** Intel's own service. Its list of the root lies on another host, which is this one here. */
export function pcs(world: CollateralWorld, now: () => number, numbers: () => Numbers): Answer {
  return url => {
    const { standard, early } = numbers()
    const asked = url.searchParams.get('tcbEvaluationDataNumber')
    const update = url.searchParams.get('update')
    if (update !== null && (asked !== null || !/^(?:standard|early)$/.test(update))) return { ...missing, status: 400 }
    if (asked !== null && ![standard, early].includes(Number(asked))) return { ...missing, status: 410 }
    const edition = world.edition(now(), asked === null ? (update === 'early' ? early : standard) : Number(asked))
    if (url.pathname === '/IntelSGXRootCA.der') return { status: 200, headers: {}, body: edition.rootCrl }
    if (url.pathname === `${api}pckcrl`) return list(edition, url, false)
    return document(world, edition, url) ?? missing
  }
}

/** A list: Intel's is PEM, a PCCS's hex, unless DER is asked for. */
function list(edition: Edition, url: URL, hex: boolean): Entry {
  const ca = url.searchParams.get('ca')
  if (ca !== 'platform' && ca !== 'processor') return { ...missing, status: 400 }
  const der = Buffer.from(edition.pckCrl(ca))
  const pem = `-----BEGIN X509 CRL-----\n${der.toString('base64').replace(/.{64}/g, '$&\n')}\n-----END X509 CRL-----\n`
  const body = url.searchParams.get('encoding') === 'der' ? der : Buffer.from(hex ? der.toString('hex') : pem)
  const headers = {
    'SGX-PCK-CRL-Issuer-Chain': urlEncoded(edition.caChain(ca)),
    'Content-Type': 'application/x-pem-file',
  }
  return { status: 200, headers, body }
}

function document(world: CollateralWorld, edition: Edition, url: URL): Entry | undefined {
  const chain = urlEncoded(edition.signingChain)
  if (url.pathname === `${api}qe/identity`) {
    return { status: 200, headers: { 'SGX-Enclave-Identity-Issuer-Chain': chain }, body: edition.qeIdentity }
  }
  const fmspc = url.searchParams.get('fmspc')?.toLowerCase() ?? ''
  if (url.pathname !== `${api}tcb` || !world.fmspcs.includes(fmspc)) return undefined
  return { status: 200, headers: { 'TCB-Info-Issuer-Chain': chain }, body: edition.tcbInfo(fmspc) }
}

/**
 * A data centre's cache. It asks Intel once a day for whatever it has, keeps that where Intel is away, and never looks at
 * a date.
 * @param asOf when it last reached Intel
 */
export function pccs(world: CollateralWorld, asOf: () => number, numbers: () => Numbers): Answer {
  return url => {
    const update = url.searchParams.get('update')
    if (update !== null && !/^(?:STANDARD|EARLY)$/.test(update)) return { ...missing, status: 400 }
    const edition = world.edition(asOf(), update === 'EARLY' ? numbers().early : numbers().standard)
    if (url.pathname === `${api}rootcacrl`) {
      // Hex, whatever the type says.
      const body = Buffer.from(Buffer.from(edition.rootCrl).toString('hex'))
      return { status: 200, headers: { 'Content-Type': 'application/pkix-crl' }, body }
    }
    if (url.pathname === `${api}pckcrl`) return list(edition, url, true)
    return document(world, edition, url) ?? missing
  }
}
