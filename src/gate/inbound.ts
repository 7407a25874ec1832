// What a plaintext port answers where the policy does not let it serve: bare probes, and 421 for everything else. The
// list is closed. A request that only looks like a probe of the kubelet (K-Kubelet-Probe) is traffic; a body, an Upgrade
// or an Expect behind a probe's headers would be a way in.

import { header, isHealthCheck } from '../base/knative.ts'
import type { Reply, RequestHead } from './contract.ts'
import { plaintextRefused } from './replies.ts'

/** `probes-only` refuses, `serve` lets through. */
export type Plaintext = 'probes-only' | 'serve'

/** A refusal, or undefined where the request may go on. */
export type Refuse = (head: RequestHead) => Reply | undefined

const maxHash = 256
const visibleAscii = /^[\x21-\x7e]+$/

/** The rule for a policy's `inbound.plaintext`, chosen once. */
export function inbound(plaintext: Plaintext): Refuse {
  if (plaintext === 'serve') return () => undefined
  return head => (head.from.secure || isBareProbe(head) ? undefined : plaintextRefused)
}

function isBareProbe(head: RequestHead): boolean {
  if (head.method !== 'GET' && head.method !== 'HEAD') return false
  if (head.upgrade || head.header('upgrade') !== undefined || head.header('expect') !== undefined) return false
  if (head.header('transfer-encoding') !== undefined || head.header('content-length') !== undefined) return false
  if (isHealthCheck(head.header('user-agent'))) return true
  const hash = head.header(header.networkHash) ?? ''
  return (
    head.method === 'GET' &&
    head.header(header.networkProbe) === 'probe' &&
    hash.length <= maxHash &&
    visibleAscii.test(hash)
  )
}
