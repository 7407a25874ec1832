// May it pass? enter() is the whole order of checks, top to bottom; it sees a head, opens no socket and reads no body.
// The order is that of knative/serving pkg/queue/sharedmain/handlers.go, but for the first step, which is ours.

import { header, isKubeletProbe } from '../base/knative.ts'
import type { Driver, Gate, Reply, RequestHead, Ticket } from './contract.ts'
import type { Drain } from './drain.ts'
import type { Refuse } from './inbound.ts'
import type { Life } from './life.ts'
import { full, serverOptions, starting } from './replies.ts'
import { Visit, type VisitParts } from './visit.ts'

export interface GateParts extends VisitParts {
  readonly life: Life
  readonly drain: Drain
  readonly refuse: Refuse
  /** Refuses what was meant for somebody else; undefined where the policy does not say who we are. */
  readonly misdirected?: Refuse | undefined
  /** Answers probes: a reply, 'asking' where the container has to be asked, undefined for everything else. */
  readonly probe: (head: RequestHead) => Reply | 'asking' | undefined
  /** The answer of the container's own readiness. */
  readonly askContainer: () => Promise<Reply>
  /**
   * Whether K-Kubelet-Probe lets a request past the limit and the statistics, as the Go proxy does for anybody. Where the
   * policy's limit protects an application that must not run twice at once, it does not.
   */
  readonly kubeletProbesPass: boolean
}

export function makeGate(parts: GateParts): Gate {
  const { life, drain, refuse, limiter, kubeletProbesPass } = parts

  function enter(head: RequestHead, driver: Driver): Ticket {
    const visit = new Visit(parts, head, driver)

    // 1. A port that may not serve answers bare probes only.
    const refusal = refuse(head)
    if (refusal) return visit.answer(refusal)

    // 2. Health checks never reach the container's line.
    const answer = parts.probe(head)
    if (answer === 'asking') return visit.answerLater(parts.askContainer())
    if (answer) return visit.answer(answer)

    // 3. Nothing is forwarded before we can show who we are.
    if (life.state === 'starting') return visit.answer(starting)

    // 4. `OPTIONS *` is meant for us; over HTTP/2 Go's server takes it for a request like any other.
    if (head.version !== '2' && head.method === 'OPTIONS' && head.target === '*') return visit.answer(serverOptions)

    // 5. What was meant for somebody else is not ours to forward.
    const elsewhere = parts.misdirected?.(head)
    if (elsewhere) return visit.answer(elsewhere)

    // 6. Real traffic postpones a quiet drain.
    drain.touch()
    if (kubeletProbesPass && isKubeletProbe(head.header('user-agent'), head.header(header.kubeletProbe))) {
      return visit.passes()
    }

    // 7. The autoscaler counts those who wait, and waiting spends their time.
    visit.countIn(head.header(header.proxyRequest) === 'activator')

    // 8. One of N, or in line, or turned away.
    const place = limiter.enter(visit)
    if (place === 'admitted') return visit.starts()
    if (place === 'full') return visit.answer(full)
    return visit.waits(place)
  }

  return { enter }
}
