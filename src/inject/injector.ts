// The role `inject`: the mutating admission webhook, outside of any enclave. Wires a certificate that is mounted and
// replaced, the HTTPS port that the API server calls, and a plain port for probes and metrics. What it does to a pod is
// mutate.ts; nothing that an enclave's peers rely on depends on it.

import { performance } from 'node:perf_hooks'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { closed, listen, plainText, sideServer } from '../base/http.ts'
import { knativeFormat, makeLog } from '../base/log.ts'
import type { InjectOptions } from '../config/inject-shape.ts'
import { withKeyPem } from '../identity/credential.ts'
import { Keeper } from '../identity/keeper.ts'
import { files } from '../identity/sources/files.ts'
import { makeInjectionMetrics, metricsType } from '../observe/injections.ts'
import { answerReview } from './review.ts'
import { reviewServer } from './server.ts'

export interface InjectorOptions {
  readonly options: InjectOptions
  /** Folder with tls.crt and tls.key. */
  readonly certificates: string
  /** For the API server, HTTPS. 0: any that is free. */
  readonly port: number
  /** For probes and Prometheus, plain HTTP. 0: any that is free. */
  readonly sidePort: number
  readonly version: string
  readonly clock: Clock
  /** Receives whole lines. */
  readonly write: (line: string) => void
  /** Between two looks at the certificate. */
  readonly intervalMs?: number
  /** How long the start waits for a certificate. */
  readonly patienceMs?: number
}

export interface RunningInjector {
  readonly port: number
  readonly sidePort: number
  /** Fails readiness for as long as it takes Kubernetes to notice, then ends. Once; later calls wait for the first. */
  drain(quietMs?: number): Promise<void>
}

/** Endpoints take a few seconds to forget a pod. */
const defaultQuietMs = 5_000
const defaultPatienceMs = 60_000

/** @throws Fault 'bind-failed', 'credential-invalid' where no certificate comes in time */
export async function startInjector(given: InjectorOptions): Promise<RunningInjector> {
  const { options, clock, version } = given
  const log = makeLog({
    level: 'info',
    common: { version },
    clock,
    write: given.write,
    format: { ...knativeFormat, logger: 'postern-inject' },
  })
  const metrics = makeInjectionMetrics({ version, platform: options.platform })
  let phase: 'starting' | 'serving' | 'draining' = 'starting'

  const review = reviewServer(bytes => {
    const began = performance.now()
    try {
      const { body, outcome, subject, reasons } = answerReview(bytes, options)
      metrics.reviewed(outcome, (performance.now() - began) / 1000)
      if (outcome === 'denied') log.warn('Pod denied', { pod: subject, reasons })
      return body
    } catch (error) {
      metrics.reviewed('malformed', (performance.now() - began) / 1000)
      if (error instanceof Fault) log.warn('Review refused', { code: error.code, reason: error.message })
      throw error
    }
  })
  const keeper = new Keeper({
    source: files({ folder: given.certificates, clock, intervalMs: given.intervalMs ?? 10_000 }),
    clock,
    // The key is a Kubernetes Secret: what the webhook says is trusted by the cluster, and by no enclave.
    acceptForeignKey: true,
    report: event => {
      if (event.event === 'credential-installed') metrics.certificate(event.notAfter)
      else metrics.certificateFailed()
      log[event.event === 'credential-installed' ? 'info' : 'error']('Certificate', { ...event })
    },
  })
  keeper.onChange(standing => {
    if (standing.phase === 'ready') withKeyPem(standing.credential, pem => review.show(pem))
    else if (standing.phase === 'expired') review.refuse()
  })
  const ready = (): boolean => phase === 'serving' && 'credential' in keeper.standing
  const side = sideServer(
    { path: '/healthz', answer: () => plainText(200, 'ok\n') },
    { path: '/readyz', answer: () => (ready() ? plainText(200, 'ok\n') : plainText(503, 'not ready\n')) },
    { path: '/metrics', answer: async () => ({ status: 200, contentType: metricsType, body: await metrics.text() }) },
  )

  try {
    const sidePort = await listen(side, given.sidePort)
    keeper.start()
    await keeper.ready(given.patienceMs ?? defaultPatienceMs)
    const port = await listen(review.server, given.port)
    phase = 'serving'
    log.info('Serving', { port, sidePort, platform: options.platform })
    const end = async (quietMs: number): Promise<void> => {
      phase = 'draining'
      await new Promise<void>(resolve => clock.after(quietMs, resolve))
      await closed(review.server)
      await keeper.stop()
      await closed(side)
    }
    let ended: Promise<void> | undefined
    return { port, sidePort, drain: (quietMs = defaultQuietMs) => (ended ??= end(quietMs)) }
  } catch (error) {
    await keeper.stop()
    side.close()
    throw error
  }
}
