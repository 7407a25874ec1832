// Evidence for a function: a certificate of the enclave's own for a Node server, renewed in time, and the door for those
// who may call. It fails closed: no evidence, no start; no certificate, no handshake; no verdict about a client, no byte
// of its request.

import { constants } from 'node:crypto'
import { Server, type TLSSocket } from 'node:tls'
import { readCertificate } from '../attest/certificate.ts'
import type { QuoteSource } from '../attest/evidence.ts'
import { openQuoteSource, realTeePresent } from '../attest/source.ts'
import { toHex } from '../base/bytes.ts'
import { type Clock, systemClock } from '../base/clock.ts'
import { describe, Fault } from '../base/errors.ts'
import { floorClock } from '../base/floor.ts'
import { type Credential, type Standing, withKeyPem } from '../identity/credential.ts'
import { Keeper, type KeeperEvent } from '../identity/keeper.ts'
import { Answerer } from './answerer.ts'
import { answersChallenges } from './challenges.ts'
import { type Door, makeDoor } from './clients.ts'
import { type Anchor, evidenceJudge, intelAnchor } from './judge.ts'
import { type AttestOptions, type FunctionEvent, readOptions } from './options.ts'
import { openSource } from './source.ts'

/** A server's options: no key and no certificate, so that a server without protect() can serve nobody. */
export interface ServerTls {
  readonly requestCert: boolean
  /** Certificates are judged by their evidence and not by a chain. */
  readonly rejectUnauthorized: false
  readonly minVersion: 'TLSv1.3'
  readonly handshakeTimeout: number
  /** Of node:https: longer than the proxy keeps a connection that waits, as each new one may cost a quote. */
  readonly keepAliveTimeout: number
}

export interface Attestation {
  /** To be among the options with which the server is created. */
  readonly tls: ServerTls
  /**
   * Gives a server the certificate of the moment and each that follows, lets in only who may call, and answers
   * challenges where the server has a listener for `request`.
   * @param server of node:https, node:http2 (createSecureServer) or node:tls, created with `tls` among its options, not
   *   listening yet
   * @returns the same server
   * @throws Fault 'usage' for a server without TLS
   */
  protect<S extends Server>(server: S): S
  /** What a proxy's policy names under `policyDigests` to accept only a function with these options; hex. */
  readonly policyDigest: string
  /** What a proxy's policy names under `enclaves`; hex. */
  readonly mrenclave: string
  /** True where no hardware stands behind the evidence. */
  readonly synthetic: boolean
  /** Ends the renewal, when the server has closed; what it still served would go on until its certificate ends. */
  close(): Promise<void>
}

/** The first quote may have to wait for the platform, and the attesting CA for an operator. */
const firstMs = 60_000
const handshakeMs = 10_000
const keepAliveMs = 120_000

