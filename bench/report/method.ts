// How a result was taken, in words that its reader needs and that are true of this very run.

import { requestBytes, small } from '../requests.ts'
import type { Result } from '../result.ts'
import { exitCycles } from './tables.ts'

export function method({ method }: Result): readonly string[] {
  const head = requestBytes(small, true).length
  return [
    `All on one machine over the loopback interface: ${method.cores}. The load is a process of ours, the container behind every contender is another, the same for all; both are Node on raw sockets.`,
    `A request has ten header fields (${head} bytes), as one has that came through ingress and activator. Closed loops keep one request under way on each connection; connections stand and have been answered once before the clock starts.`,
    `Every contender is warmed for ${method.warmUpSeconds} s on each load (four times that after its start), then measured in ${method.rounds} rounds of ${method.seconds} s, in each round once and in random order (seed ${method.seed}). Only one is under load at any time; the others stand idle.`,
    'Processor time is that of all threads of the contender and of what it started, read from the kernel (schedstat) before and after each load. It is what a pod pays for, and it moves least when others use the machine. Where a core was not busy, rates are those of load and backend, not of the contender.',
    'Latencies are taken in an open loop: requests fall due at a fixed rate and each counts from when it was due, whether or not it could be sent (no coordinated omission). They include the lateness of the generator itself, which is in the raw result. HDR histograms, three significant figures.',
    'System calls are counted apart from the timed rounds, over a short and a long load, and the difference is taken, so that connecting and attaching are not in it.',
    'Figures are medians over rounds; intervals are 95 % by the percentile bootstrap; ratios are taken round by round. A difference is claimed only with five rounds or more, and only if the whole interval lies beyond 2 % and beyond what two copies of the same program differed by.',
    `Ours does a queue-proxy's work: it counts, limits where told to, sets Forwarded, keeps deadlines and metrics, and towards an attested container it verifies SYNTHETIC evidence on each new connection. nginx, HAProxy and http-proxy forward; towards TLS they verify nobody. All speak TLS 1.3 with AES-128-GCM (Go's takes the client's best), without session resumption. An exit is taken at ${exitCycles.toLocaleString('en-GB')} cycles.`,
  ]
}
