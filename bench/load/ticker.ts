// Wakes the loop at sub-millisecond times. Node's timers know whole milliseconds; a thread that sleeps in Atomics.wait
// does not, and costs nothing while it sleeps, where spinning would take the core from the backend beside it.

import { Worker } from 'node:worker_threads'

const code = `
const { parentPort, workerData: { flags, origin, began, gap } } = require('node:worker_threads')
const now = () => performance.timeOrigin + performance.now() - origin
for (let n = 0; Atomics.load(flags, 1) === 0; ) {
  const wait = began + n * gap - now()
  if (wait > 0.01) Atomics.wait(flags, 1, 0, wait)
  // What is due already needs no call of its own; nor does the next, while one is on its way.
  n = Math.max(n + 1, Math.ceil((now() - began) / gap))
  if (Atomics.exchange(flags, 0, 1) === 0) parentPort.postMessage(0)
}
`

export class Ticker {
  readonly #flags = new Int32Array(new SharedArrayBuffer(8))
  readonly #worker: Worker

  /**
   * @param began performance.now() of the first tick
   * @param gapMs between ticks; ticks that fall together are told once
   */
  constructor(began: number, gapMs: number, tick: () => void) {
    const workerData = { flags: this.#flags, origin: performance.timeOrigin, began, gap: gapMs }
    this.#worker = new Worker(code, { eval: true, workerData })
    this.#worker.on('message', () => {
      Atomics.store(this.#flags, 0, 0)
      tick()
    })
  }

  stop(): void {
    Atomics.store(this.#flags, 1, 1)
    Atomics.notify(this.#flags, 1)
  }
}
