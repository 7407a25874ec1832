// The only place that opens a connection to the container, whoever wants one: an engine's pool, an upgrade, a readiness
// probe. A socket is handed over after its peer was judged, never before, so no byte of a request can reach somebody
// whom the policy does not accept.
//
// Node's own verdict (socket.authorized) is never read: on a resumed session it means nothing. Sessions are not resumed
// on this leg, so each connection shows a certificate and proves its key.

import { createHash } from 'node:crypto'
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net'
import { type SecureContext, TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Clock } from '../base/clock.ts'
import { describe, Fault, systemCode } from '../base/errors.ts'
import { peerChain } from '../base/peer-chain.ts'
import type { Verdict } from '../gate/contract.ts'
import { Answered, askChallenge, type Challenge, FirstReads } from './challenge.ts'

export interface Link {
  readonly socket: Socket
  readonly verdict: Verdict
  /** What the socket is read into, where the caller brought it; else it is read as a stream. */
  readonly intake?: OnReadOpts | undefined
  /** What the container chose of what was offered (ALPN); undefined on a plaintext leg, and where it chose nothing. */
  readonly protocol?: Protocol | undefined
}

/** As ALPN names them (RFC 7301 §6). */
export type Protocol = 'h2' | 'http/1.1'

export interface DialHow {
  /** Memory that is read into from the first byte on, without a stream between. */
  readonly intake?: OnReadOpts
  /** What is offered on a TLS leg, the best first; absent: `http/1.1`. */
  readonly offer?: readonly Protocol[]
  /** Asks a challenge where HTTP/2 was chosen; absent: where there is one, HTTP/1.1 alone is offered. */
  readonly askHttp2?: AskHttp2
}

/** Asks on a fresh connection, which speaks HTTP/2 from then on, and tells once: the answer's body, or what came instead. */
export type AskHttp2 = (socket: Socket, challenge: Challenge, done: (answer: Uint8Array | string) => void) => void

export interface Dialer {
  /** True where the leg is TLS and its peer judged. */
  readonly verified: boolean
  /**
   * Opens and judges one connection; calls back once, later, with a link or with why there is none. The returned function
   * gives up.
   */
  dial(done: (outcome: Link | Fault) => void, how?: DialHow): () => void
  /** Is a verdict still good for one more request? */
  valid(verdict: Verdict): boolean
}

export interface Reason {
  readonly rule: string
  readonly want: string
  readonly got: string
}

/** What a judge finds about the chain that a peer showed. */
export type Finding =
  | { readonly accepted: true; readonly until: number }
  | { readonly accepted: false; readonly reasons: readonly Reason[] }

/** What a rule finds about a chain at a time, in milliseconds since the epoch. */
export type Decide = (chain: readonly [Uint8Array, ...Uint8Array[]], at: number) => Finding | Promise<Finding>

/** A challenge that knows what counts as its answer. */
export interface JudgedChallenge extends Challenge {
  judge(answer: Uint8Array): Promise<Finding>
}

export interface Judge {
  /** @param chain DER, leaf first, as the peer sent it */
  judge(chain: readonly [Uint8Array, ...Uint8Array[]]): Promise<Finding>
  /** With our own certificate, where the policy says that the container gets to see one. */
  secureContext(): SecureContext
  /** True where the context holds the only CAs that count, so that OpenSSL refuses first. */
  readonly chainToContext: boolean
  /** Hex. */
  readonly policyDigest: string
  collateralGeneration(): number
  /**
   * What an accepted peer is asked on its connection before anything else; undefined where its certificate is enough.
   * @param leaf DER
   * @param exported what the connection's TLS exporter gives (RFC 8446 §7.5)
   */
  readonly challenge?:
    | ((leaf: Uint8Array, exported: (bytes: number, label: string, context: Buffer) => Buffer) => JudgedChallenge)
    | undefined
}

export interface DialOptions {
  readonly host: string
  readonly port: number
  /** Name that is asked for in the handshake (SNI); absent: none. Says nothing about whom is accepted. */
  readonly servername?: string
  readonly clock: Clock
  /** Undefined only where the policy says `plaintext`. */
  readonly judge: Judge | undefined
  /** Told of every refusal, with all its reasons. */
  readonly refused: (reasons: readonly Reason[]) => void
  /**
   * A certificate that has answered a challenge is not asked again for so long; absent: every connection is. For who sends
   * nothing that matters and would use up the container's quotes.
   */
  readonly freshForMs?: number
}

/** Connect, handshake and judgement together. */
const dialMs = 10_000

/** An answer to a challenge; the container may have to wait for its turn to be quoted. */
const answerMs = 5_000

const keepAliveMs = 5_000

const plaintextVerdict: Verdict = {
  leafSha256: '',
  policyDigest: '',
  collateralGeneration: 0,
  until: Number.POSITIVE_INFINITY,
}

