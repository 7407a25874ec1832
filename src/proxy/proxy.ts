// The wiring page of the role `proxy`: what is built, in which order it starts, and in which it leaves. Everything that
// starts pushes how it is closed; the drain runs that list backwards.

import type { Server } from 'node:net'
import type { QuoteSource } from '../attest/evidence.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import type { Log } from '../base/log.ts'
import { dangers, type Policy, weaknesses } from '../config/policy.ts'
import type { ProxyConfig } from '../config/proxy.ts'
import { makeDialer } from '../engine/dial.ts'
import type { Engine, MakeEngine } from '../engine/engine.ts'
import { Deadlines } from '../gate/deadlines.ts'
import { Drain, type DrainOptions, drainDefaults } from '../gate/drain.ts'
import { makeGate } from '../gate/gate.ts'
import { inbound } from '../gate/inbound.ts'
import { newLife } from '../gate/life.ts'
import { Limiter, waitingPerWorking } from '../gate/limiter.ts'
import { misdirection } from '../gate/misdirection.ts'
import { Stats, windowMs } from '../gate/stats.ts'
import { answerProbe, notReady, ready } from '../health/probes.ts'
import { makeReadiness } from '../health/readiness.ts'
import { Keeper } from '../identity/keeper.ts'
import { makeMetrics } from '../observe/metrics.ts'
import { openRequestLog } from '../observe/request-log.ts'
import { autoscalerServer, drainServer, metricsServer } from './admin.ts'
import { Credentials } from './credentials.ts'
import { chooseSource, openTee } from './identity.ts'
import { bind, plainListener, tlsListener } from './listeners.ts'
import { openLog } from './log.ts'
import { makeJudge } from './upstream.ts'

export interface ProxyOptions {
  readonly config: ProxyConfig
  readonly policy: Policy
  /** 32 bytes. */
  readonly policyDigest: Uint8Array
  readonly makeEngine: MakeEngine
  readonly clock: Clock
  readonly version: string
  /** Where log lines go. */
  readonly write: (line: string) => unknown
  /** Where plain lines about failed readiness rounds go, as the Go proxy writes them. */
  readonly writeError: (line: string) => unknown
  readonly syntheticTee: (() => QuoteSource) | undefined
  /** Folders and times that tests move. */
  readonly attestationFolder?: string
  readonly certificateFolder?: string
  readonly drain?: DrainOptions
}

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

/** How long tunnels may outlive the drain. */
const tunnelMs = 60_000

type Step = readonly [name: string, close: () => void | Promise<void>]

/**
 * Starts everything; resolves when requests are served.
 * @throws Fault 'policy-invalid', 'tee-unavailable', 'bind-failed', or why there is no certificate. Nothing stays open.
 */
