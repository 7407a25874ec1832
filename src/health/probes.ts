// What probes are told. Health checks are known by their user agent, whatever the path (knative/serving pkg/queue/health,
// knative.dev/pkg/network/handlers/drain.go); anybody may ask for the echo of a hash. They are answered here: no slot,
// no statistics, no deadline.

import { header, isHealthCheck } from '../base/knative.ts'
import type { Reply, RequestHead } from '../gate/contract.ts'

/** 'asking' waits for the container's own readiness. */
export type ProbeAnswer = Reply | 'asking' | undefined

const text = [['Content-Type', 'text/plain; charset=utf-8']] as const
const errorHeaders = [...text, ['X-Content-Type-Options', 'nosniff']] as const

const shuttingDown: Reply = { status: 503, headers: errorHeaders, body: 'shutting down\n' }
const noHash: Reply = {
  status: 400,
  headers: errorHeaders,
  body: 'a probe request must contain a non-empty "K-Network-Hash" header\n',
}

/** The container is ready; the activator insists on exactly this body. */
export const ready: Reply = { status: 200, headers: text, body: 'queue' }
export const notReady: Reply = { status: 503, headers: [], body: '' }

export interface ProbeState {
  /** True from TERM (or a preStop hook) on: probes fail so that no new traffic is sent here. */
  readonly draining: () => boolean
  /** True until our own ports and credentials stand. */
  readonly starting: () => boolean
}

/** Answers a probe, or returns undefined where the request is none. */
export function answerProbe(head: RequestHead, state: ProbeState): ProbeAnswer {
  const probe = head.header(header.networkProbe)
  if (isHealthCheck(head.header('user-agent'))) {
    if (state.draining()) return shuttingDown
    if (probe !== 'queue') return unexpected(probe ?? '')
    return state.starting() ? notReady : 'asking'
  }
  if (probe !== 'probe') return undefined
  if (state.draining()) return shuttingDown
  const hash = head.header(header.networkHash)
  if (!hash) return noHash
  return { status: 200, headers: [['K-Network-Hash', hash]], body: '' }
}

function unexpected(value: string): Reply {
  return { status: 400, headers: errorHeaders, body: `unexpected probe header value: ${value}\n` }
}