export function makeDialer(options: DialOptions): Dialer {
  const { clock, judge } = options
  const answered = new Answered(clock, options.freshForMs ?? 0)
  return {
    verified: judge !== undefined,
    dial(done, how = {}) {
      try {
        const attempt = new Attempt(options, answered, done, how)
        return () => attempt.cancel()
      } catch (error) {
        return failLater(error, done)
      }
    },
    valid(verdict) {
      if (!judge) return true
      return (
        clock.now() < verdict.until &&
        verdict.policyDigest === judge.policyDigest &&
        verdict.collateralGeneration === judge.collateralGeneration()
      )
    },
  }
}

/** Not even begun, for want of a usable certificate of our own: told like any other failure, later. */
function failLater(error: unknown, done: (fault: Fault) => void): () => void {
  let wanted = true
  queueMicrotask(() => {
    if (wanted) done(error instanceof Fault ? error : new Fault('internal', describe(error)))
  })
  return () => {
    wanted = false
  }
}

/** One connection on its way to being handed over, or not. */
class Attempt {
  readonly #options: DialOptions
  readonly #answered: Answered
  readonly #done: (outcome: Link | Fault) => void
  readonly #intake: OnReadOpts | undefined
  readonly #offer: readonly Protocol[]
  readonly #askHttp2: AskHttp2 | undefined
  readonly #socket: Socket
  readonly #stopTimer: () => void
  readonly #onError = (error: Error): void => this.#broke(error)
  readonly #onClose = (): void => {
    if (this.#asked) this.#unanswered('a closed connection')
    else this.#settle(new Fault('upstream-closed', 'EOF'))
  }
  /** What is read before the hand-over, where there is anything to read. */
  readonly #firstReads: FirstReads | undefined
  #stopAnswerTimer = (): void => {}
  #asked = false
  #settled = false

