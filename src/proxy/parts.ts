// What the role `proxy` is made of, put together in the order in which one thing needs another: gate, recorders, dialer,
// health, engine. Nothing here opens a port or starts a timer that holds the process; proxy.ts does.

import type { TimedQuoteSource } from '../attest/source.ts'
import { toHex } from '../base/bytes.ts'
import type { FloorClock } from '../base/floor.ts'
import type { Log } from '../base/log.ts'
import type { StartUp } from '../base/startup.ts'
import type { CollateralStore } from '../collateral/store.ts'
import type { Policy } from '../config/policy.ts'
import type { ProxyConfig } from '../config/proxy.ts'
import { type Dialer, makeDialer, type Reason } from '../engine/dial.ts'
import { dialUnused } from '../engine/dial-unused.ts'
import type { Engine, MakeEngine } from '../engine/engine.ts'
import { spellings } from '../engine/rewrite.ts'
import { bothVersions } from '../engine/versions.ts'
import type { Gate, Recorder, Reply } from '../gate/contract.ts'
import { Deadlines } from '../gate/deadlines.ts'
import { Drain, type DrainOptions, drainDefaults } from '../gate/drain.ts'
import { makeGate } from '../gate/gate.ts'
import { inbound } from '../gate/inbound.ts'
import { type Life, newLife } from '../gate/life.ts'
import { Limiter } from '../gate/limiter.ts'
import { misdirection } from '../gate/misdirection.ts'
import { clientExpired } from '../gate/replies.ts'
import { Stats } from '../gate/stats.ts'
import { answerProbe, notReady, ready } from '../health/probes.ts'
import type { Dial, Means, Offer } from '../health/reach.ts'
import { makeReadiness } from '../health/readiness.ts'
import type { IssuedBy } from '../identity/issued-by.ts'
import { type Metrics, makeMetrics } from '../observe/metrics.ts'
import { openRequestLog, type RequestLog } from '../observe/request-log.ts'
import type { Credentials } from './credentials.ts'
import type { IssuerPart } from './issued.ts'
import { makeJudge, peerJudge, type UpstreamOptions } from './upstream.ts'

export interface PartsOptions {
  readonly config: ProxyConfig
  readonly policy: Policy
  /** 32 bytes. */
  readonly policyDigest: Uint8Array
  readonly makeEngine: MakeEngine
  readonly clock: FloorClock
  readonly version: string
  /** Where log lines go. */
  readonly write: (line: string) => unknown
  /** Where plain lines about failed readiness rounds go, as the Go proxy writes them. */
  readonly writeError: (line: string) => unknown
  readonly drain?: DrainOptions
  /** Where the time of the start goes; counted from here where absent. */
  readonly startUp?: StartUp
}

/** What judges look at that changes while the role runs: theirs are the container, the issuer and clients. */
export interface Standing {
  /** Ours. */
  readonly credentials: Credentials
  /** Undefined where the policy needs or names none. */
  readonly collateral: CollateralStore | undefined
  /** Whom the attesting CA vouches for; undefined where the policy names none. */
  readonly issuedBy: IssuedBy | undefined
}

export interface Parts {
  readonly life: Life
  readonly drain: Drain
  readonly stats: Stats
  readonly metrics: Metrics
  readonly requestLog: RequestLog
  readonly engine: Engine
  /** Open client connections, kept by whoever accepts them. */
  readonly connections: { count: number }
}

/** The container is where Knative puts it: in this pod. Only its port is the host's word. */
const containerHost = '127.0.0.1'

/** Connections to the container that are kept where no limit says how many can be needed (Go: MaxIdleConns). */
const unlimitedIdle = 1000

/** Probes come every second and carry nothing; the container's quotes are for those who bring requests. */
const probeFreshMs = 10_000

/** One try of an aggressive probe: Go's 100 ms, or what a handshake and a verdict may take. */
const tryMs = { plain: 100, verified: 1_000 } as const