const context = {
  minVersion: 'TLSv1.3',
  honorCipherOrder: true,
  // A resumed session would show a certificate of which it proves nothing.
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** What only tests choose. */
export interface Surroundings {
  readonly clock?: Clock
  readonly attestationFolder?: string
}

/**
 * Opens the enclave's evidence and makes the first certificate.
 * @throws Fault 'policy-invalid' for options that do not fit, and for synthetic evidence beside a real TEE;
 *   'tee-unavailable' where there is no evidence to be had; 'issuer-unavailable', 'issuer-untrusted', 'issuer-refused',
 *   'issuer-malformed' where the attesting CA was named and gives no certificate within a minute
 */
export function attest(options: AttestOptions): Promise<Attestation> {
  return attestIn({}, options)
}

/** The same in other surroundings. */
export async function attestIn(surroundings: Surroundings, options: AttestOptions): Promise<Attestation> {
  const clock = floorClock(surroundings.clock ?? systemClock, 0)
  const quotes = openQuotes(options, surroundings.attestationFolder)
  const mrenclave = toHex(quotes.mrenclave)
  const settings = readOptions(options, mrenclave)
  const report = options.report ?? warn
  const claims = { role: 'workload', policyDigest: settings.policyDigest, service: settings.service } as const
  const anchorOf = anchors(options, report)
  const { certificates, issuedBy } = openSource({ settings, quotes, clock, anchorOf })
  const keeper = new Keeper({
    source: certificates,
    clock,
    report: event => report({ event: event.event, reason: textOf(event) }),
  })
  keeper.start()
  // Timers of the clock hold no process, and between two tries there is nothing else yet that would.
  const hold = setInterval(() => {}, firstMs)
  try {
    await keeper.ready(firstMs)
  } catch (error) {
    await keeper.stop()
    throw error
  } finally {
    clearInterval(hold)
  }
  const own = new OwnLeaves(keeper, clock)
  const answerer = new Answerer({ source: quotes, claims, clock, perSecond: settings.quotesPerSecond })
  const answers = answersChallenges({
    answerer,
    spkiOf: leaf => own.spkiOf(leaf),
    failed: reason => report({ event: 'challenge-failed', reason }),
  })
  const { clients, issuer } = settings
  const door =
    clients &&
    makeDoor({
      evidence: evidenceJudge(clients.rule, anchorOf(clients.directories), clock),
      issued: issuedBy && issuer && { by: issuedBy, service: issuer.service },
      clock,
      report,
    })
  return {
    tls: {
      requestCert: door !== undefined,
      rejectUnauthorized: false,
      minVersion: 'TLSv1.3',
      handshakeTimeout: handshakeMs,
      keepAliveTimeout: keepAliveMs,
    },
    policyDigest: toHex(settings.policyDigest),
    mrenclave,
    synthetic: quotes.synthetic,
    protect(server) {
      if (!(server instanceof Server)) throw new Fault('usage', 'protect: want a server of node:https, http2 or tls')
      show(server, keeper.standing)
      keeper.onChange(standing => show(server, standing))
      if (door) intercept(server, 'secureConnection', (pass, socket) => admit(door, socket as TLSSocket, pass))
      intercept(server, 'request', (_, request, response) =>
        answers(request as Parameters<typeof answers>[0], response as Parameters<typeof answers>[1]),
      )
      return server
    },
    close() {
      door?.close()
      return keeper.stop()
    },
  }
}

function openQuotes({ dangerSynthetic }: AttestOptions, folder: string | undefined): QuoteSource {
  if (dangerSynthetic) {
    if (realTeePresent(folder)) {
      throw new Fault('policy-invalid', 'attest: dangerSynthetic beside a real TEE; leave it out')
    }
    process.emitWarning('evidence is SYNTHETIC: no hardware stands behind it, only development may accept it', {
      type: 'PosternWarning',
      code: 'SYNTHETIC',
    })
    return dangerSynthetic.source
  }
  try {
    return openQuoteSource(folder)
  } catch (cause) {
    throw new Fault(
      'tee-unavailable',
      `attest: want an SGX enclave (Gramine, sgx.remote_attestation = "dcap"): ${describe(cause)}; ` +
        'to develop without one: dangerSynthetic, and postern/function/synthetic',
      { cause },
    )
  }
}

/** What evidence of others is judged against, for the directories that hold its collateral. */
function anchors(
  { dangerSynthetic }: AttestOptions,
  report: (event: FunctionEvent) => void,
): (directories: readonly string[]) => Anchor {
  if (dangerSynthetic) return () => ({ root: dangerSynthetic.root, collateral: undefined })
  return directories => intelAnchor(directories, report)
}

/** Where it has nothing to show it gets nothing, and handshakes fail. */
function show(server: Server, standing: Standing): void {
  if ('credential' in standing) withKeyPem(standing.credential, pem => server.setSecureContext({ ...context, ...pem }))
  else server.setSecureContext(context)
}

/** Events that `taken` takes reach no listener, whoever added it, before or after; or later, when it passes them on. */
function intercept(server: Server, name: string, taken: (pass: () => void, ...about: unknown[]) => boolean): void {
  const emit = server.emit.bind(server) as (event: string | symbol, ...about: unknown[]) => boolean
  server.emit = ((event: string | symbol, ...about: unknown[]) =>
    event === name && taken(() => emit(event, ...about), ...about) ? true : emit(event, ...about)) as Server['emit']
}

/** Nothing is read before the verdict; what has come by then, the server finds in the socket. */
function admit(door: Door, socket: TLSSocket, pass: () => void): true {
  const ignore = (): void => {}
  socket.on('error', ignore)
  void door.letsIn(socket).then(may => {
    if (!may) return
    socket.off('error', ignore)
    pass()
  })
  return true
}

/** The certificates that we have made and that have not ended, each with its key. */
class OwnLeaves {
  readonly #clock: Clock
  readonly #known = new Map<string, { readonly spki: Uint8Array; readonly notAfter: number }>()

  constructor(keeper: Keeper, clock: Clock) {
    this.#clock = clock
    const { standing } = keeper
    if ('credential' in standing) this.#add(standing.credential)
    keeper.onChange(next => {
      if (next.phase === 'ready') this.#add(next.credential)
    })
  }

  spkiOf(leaf: Uint8Array): Uint8Array | undefined {
    return this.#known.get(toHex(leaf))?.spki
  }

  #add({ chain: [leaf], notAfter }: Credential): void {
    for (const [name, known] of this.#known) if (known.notAfter <= this.#clock.now()) this.#known.delete(name)
    this.#known.set(toHex(leaf), { spki: readCertificate(leaf).spki, notAfter })
  }
}

function textOf(event: KeeperEvent): string {
  switch (event.event) {
    case 'credential-installed':
      return `certificate ${event.leafSha256} until ${new Date(event.notAfter).toISOString()}`
    case 'credential-renewal-failed':
      return `${event.code}: ${event.reason}`
    case 'credential-expired':
      return `certificate ${event.leafSha256} ended at ${new Date(event.notAfter).toISOString()}`
    case 'credential-listener-failed':
      return event.code
  }
}

/** What comes in the ordinary course of things, or whenever a stranger likes, is no warning. */
const quiet: readonly FunctionEvent['event'][] = ['credential-installed', 'collateral-in-force', 'client-refused']

function warn({ event, reason }: FunctionEvent): void {
  if (!quiet.includes(event)) process.emitWarning(`${event}: ${reason}`, { type: 'PosternWarning' })
}