  constructor(options: DialOptions, answered: Answered, done: (outcome: Link | Fault) => void, how: DialHow) {
    this.#options = options
    this.#answered = answered
    this.#done = done
    this.#intake = how.intake
    this.#askHttp2 = how.askHttp2
    // A challenge is asked in what the requests behind it are, so nothing is offered that it cannot be asked in.
    const askable = !options.judge?.challenge || how.askHttp2 !== undefined
    this.#offer = (askable ? how.offer : undefined) ?? ['http/1.1']
    this.#firstReads = how.intake && options.judge?.challenge && new FirstReads(how.intake)
    const { host, port, judge, clock } = options
    this.#socket = judge ? this.#openTls(host, port, judge) : this.#openPlain(host, port)
    this.#socket.on('error', this.#onError)
    this.#socket.on('close', this.#onClose)
    this.#stopTimer = clock.after(dialMs, () =>
      this.#settle(new Fault('upstream-unreachable', `timed out dialing ${host}:${port}`)),
    )
  }

  cancel(): void {
    if (this.#settled) return
    this.#settled = true
    this.#discard()
  }

  #openPlain(host: string, port: number): Socket {
    const onread = this.#intake && { onread: this.#intake }
    const socket = connect({
      host,
      port,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      ...onread,
    })
    socket.once('connect', () => this.#settle({ socket, verdict: plaintextVerdict, intake: this.#intake }))
    return socket
  }

  #openTls(host: string, port: number, judge: Judge): Socket {
    const { servername } = this.#options
    const onread = this.#firstReads ?? this.#intake
    const socket = tlsConnect({
      host,
      port,
      secureContext: judge.secureContext(),
      rejectUnauthorized: judge.chainToContext,
      // Names are the judge's business; Node calls this only where it trusts the chain.
      checkServerIdentity: () => undefined,
      ALPNProtocols: [...this.#offer],
      // An address is no name (RFC 6066 §3).
      ...(servername !== undefined && isIP(servername) === 0 && { servername }),
      ...(onread && { onread }),
    })
    socket.setNoDelay(true)
    socket.setKeepAlive(true, keepAliveMs)
    socket.once('secureConnect', () => {
      // What reads the peer's certificates is Node's, and they are the peer's to choose.
      this.#judge(socket, judge).catch(error => this.#refuse(noJudgement(error).reasons))
    })
    return socket
  }

  async #judge(socket: TLSSocket, judge: Judge): Promise<void> {
    const generation = judge.collateralGeneration()
    // Asked here: Node ignores a minVersion beside a context of one's own.
    const version = socket.getProtocol()
    if (version !== 'TLSv1.3') {
      this.#refuse([{ rule: 'handshake', want: 'TLS 1.3 with a certificate', got: version ?? 'none' }])
      return
    }
    const chain = socket.isSessionReused() ? undefined : peerChain(socket)
    if (!chain) {
      const got = socket.isSessionReused() ? 'a resumed session' : 'none'
      this.#refuse([{ rule: 'certificate', want: 'a certificate, shown on this connection', got }])
      return
    }
    const finding = await found(() => judge.judge(chain))
    if (!finding.accepted) {
      this.#refuse(finding.reasons)
      return
    }
    const verdict: Verdict = {
      leafSha256: createHash('sha256').update(chain[0]).digest('hex'),
      policyDigest: judge.policyDigest,
      collateralGeneration: generation,
      until: finding.until,
    }
    if (this.#settled) return
    try {
      this.#challenge(socket, judge, chain[0], verdict)
    } catch (error) {
      this.#refuse(noJudgement(error).reasons)
    }
  }

  /** Where the judge asks no more, the connection is handed over. */
  #challenge(socket: TLSSocket, judge: Judge, leaf: Uint8Array, verdict: Verdict): void {
    if (!judge.challenge) {
      this.#handOver(socket, verdict)
      return
    }
    const askHttp2 = socket.alpnProtocol === 'h2' ? this.#askHttp2 : undefined
    // A server of HTTP/2 may begin (RFC 9113 §3.4).
    if (!askHttp2 && (this.#firstReads?.early || socket.readableLength > 0)) {
      this.#unanswered('bytes before it was asked')
      return
    }
    const challenge = judge.challenge(leaf, (...about) => socket.exportKeyingMaterial(...about))
    if (this.#answered.lately(verdict.leafSha256)) {
      this.#firstReads?.over()
      this.#handOver(socket, verdict)
      return
    }
    const { host, port, clock } = this.#options
    this.#asked = true
    this.#stopAnswerTimer = clock.after(answerMs, () => this.#unanswered(`none within ${answerMs / 1000} s`))
    const answered = (answer: Uint8Array | string): void => {
      if (this.#settled) return
      if (typeof answer === 'string') this.#unanswered(answer)
      else void found(() => challenge.judge(answer)).then(finding => this.#weigh(finding, verdict))
    }
    if (askHttp2) askHttp2(socket, challenge, answered)
    else askChallenge(socket, this.#firstReads, challenge, `${host}:${port}`, answered)
  }

  /** What the certificate's verdict comes to with the answer's. */
  #weigh(finding: Finding, verdict: Verdict): void {
    if (this.#settled) return
    if (!finding.accepted) {
      this.#refuse(finding.reasons)
      return
    }
    this.#answered.note(verdict.leafSha256)
    const until = Math.min(verdict.until, finding.until)
    this.#handOver(this.#socket as TLSSocket, { ...verdict, until })
  }

  #handOver(socket: TLSSocket, verdict: Verdict): void {
    const protocol = this.#offer.find(each => each === socket.alpnProtocol)
    this.#settle({ socket, verdict, intake: this.#intake, protocol })
  }

  #unanswered(got: string): void {
    this.#refuse([{ rule: 'challenge', want: 'an answer', got }])
  }

  #refuse(reasons: readonly Reason[]): void {
    if (this.#settled) return
    this.#options.refused(reasons)
    const text = reasons.map(({ rule, want, got }) => `${rule}: want ${want}, got ${got}`).join('; ')
    this.#settle(new Fault('upstream-untrusted', text))
  }

  #broke(error: Error): void {
    const { host, port } = this.#options
    const code = systemCode(error)
    if (code === 'ECONNREFUSED') {
      this.#settle(new Fault('upstream-refused', `dial tcp ${host}:${port}: connect: connection refused`))
    } else if (code === 'ECONNRESET' || code === 'EPIPE') {
      this.#settle(new Fault('upstream-reset', `dial tcp ${host}:${port}: connection reset by peer`))
    } else if (code === 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL') {
      this.#settle(new Fault('upstream-malformed', `the container speaks none of ${this.#offer.join(', ')} (ALPN)`))
    } else if (this.#asked) {
      this.#unanswered(code ?? 'a broken connection')
    } else if (this.#socket instanceof TLSSocket && !this.#socket.connecting) {
      this.#refuse([{ rule: 'handshake', want: 'TLS 1.3 with a certificate', got: code ?? 'a failed handshake' }])
    } else {
      this.#settle(new Fault('upstream-unreachable', `dial tcp ${host}:${port}: ${code ?? 'failed'}`))
    }
  }

  #settle(outcome: Link | Fault): void {
    if (this.#settled) return
    this.#settled = true
    this.#stopTimer()
    this.#stopAnswerTimer()
    if (outcome instanceof Fault) {
      this.#discard()
    } else {
      this.#socket.off('error', this.#onError)
      this.#socket.off('close', this.#onClose)
    }
    this.#done(outcome)
  }

  #discard(): void {
    // The error listener stays: a late error of a discarded socket concerns nobody.
    this.#stopTimer()
    this.#stopAnswerTimer()
    this.#socket.destroy()
  }
}

/** What a judge finds; one that throws has accepted nobody. */
async function found(judgement: () => Promise<Finding>): Promise<Finding> {
  try {
    return await judgement()
  } catch (error) {
    return noJudgement(error)
  }
}

const noJudgement = (error: unknown) =>
  ({ accepted: false, reasons: [{ rule: 'internal', want: 'a judgement', got: describe(error) }] }) as const