export function makeParts(
  options: PartsOptions,
  tee: TimedQuoteSource | undefined,
  standing: Standing,
  log: Log,
): Parts {
  const { config, policy, clock } = options
  const { credentials, collateral } = standing
  const life = newLife()
  const drain = new Drain(life, clock, options.drain ?? drainDefaults)
  const limiter = new Limiter(config.concurrency)
  const stats = new Stats(clock)
  const connections = { count: 0 }
  const metrics = makeMetrics({
    observability: config.observability,
    serving: config.serving,
    upstream: { port: config.ports.user, secure: policy.upstream.mode !== 'plaintext' },
    hosts: policy.hosts,
    inFlight: () => limiter.inFlight,
    limited: config.concurrency > 0,
    connections: () => connections.count,
    ...(tee ? { evidenceMadeAt: () => tee.quotedAt() } : {}),
    ...(collateral ? { collateral: () => collateral.standing } : {}),
    clockBehind: () => clock.behind(),
    info: {
      version: options.version,
      policy: policy.name,
      policy_digest: toHex(options.policyDigest),
      upstream: policy.upstream.mode,
      tee: tee === undefined ? 'none' : tee.synthetic ? 'SYNTHETIC' : tee.tee,
    },
  })
  const requestLog = openRequestLog(config.observability, config.serving, options.write, log)
  const dialers = makeDialers(options, tee, standing, metrics, log)

  const gate = makeRoleGate({
    options,
    life,
    drain,
    limiter,
    stats,
    metrics,
    recorders: [...metrics.recorders, ...requestLog.recorders],
    log,
    verified: dialers.container.verified,
    askContainer: askContainer(options, dialers, credentials, log),
  })
  const makeEngine = bothVersions(options.makeEngine)
  const engine = makeEngine(gate, engineOptions(options, dialers.container, metrics))
  return { life, drain, stats, metrics, requestLog, engine, connections }
}

interface Dialers {
  readonly container: Dialer
  /** Where a readiness probe goes: always to the container where it is verified. */
  readonly probe: Means['dial']
}

/** What every judge of peers is made of. */
export function judging(
  { policy, policyDigest, clock }: Pick<PartsOptions, 'policy' | 'policyDigest' | 'clock'>,
  tee: TimedQuoteSource | undefined,
  { credentials, collateral, issuedBy }: Standing,
): UpstreamOptions {
  return {
    policy,
    policyDigest: toHex(policyDigest),
    clock,
    own: {
      mrenclave: tee && toHex(tee.mrenclave),
      leafSha256s: credentials.leafSha256s,
      credential: () => credentials.current,
    },
    collateral,
    issuedBy,
  }
}

/** The CA that the policy names: how it is reached, and what it tells. Undefined where the policy names none. */
export function issuerPart(peers: UpstreamOptions, log: Log): IssuerPart | undefined {
  const { policy, clock, issuedBy } = peers
  const { issuer } = policy.identity
  if (!issuer || !issuedBy) return undefined
  const { host, port, accept } = issuer
  const dialer = makeDialer({
    host,
    port,
    clock,
    judge: peerJudge(peers, accept, 'provision'),
    refused: reasons => log.error('certificate authority refused', { code: 'issuer-untrusted', reasons }),
  })
  return { dialer, issuedBy }
}

function makeDialers(
  options: PartsOptions,
  tee: TimedQuoteSource | undefined,
  standing: Standing,
  metrics: Metrics,
  log: Log,
): Dialers {
  const { config, clock } = options
  const judge = makeJudge(judging(options, tee, standing))
  const refused = (reasons: readonly Reason[]): void => {
    metrics.peerRefused(reasons.map(reason => reason.rule))
    log.error('container refused', { code: 'upstream-untrusted', reasons })
  }
  const authority = `${containerHost}:${config.ports.user}`
  const to = { host: containerHost, port: config.ports.user, clock, judge, refused }
  const container = makeDialer(to)
  const probing = makeDialer({ ...to, freshForMs: probeFreshMs })
  const probe = judge
    ? (_host: string, _port: number, offer: Offer): Dial =>
        done =>
          dialUnused(probing, offer, authority, done)
    : (host: string, port: number): Dial => makeDialer({ host, port, clock, judge: undefined, refused }).dial
  return { container, probe }
}