export async function startProxy(options: ProxyOptions): Promise<RunningProxy> {
  const { config, policy, clock, policyDigest } = options
  const digest = toHex(policyDigest)
  const steps: Step[] = []
  const closeAll = async (): Promise<void> => {
    for (const [, close] of steps.splice(0).reverse()) await close()
  }

  const log = openLog({ ...options, ...config })
  if (config.logging.unparsable) {
    log.warn('Failed to parse logging config - using default zap production config')
  }

  try {
    // Who we are, before any port is open: a policy that cannot be kept must not even look alive.
    const identity = { ...options, policy }
    const tee = openTee(identity)
    const source = await chooseSource(identity, tee)

    const life = newLife()
    const drain = new Drain(life, clock, options.drain ?? drainDefaults)
    const limiter = new Limiter(config.concurrency)
    const stats = new Stats(clock)
    const deadlines = new Deadlines(config.timeouts, clock)
    const servers = new Map<string, Server>()
    const metrics = makeMetrics({
      observability: config.observability,
      serving: config.serving,
      upstream: { port: config.ports.user, secure: policy.upstream.mode !== 'plaintext' },
      hosts: policy.hosts,
      inFlight: () => limiter.inFlight,
      limited: config.concurrency > 0,
      connections: () => connectionCount,
      info: {
        version: options.version,
        policy: policy.name,
        policy_digest: digest,
        upstream: policy.upstream.mode,
        tee: tee === undefined ? 'none' : tee.synthetic ? 'SYNTHETIC' : tee.tee,
      },
    })
    let connectionCount = 0
    const requestLog = openRequestLog(config.observability, config.serving, options.write, log)
    steps.push(['request log', requestLog.flush])

    log.info('Starting queue-proxy', {
      config: config.describe(),
      policy: policy.name,
      policyDigest: digest,
      upstream: policy.upstream.mode,
      tee: tee === undefined ? 'none' : tee.synthetic ? 'SYNTHETIC, NOT ATTESTED' : tee.tee,
      dangers: dangers(policy),
      weaknesses: weaknesses(policy),
    })
    if (config.concurrency > 0) {
      const [depth, most] = [config.concurrency * waitingPerWorking, config.concurrency]
      const parameters = `{QueueDepth:${depth}, MaxConcurrency:${most}, InitialCapacity:${most}}`
      log.info(`Queue container is starting with BreakerParams = queue.BreakerParams${parameters}`)
    }

    const credentials = new Credentials()
    const judge = makeJudge({
      policy,
      policyDigest: digest,
      clock,
      own: {
        mrenclave: tee && toHex(tee.mrenclave),
        leafSha256s: credentials.leafSha256s,
        credential: () => credentials.current,
      },
    })
    const host = '127.0.0.1'
    const refused: Parameters<typeof makeDialer>[0]['refused'] = reasons => {
      metrics.peerRefused(reasons.map(reason => reason.rule))
      log.error('container refused', { code: 'upstream-untrusted', reasons })
    }
    const dialer = makeDialer({ host, port: config.ports.user, clock, judge, refused })
    const plainDial = (to: string, port: number) =>
      makeDialer({ host: to, port, clock, judge: undefined, refused }).dial

    const askReadiness = makeReadiness({
      checks: config.readiness,
      dial: judge ? () => dialer.dial : plainDial,
      clock,
      verified: judge !== undefined,
      http2AutoDetection: config.http2AutoDetection,
      aggressiveTryMs: judge ? 1_000 : 100,
      failed: text => options.writeError(`${text}\n`),
    })

    const refuse = inbound(policy.inbound.plaintext)
    const gate = makeGate({
      clock,
      limiter,
      deadlines,
      stats,
      recorders: [...metrics.recorders, ...requestLog.recorders],
      log,
      explain: judge === undefined || policy.dangerSyntheticRoot !== undefined,
      life,
      drain,
      refuse(head) {
        const refusal = refuse(head)
        if (refusal) metrics.plaintextRefused()
        return refusal
      },
      misdirected: judge && misdirection({ service: policy.service, hosts: policy.hosts }),
      probe: head =>
        answerProbe(head, {
          draining: () => life.state !== 'serving' && life.state !== 'starting',
          starting: () => life.state === 'starting',
        }),
      askContainer: async () => ((await askReadiness()) ? ready : notReady),
      kubeletProbesPass: policy.inbound.plaintext === 'serve',
    })

    const anyToken = policy.upstream.upgrades[0] === '*'
    const engine: Engine = options.makeEngine(gate, {
      dialer,
      clock,
      authority: `${host}:${config.ports.user}`,
      upgrades: token => anyToken || policy.upstream.upgrades.includes(token),
      lenientWebSocket: anyToken,
      // Anybody can send it; where the policy knows our hosts, it was one of them or the request has been refused.
      honourOriginalHost: judge === undefined || policy.hosts.length > 0,
      strip: policy.inbound.strip,
      allowUnframed: judge === undefined || policy.upstream.allowUnframed,
      maxIdleUpstream: config.concurrency > 0 ? config.concurrency : 1000,
      idleConnectionMs: config.idleConnectionMs,
    })

    // Side ports first: they close last, so that the autoscaler sees the drain to its end.
    const listen = async (server: Server, port: number, name: string): Promise<void> => {
      await bind(server, port, name)
      log.info(`Starting http server ${name}:${port}`)
    }
    const side = async (server: Server, port: number, name: string): Promise<void> => {
      await listen(server, port, name)
      steps.push([
        name,
        () => {
          log.info(`Shutting down server: ${name}`)
          return closeServer(server)
        },
      ])
    }
    await side(drainServer(drain, metrics, log), config.ports.admin, 'admin')
    await side(autoscalerServer(config.serving.pod, stats), config.ports.autoscaler, 'metrics')
    if (config.observability.requestMetrics === 'prometheus') {
      await side(metricsServer(metrics), config.ports.metrics, 'user-metrics')
    }

    const stopTicks = clock.every(windowMs, () => stats.tick())
    steps.push(['stats', stopTicks])

    const open = async (server: Server, port: number, name: string): Promise<void> => {
      server.on('connection', socket => {
        connectionCount++
        socket.on('close', () => connectionCount--)
      })
      servers.set(name, server)
      await listen(server, port, name)
      steps.push([name, () => stopListening(server)])
    }
    steps.push(['engine', () => engine.destroy()])
    await open(plainListener(engine, config.maxConnections), config.ports.serving, 'main')

    if (source) {
      const tls = tlsListener(engine, config.maxConnections, config.tls)
      await open(tls.server, config.ports.tls, 'main tls')
      const keeper = new Keeper({
        source,
        clock,
        acceptForeignKey: policy.identity.dangerAcceptForeignKey,
        report(event) {
          if (event.event === 'credential-installed') {
            metrics.certificate(event.notAfter)
            log.info('certificate installed', { ...event })
          } else {
            metrics.certificateFailed()
            log.error('certificate trouble', { ...event })
          }
        },
      })
      steps.push(['keeper', () => keeper.stop()])
      credentials.follow(keeper, tls)
      keeper.start()
      await keeper.ready(source.name === 'files' ? credentialMs.mounted : credentialMs.quoted)
    }

    life.to('serving')

    return {
      log,
      async drain() {
        log.info('Received TERM signal, attempting to gracefully shutdown servers.')
        log.info('Sleeping 30s to allow K8s propagation of non-ready state')
        await drain.term()
        life.to('closing')
        for (const [name, server] of servers) {
          log.info(`Shutting down server: ${name}`)
          stopListening(server)
        }
        engine.drain()
        // Requests end by their deadlines; tunnels have none that is short.
        await engine.drained()
        await Promise.race([engine.closed(), new Promise<void>(resolve => clock.after(tunnelMs, resolve))])
        await closeAll()
        life.to('closed')
        log.info('Shutdown complete, exiting...')
      },
      abort: closeAll,
    }
  } catch (error) {
    await closeAll()
    throw error
  }
}

function stopListening(server: Server): void {
  server.close()
}

/** Closes a side port with whatever still hangs on it. */
function closeServer(server: Server): Promise<void> {
  return new Promise(resolve => {
    server.close(() => resolve())
    if ('closeAllConnections' in server && typeof server.closeAllConnections === 'function')
      server.closeAllConnections()
  })
}
