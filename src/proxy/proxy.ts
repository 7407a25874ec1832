// The role `proxy`: in which order it starts, and in which it leaves. Everything that starts pushes how it is closed; the
// drain runs that list backwards.

import type { Server } from 'node:net'
import type { QuoteSource } from '../attest/evidence.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { type FloorClock, floorClock } from '../base/floor.ts'
import type { Log } from '../base/log.ts'
import { StartUp } from '../base/startup.ts'
import { dangers, weaknesses } from '../config/policy.ts'
import type { Decide, Reason } from '../engine/dial.ts'
import { waitingPerWorking } from '../gate/limiter.ts'
import { windowMs } from '../gate/stats.ts'
import type { CertificateSource } from '../identity/credential.ts'
import { IssuedBy } from '../identity/issued-by.ts'
import { Keeper, type KeeperEvent } from '../identity/keeper.ts'
import type { Metrics } from '../observe/metrics.ts'
import { autoscalerServer, drainServer, metricsServer } from './admin.ts'
import { clientJudge } from './clients.ts'
import { openCollateral, tellCollateral } from './collateral.ts'
import { Credentials } from './credentials.ts'
import { chooseSource, openTee } from './identity.ts'
import { bind, type ClientJudge, plainListener, type TlsListener, tlsListener } from './listeners.ts'
import { openLog } from './log.ts'
import { issuerPart, judging, makeParts, type Parts, type PartsOptions, type Standing } from './parts.ts'
import { evidenceJudge } from './upstream.ts'

export interface ProxyOptions extends Omit<PartsOptions, 'clock'> {
  /** The host's. */
  readonly clock: Clock
  /** A moment that had passed when this was built, in milliseconds since the epoch: it is no earlier, whatever the host says. */
  readonly builtAfter: number
  readonly syntheticTee: (() => QuoteSource) | undefined
  /** Folders that tests move. */
  readonly attestationFolder?: string
  readonly certificateFolder?: string
}

/** The options, with the clock that everything is judged by. */
type Started = Omit<ProxyOptions, 'clock'> & { readonly clock: FloorClock }

export interface RunningProxy {
  readonly log: Log
  /** TERM: leaves service without losing a request; resolves when everything is closed. */
  drain(): Promise<void>
  /** Lets go of everything at once. */
  abort(): Promise<void>
}

/**
 * How long the first certificate may take. A quote is a round trip to another process, twice for the legacy extension;
 * mounted files are there or are not.
 */
const credentialMs = { quoted: 60_000, mounted: 1_000 } as const

/** Between two lines about refused clients. */
const refusedEveryMs = 1_000

/** How long tunnels may outlive the drain. */
const tunnelMs = 60_000

/** What has been started, newest last, and how each is closed. */
class Steps {
  #closers: (() => unknown)[] = []

  push(close: () => unknown): void {
    this.#closers.push(close)
  }