/** The container's own readiness, and ours: whoever has no valid certificate to show is not ready. */
function askContainer(
  { config, policy, clock, writeError, startUp }: PartsOptions,
  { container, probe }: Dialers,
  credentials: Credentials,
  log: Log,
): () => Promise<Reply> {
  const ask = makeReadiness({
    checks: config.readiness,
    dial: probe,
    clock,
    verified: container.verified,
    http2AutoDetection:
      config.http2AutoDetection || policy.upstream.protocol === 'auto' || policy.upstream.protocol === 'h2',
    aggressiveTryMs: container.verified ? tryMs.verified : tryMs.plain,
    failed: text => writeError(`${text}\n`),
  })
  return async () => {
    const { expired } = credentials
    if (expired !== undefined) return { ...notReady, body: `certificate expired: ${expired}\n` }
    if (!(await ask())) return notReady
    const milliseconds = startUp?.appReady()
    if (milliseconds) log.debug('Container ready', { milliseconds })
    return ready
  }
}

interface GateInputs {
  readonly options: PartsOptions
  readonly life: Life
  readonly drain: Drain
  readonly limiter: Limiter
  readonly stats: Stats
  readonly metrics: Metrics
  readonly recorders: readonly Recorder[]
  readonly log: Log
  readonly verified: boolean
  readonly askContainer: () => Promise<Reply>
}

function makeRoleGate({ options, life, metrics, verified, ...rest }: GateInputs): Gate {
  const { config, policy, clock } = options
  const refuse = inbound(policy.inbound.plaintext)
  const state = {
    draining: () => life.state !== 'serving' && life.state !== 'starting',
    starting: () => life.state === 'starting',
  }
  return makeGate({
    ...rest,
    clock,
    life,
    deadlines: new Deadlines(config.timeouts, clock),
    // A client learns what went wrong only where there is nothing to learn: no trust, or synthetic trust.
    explain: !verified || policy.dangerSyntheticRoot !== undefined,
    refuse(head) {
      const { client } = head.from
      if (client && clock.now() >= client.until) return clientExpired
      const refusal = refuse(head)
      if (refusal) metrics.plaintextRefused()
      return refusal
    },
    misdirected: misdirection({ service: policy.service, hosts: policy.hosts }),
    probe: head => answerProbe(head, state),
    // Anybody can say that it is one, and nobody passes the policy's own ceiling.
    kubeletProbesPass: policy.inbound.plaintext === 'serve' && policy.maxConcurrency === undefined,
  })
}

function engineOptions(
  { config, policy, clock }: PartsOptions,
  dialer: Dialer,
  metrics: Metrics,
): Parameters<MakeEngine>[1] {
  const { upgrades, allowUnframed } = policy.upstream
  const anyToken = upgrades[0] === '*'
  return {
    dialer,
    clock,
    authority: `${containerHost}:${config.ports.user}`,
    upgrades: token => anyToken || upgrades.includes(token),
    lenientWebSocket: anyToken,
    extendedConnect: policy.inbound.extendedConnect,
    // Anybody can send it; where the policy knows our hosts, it was one of them or the request has been refused.
    honourOriginalHost: !dialer.verified || policy.hosts.length > 0,
    // Whoever writes our own field is not us.
    strip: [...policy.inbound.strip, ...(policy.inbound.identityHeader ? [policy.inbound.identityHeader] : [])].map(
      spellings,
    ),
    identityHeader: policy.inbound.identityHeader,
    allowUnframed: !dialer.verified || allowUnframed,
    maxIdleUpstream: config.concurrency > 0 ? config.concurrency : unlimitedIdle,
    idleConnectionMs: config.idleConnectionMs,
    plaintext: policy.inbound.plaintext,
    protocol: policy.upstream.protocol,
    misbehaved: metrics.misbehaved,
  }
}
