// The role `provision`: the attesting CA. Wires its key, its own evidence, the port that asks for certificates and a plain
// port for probes and metrics. It starts locked; what unlocks it is lock.ts, what it decides decision.ts.

import type { QuoteSource } from '../attest/evidence.ts'
import { toHex } from '../base/bytes.ts'
import type { Clock } from '../base/clock.ts'
import { describe } from '../base/errors.ts'
import { floorClock } from '../base/floor.ts'
import { closed, listen, plainText, sideServer } from '../base/http.ts'
import { knativeFormat, type Log, makeLog } from '../base/log.ts'
import type { News } from '../collateral/news.ts'
import type { ProvisionOptions } from '../config/provision.ts'
import { Keeper } from '../identity/keeper.ts'
import { selfSignedSource } from '../identity/sources/self-signed.ts'
import { makeIssuanceMetrics } from '../observe/issuances.ts'
import { Audit } from './audit.ts'
import { IssuingAuthority } from './authority.ts'
import { Ca } from './ca.ts'
import { Limits, type Rate } from './limits.ts'
import { makeRoutes } from './routes.ts'
import { caServer, type ServerTimes, serverTimes } from './server.ts'
import { trustIn } from './trust.ts'
import { TurnedAway } from './turned-away.ts'

export interface ProvisionRole {
  readonly options: ProvisionOptions
  /** Of the options' exact bytes: what our evidence names, 32 bytes. */
  readonly policyDigest: Uint8Array
  readonly tee: QuoteSource
  /** Where the CA's key is kept; undefined: in memory alone. */
  readonly keyFile?: string | undefined
  /** For whoever wants a certificate, HTTPS. 0: any that is free. */
  readonly port: number
  /** For probes and Prometheus, plain HTTP. 0: any that is free. */
  readonly sidePort: number
  readonly version: string
  readonly clock: Clock
  /** A moment that has certainly passed, in milliseconds since the epoch. */
  readonly builtAfter: number
  /** Receives whole lines, those of the audit log among them. */
  readonly write: (line: string) => void
  readonly times?: ServerTimes
  /** How often each address, and all of them together, may ask for a certificate. */
  readonly rates?: { readonly each: Rate; readonly all: Rate }
}

export interface RunningProvision {
  readonly port: number
  readonly sidePort: number
  /** Resolves when what was asked is answered and all is closed. Once; later calls wait for the first. */
  drain(): Promise<void>
}

const defaultRates = { each: { burst: 10, perSecond: 1 }, all: { burst: 200, perSecond: 100 } }
const unlockRates = { each: { burst: 5, perSecond: 0.2 }, all: { burst: 20, perSecond: 1 } }
/** The first quote may have to wait for the platform. */
const firstMs = 60_000
const ownLifetimeMs = 86_400_000
const metricsType = 'text/plain; version=0.0.4; charset=utf-8'

/** @throws Fault 'bind-failed'; 'tee-unavailable' and 'credential-invalid' where there is no evidence to show */
export async function startProvision(role: ProvisionRole): Promise<RunningProvision> {
  const { options, tee, version } = role
  const clock = floorClock(role.clock, role.builtAfter)
  const log = makeLog({
    level: 'info',
    common: { version },
    clock: role.clock,
    write: role.write,
    format: { ...knativeFormat, logger: 'postern-provision' },
  })
  const metrics = makeIssuanceMetrics({ version, name: options.name, tee: tee.synthetic ? 'SYNTHETIC' : tee.tee })
  let phase: 'starting' | 'serving' | 'draining' = 'starting'

  const authority = await IssuingAuthority.create({ ...options, keyFile: role.keyFile, clock })
  const audit = new Audit(clock, role.write)
  const ca = new Ca({
    options,
    authority,
    clock,
    audit,
    mrenclave: toHex(tee.mrenclave),
    trustFor: trustIn(options, clock, news => tellCollateral(log, news)),
  })
  const rates = role.rates ?? defaultRates
  const routes = makeRoutes({
    ca,
    certificateLimits: new Limits({ clock, ...rates }),
    unlockLimits: new Limits({ clock, ...unlockRates }),
    counted(outcome) {
      metrics.asked(outcome.outcome)
      if ('rules' in outcome) metrics.refused(outcome.rules)
    },
    statementRefused: () => metrics.refused(['statement']),
  })
  const turnedAway = new TurnedAway({ clock, audit, counted: metrics.refused })
  const main = caServer(
    routes,
    {
      failed: error => log.error('Request failed', { code: describe(error) }),
      turnedAway: (from, reason) => turnedAway.record(from, reason),
    },
    role.times ?? serverTimes,
  )
  const keeper = new Keeper({
    source: selfSignedSource({
      source: tee,
      role: 'provision',
      policyDigest: role.policyDigest,
      service: undefined,
      dnsNames: [],
      lifetimeMs: ownLifetimeMs,
      clock,
    }),
    clock,
    report: event => {
      if (event.event === 'credential-installed') metrics.certificate(event.notAfter)
      log[event.event === 'credential-installed' ? 'info' : 'error']('Certificate', { ...event })
    },
  })
  keeper.onChange(standing => {
    if (standing.phase === 'ready') main.show(standing.credential)
    else if (standing.phase === 'expired') main.refuse()
  })
  /** Undefined where it can issue. */
  const wanting = (): string | undefined => {
    if (phase !== 'serving') return phase
    if (!('credential' in keeper.standing)) return 'no certificate to show'
    if (ca.state.locked) return 'locked'
    if (authority.notAfter - clock.now() >= options.lifetimeMs) return undefined
    if (options.root) return "the CA's certificate ends: bring it another"
    return `the CA ends: start it anew${role.keyFile === undefined ? '' : ', without its key file'}`
  }
  const side = sideServer(
    { path: '/healthz', answer: () => plainText(200, 'ok\n') },
    {
      path: '/readyz',
      answer: () => {
        const missing = wanting()
        return missing === undefined ? plainText(200, 'ok\n') : plainText(503, `${missing}\n`)
      },
    },
    {
      path: '/metrics',
      async answer() {
        metrics.unlocked(ca.unlockedUntil)
        metrics.authority(authority.notAfter)
        return { status: 200, contentType: metricsType, body: await metrics.text() }
      },
    },
  )

  try {
    const sidePort = await listen(side, role.sidePort)
    keeper.start()
    await keeper.ready(firstMs)
    const port = await listen(main.server, role.port)
    phase = 'serving'
    if (options.key?.dangerPlainFile) log.warn("The CA's key lies in a PLAIN FILE: whoever reads it is the CA")
    if (tee.synthetic) log.warn('Evidence is SYNTHETIC: no hardware stands behind it')
    log.info('Serving', { port, sidePort, name: options.name, mrenclave: toHex(tee.mrenclave), ...ca.state })
    const end = async (): Promise<void> => {
      phase = 'draining'
      await closed(main.server)
      await keeper.stop()
      await closed(side)
    }
    let ended: Promise<void> | undefined
    return { port, sidePort, drain: () => (ended ??= end()) }
  } catch (error) {
    await keeper.stop()
    side.close()
    throw error
  }
}

function tellCollateral(log: Log, told: News): void {
  if (told.news === 'in-force') log.info('collateral in force', { what: told.what, source: told.source })
  else if (told.news === 'not-taken') log.error('collateral not taken', { what: told.what, reason: told.reason })
}
