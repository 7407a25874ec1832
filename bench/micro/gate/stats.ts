// What the autoscaler's statistics cost a request.
// node bench/micro/gate/stats.ts [--json]

import { systemClock } from '../../../src/base/clock.ts'
import { Stats } from '../../../src/gate/stats.ts'
import { time } from '../harness.ts'

const stats = new Stats(systemClock)

time([
  {
    name: 'in and out',
    run() {
      stats.in(true)
      stats.out(true)
      return stats.concurrency
    },
  },
  {
    name: 'tick',
    run() {
      stats.tick()
      return stats.latest
    },
  },
])
