// One try of one declared probe.

import { describe } from '../base/errors.ts'
import type { Check } from './checks.ts'
import { probeEither, probeHttp } from './http.ts'
import { deadline, type Means, reach } from './reach.ts'
import { joinHostPort, type Problem } from './words.ts'

export interface AttemptMeans extends Means {
  /** Http probes find out whether the container speaks HTTP/2. */
  readonly http2AutoDetection: boolean
}

/** Why it failed, or undefined. @param timeoutMs 0 is none, but for grpc */
export async function attempt(check: Check, timeoutMs: number, means: AttemptMeans): Promise<Problem> {
  try {
    return await run(check, timeoutMs, means)
  } catch (error) {
    return describe(error)
  }
}

async function run(check: Check, timeoutMs: number, means: AttemptMeans): Promise<Problem> {
  switch (check.kind) {
    case 'none':
      return 'no probe found'
    case 'exec':
      return 'exec probe not supported'
    case 'tcp':
      return tcp(check.host, check.port, timeoutMs, means)
    case 'http':
      return means.http2AutoDetection ? probeEither(check, timeoutMs, means) : probeHttp(check, timeoutMs, means)
    case 'grpc': {
      const { probeGrpc } = await import('./grpc.ts')
      return probeGrpc(check, timeoutMs, means)
    }
  }
}

/** A connection is enough; behind a verified dialer that is handshake and verdict. */
function tcp(host: string, port: number, timeoutMs: number, means: Means): Promise<Problem> {
  const until = timeoutMs > 0 ? deadline(timeoutMs, means.clock) : Number.POSITIVE_INFINITY
  // A handshake is no request: whatever the container speaks will do.
  return reach<Problem>({ host, port, offer: ['h2', 'http/1.1'] }, until, means, {
    use: (_socket, done) => done(undefined),
    failed: text => text,
    late: () => `dial tcp ${joinHostPort(host, port)}: i/o timeout`,
  })
}
