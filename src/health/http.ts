// An http probe (knative/serving pkg/queue/health/probe.go over net/http client.go): 200 to 399 is ready.
//
// Redirects are followed only towards a container in plaintext. A verified one must not send a request of ours, over its
// connection or another one, to where the policy does not say: there a redirect is an answer like any other.

import type { Check } from './checks.ts'
import { http1 } from './http1.ts'
import { deadline, type Means } from './reach.ts'
import {
  type Fields,
  type Get,
  keepsSecrets,
  redirects,
  resolve,
  targetOf,
  withoutSecrets,
  withReferer,
} from './target.ts'
import { type Problem, quoted } from './words.ts'

const maxRequests = 10

type HttpCheck = Extract<Check, { kind: 'http' }>

/** @param timeoutMs of each request with its redirects; 0 is none */
export function probeHttp(check: HttpCheck, timeoutMs: number, means: Means): Promise<Problem> {
  return ask(http1(means), check, check.headers, true, timeoutMs, means)
}

/**
 * Tries HTTP/2 first, without the declared fields. Where it is not spoken, HTTP/1.1 decides, also without them. Nothing is
 * remembered: a container that restarts may speak something else.
 */
export async function probeEither(check: HttpCheck, timeoutMs: number, means: Means): Promise<Problem> {
  const { http2 } = await import('./http2.ts')
  if ((await ask(http2(means), check, [], false, timeoutMs, means)) === undefined) {
    return ask(http2(means), check, check.headers, true, timeoutMs, means)
  }
  const problem = await ask(http1(means), check, [], false, timeoutMs, means)
  return problem && `failed to run HTTP protocol probe with error: ${problem}`
}

async function ask(
  get: Get,
  check: HttpCheck,
  declared: Fields,
  drain: boolean,
  timeoutMs: number,
  means: Means,
): Promise<Problem> {
  const until = timeoutMs > 0 ? deadline(timeoutMs, means.clock) : Number.POSITIVE_INFINITY
  const first = targetOf(check)
  let target = first
  let lasting = declared
  let fields = declared
  for (let sent = 1; ; sent++) {
    const answer = await get(target, fields, until, drain)
    if (typeof answer === 'string') return `Get ${quoted(target.text)}: ${answer}`
    const { status, location } = answer
    if (means.verified || !redirects(answer)) {
      return status >= 200 && status < 400 ? undefined : `HTTP probe did not respond Ready, got status code: ${status}`
    }
    const next = resolve(location, target)
    if (!next) return `Get ${quoted(target.text)}: failed to parse Location header ${quoted(location)}`
    if (sent === maxRequests) return `Get ${quoted(location)}: stopped after ${maxRequests} redirects`
    if (next.scheme !== 'http' && next.scheme !== 'https') {
      return `Get ${quoted(location)}: unsupported protocol scheme ${quoted(next.scheme)}`
    }
    // Once gone they do not come back, also where the way leads home again.
    if (!keepsSecrets(first, next)) lasting = withoutSecrets(lasting)
    fields = withReferer(lasting, target, next)
    target = next
  }
}