  async close(): Promise<void> {
    for (const close of this.#closers.splice(0).reverse()) await close()
  }
}

/**
 * Starts everything; resolves when requests are served.
 * @throws Fault 'policy-invalid', 'tee-unavailable', 'bind-failed', or why there is no certificate. Nothing stays open.
 */
export async function startProxy(given: ProxyOptions): Promise<RunningProxy> {
  const { config, startUp = new StartUp() } = given
  // Lines carry the host's time, as everybody else's on the node do; verdicts and certificates are judged by another.
  const log = openLog({ ...given, ...config })
  const clock = floorClock(given.clock, given.builtAfter)
  const options = { ...given, clock }
  if (config.logging.unparsable) {
    log.warn('Failed to parse logging config - using default zap production config')
  }
  const steps = new Steps()
  try {
    // Who we are, before any port is open: a policy that cannot be kept must not even look alive.
    const tee = openTee(options)
    // Tells nothing before it is started, which is behind everything that listens to it.
    const collateral = openCollateral(options.policy, clock, news => tell(news))
    const issuedBy = options.policy.identity.issuer && new IssuedBy(clock)
    const standing = { credentials: new Credentials(), collateral, issuedBy }
    const peers = judging(options, tee, standing)
    const evidenceOf = (accept: string): Decide => evidenceJudge(peers, accept)
    const source = chooseSource(options, tee, evidenceOf, issuerPart(peers, log))
    announce(options, tee, log)
    const parts = makeParts({ ...options, startUp }, tee, standing, log)
    const tell = tellCollateral(log, parts.metrics)
    steps.push(parts.requestLog.flush)
    collateral?.start()
    steps.push(() => collateral?.stop())
    log.debug('engine', { engine: parts.engine.name })

    // Side ports first: they close last, so that the autoscaler sees the drain to its end.
    await openSidePorts(options, parts, steps, log)
    steps.push(clock.every(windowMs, () => parts.stats.tick()))
    const { servers, tls } = await openServingPorts(
      options,
      parts,
      source !== undefined,
      judgeOfClients(options, parts, standing, evidenceOf, log),
      steps,
      log,
    )
    startUp.done('ports')
    if (source && tls) await showCertificate(options, parts, standing, source, tls, steps, log)
    parts.life.to('serving')
    startUp.done('ready')
    log.debug('Started', { milliseconds: startUp.end() })

    return {
      log,
      drain: () => leave(clock, parts, servers, steps, log),
      abort: () => steps.close(),
    }
  } catch (error) {
    await steps.close()
    throw error
  }
}

/** The first lines: what runs, under which policy, with which danger switched on. */
function announce({ config, policy, policyDigest, clock }: Started, tee: QuoteSource | undefined, log: Log): void {
  log.info('Starting queue-proxy', {
    config: config.describe(),
    policy: policy.name,
    policyDigest: toHex(policyDigest),
    ...(policy.signed && { signed: signedLine(policy.signed) }),
    upstream: policy.upstream.mode,
    tee: tee === undefined ? 'none' : tee.synthetic ? 'SYNTHETIC, NOT ATTESTED' : tee.tee,
    dangers: dangers(policy),
    weaknesses: weaknesses(policy),
  })
  if (clock.behind() > 0)
    log.error('the clock of the host is wrong', { behindSeconds: Math.round(clock.behind() / 1000) })
  for (const what of config.observability.declined) log.warn('asked for, and not done', { code: 'declined', what })
  const most = config.concurrency
  if (most === 0) return
  const parameters = `{QueueDepth:${most * waitingPerWorking}, MaxConcurrency:${most}, InitialCapacity:${most}}`
  log.info(`Queue container is starting with BreakerParams = queue.BreakerParams${parameters}`)
}

/** Whose signature is in force, for the first line. */
function signedLine({ part }: NonNullable<ProxyOptions['policy']['signed']>): object | string {
  if (part === undefined) return 'none'
  const { kid, service, serial, notAfter, grants } = part
  return { kid, service, serial, notAfter: new Date(notAfter).toISOString(), grants }
}

async function openSidePorts(
  { config }: Started,
  { drain, stats, metrics }: Parts,
  steps: Steps,
  log: Log,
): Promise<void> {
  const open = async (server: Server, port: number, name: string): Promise<void> => {
    await bind(server, port, name)
    log.info(`Starting http server ${name}:${port}`)
    steps.push(() => {
      log.info(`Shutting down server: ${name}`)
      return closeSide(server)
    })
  }
  await open(drainServer(drain, metrics, log), config.ports.admin, 'admin')
  await open(autoscalerServer(config.serving.pod, stats), config.ports.autoscaler, 'metrics')
  if (config.observability.requestMetrics === 'prometheus') {
    await open(metricsServer(metrics), config.ports.metrics, 'user-metrics')
  }
}

/** Who judges clients' certificates, where the policy asks for any. */
function judgeOfClients(
  { policy, clock }: Started,
  { metrics }: Parts,
  { credentials, collateral }: Standing,
  evidenceOf: (accept: string) => Decide,
  log: Log,
): ClientJudge | undefined {
  const { clients } = policy.inbound
  if (!clients) return undefined
  const { leafSha256s: ownLeafSha256s } = credentials
  let told = Number.NEGATIVE_INFINITY
  const refused = (reasons: readonly Reason[]): void => {
    metrics.clientRefused(reasons.map(({ rule }) => rule))
    // Anybody can be refused as often as he likes; the counter has them all.
    if (clock.monotonic() - told < refusedEveryMs) return
    told = clock.monotonic()
    log.warn('client refused', { code: 'client-untrusted', reasons })
  }
  const generation = (): number => collateral?.generation ?? 0
  return clientJudge({ clients, clock, evidenceOf, ownLeafSha256s, generation, refused })
}

interface ServingPorts {
  readonly servers: ReadonlyMap<string, Server>
  readonly tls: TlsListener | undefined
}

/** Binds the ports that carry requests. */
async function openServingPorts(
  { config, clock }: Started,
  { engine, connections }: Parts,
  secure: boolean,
  clients: ClientJudge | undefined,
  steps: Steps,
  log: Log,
): Promise<ServingPorts> {
  const servers = new Map<string, Server>()
  steps.push(() => engine.destroy())
  const open = async (server: Server, port: number, name: string): Promise<void> => {
    server.on('connection', socket => {
      connections.count++
      socket.on('close', () => connections.count--)
    })
    await bind(server, port, name)
    log.info(`Starting http server ${name}:${port}`)
    servers.set(name, server)
    steps.push(() => server.close())
  }

  await open(plainListener(engine, config.maxConnections), config.ports.serving, 'main')
  if (!secure) return { servers, tls: undefined }
  const tls = tlsListener(engine, config.maxConnections, config.tls, clients && { judge: clients, clock })
  await open(tls.server, config.ports.tls, 'main tls')
  return { servers, tls }
}

/** Lets the TLS port show what the source gives, now and later; waits for the first. */
async function showCertificate(
  { policy, clock }: Started,
  { metrics }: Parts,
  { credentials }: Standing,
  source: CertificateSource,
  tls: TlsListener,
  steps: Steps,
  log: Log,
): Promise<void> {
  const keeper = new Keeper({
    source,
    clock,
    acceptForeignKey: policy.identity.dangerAcceptForeignKey,
    report: event => reportCredential(event, metrics, log),
  })
  steps.push(() => keeper.stop())
  credentials.follow(keeper, tls)
  keeper.start()
  await keeper.ready(source.name === 'files' ? credentialMs.mounted : credentialMs.quoted)
}

function reportCredential(event: KeeperEvent, metrics: Metrics, log: Log): void {
  if (event.event === 'credential-installed') {
    metrics.certificate(event.notAfter)
    log.info('certificate installed', { ...event })
  } else {
    metrics.certificateFailed()
    log.error('certificate trouble', { ...event })
  }
}

/** The drain, from TERM to the last close. */
async function leave(
  clock: Clock,
  { life, drain, engine }: Parts,
  servers: ReadonlyMap<string, Server>,
  steps: Steps,
  log: Log,
): Promise<void> {
  log.info('Received TERM signal, attempting to gracefully shutdown servers.')
  log.info('Sleeping 30s to allow K8s propagation of non-ready state')
  await drain.term()
  life.to('closing')
  for (const [name, server] of servers) {
    log.info(`Shutting down server: ${name}`)
    server.close()
  }
  engine.drain()
  // Requests end by their deadlines; tunnels have none that is short.
  await engine.drained()
  await Promise.race([engine.closed(), new Promise<void>(resolve => clock.after(tunnelMs, resolve))])
  await steps.close()
  life.to('closed')
  log.info('Shutdown complete, exiting...')
}

/** Closes a side port with whatever still hangs on it. */
function closeSide(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    if ('closeAllConnections' in server && typeof server.closeAllConnections === 'function') {
      server.closeAllConnections()
    }
  })
}
