// The attesting CA's series. Nothing of a peer becomes a label.

import Counter from 'prom-client/lib/counter.js'
import Gauge from 'prom-client/lib/gauge.js'
import Registry from 'prom-client/lib/registry.js'

export const issuanceOutcomes = ['issued', 'refused', 'malformed', 'locked'] as const

export interface IssuanceMetrics {
  readonly asked: (outcome: (typeof issuanceOutcomes)[number]) => void
  /** Something was refused; counted once for each rule that it broke. */
  readonly refused: (rules: readonly string[]) => void
  /** @param until milliseconds since the epoch; null where it is locked */
  readonly unlocked: (until: number | null) => void
  /** @param notAfterMs milliseconds since the epoch */
  readonly authority: (notAfterMs: number) => void
  readonly certificate: (notAfterMs: number) => void
  readonly text: () => Promise<string>
}

export function makeIssuanceMetrics(info: Readonly<Record<'version' | 'name' | 'tee', string>>): IssuanceMetrics {
  const registers = [new Registry()]
  const asked = new Counter({
    name: 'postern_provision_requests_total',
    help: 'Requests for certificates by what came of them',
    labelNames: ['outcome'],
    registers,
  })
  // From zero, so that the first refusal is a rise.
  for (const outcome of issuanceOutcomes) asked.inc({ outcome }, 0)
  const refused = new Counter({
    name: 'postern_provision_refused_total',
    help: 'Requests for certificates and statements refused, by the rule that was broken',
    labelNames: ['rule'],
    registers,
  })
  const gauge = (name: string, help: string) => new Gauge({ name: `postern_provision_${name}`, help, registers })
  const locked = gauge('locked', '1 while an operator has to unlock it')
  const until = gauge(
    'unlocked_until_timestamp_seconds',
    'When an operator has to unlock it again; 0 where it is locked',
  )
  const authority = gauge('authority_not_after_timestamp_seconds', "When the CA's own certificate ends")
  const certificate = gauge('certificate_not_after_timestamp_seconds', 'When the certificate that it shows ends')
  new Gauge({ name: 'postern_provision_info', help: 'What runs', labelNames: Object.keys(info), registers }).set(
    info,
    1,
  )
  return {
    asked: outcome => asked.inc({ outcome }),
    refused: rules => {
      for (const rule of new Set(rules)) refused.inc({ rule })
    },
    unlocked: ms => {
      locked.set(ms === null ? 1 : 0)
      until.set((ms ?? 0) / 1000)
    },
    authority: ms => authority.set(ms / 1000),
    certificate: ms => certificate.set(ms / 1000),
    text: () => registers[0]?.metrics() ?? Promise.resolve(''),
  }
}
