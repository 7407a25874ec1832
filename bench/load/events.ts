// Streams of server-sent events. Each event carries the time at which the backend sent it, on the clock that all
// processes of a machine share, so that its delay is measured, not guessed.

import type { Socket } from 'node:net'
import { requestBytes } from '../requests.ts'
import type { Listener } from './connection.ts'
import type { Outcome } from './job.ts'
import { Recorder } from './latency.ts'
import { Many } from './many.ts'

const event = /data: (\d+)\n\n/g
const nsPerMs = 1_000_000

export class Events extends Many {
  #latency = new Recorder()
  #count = 0

  protected attend(socket: () => Socket, ready: () => void): Pick<Listener, 'opened' | 'read'> {
    const request = requestBytes(this.job.shape, true)
    let head: string | undefined = ''
    let rest = ''
    return {
      opened: () => {
        socket().write(request)
      },
      read: (buffer, length) => {
        const text = rest + buffer.toString('latin1', 0, length)
        rest = ''
        if (head !== undefined) {
          head += text
          if (!head.includes('\r\n\r\n')) return
          if (!/^HTTP\/1\.1 200 /.test(head)) return this.fail(`want 200, got ${head.slice(0, 40)}`)
          head = undefined
          return ready()
        }
        const now = process.hrtime.bigint()
        let end = 0
        for (const found of text.matchAll(event)) {
          this.#count++
          this.#latency.record(Number(now - BigInt(found[1] ?? '0')) / nsPerMs)
          end = found.index + found[0].length
        }
        // The beginning of an event whose end is still to come.
        rest = text.slice(end)
      },
    }
  }

  async go(seconds: number): Promise<Outcome> {
    this.#latency = new Recorder()
    this.#count = 0
    this.errors = 0
    const began = performance.now()
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    const latency = this.#latency.take()
    return {
      requests: this.#count,
      seconds: (performance.now() - began) / 1_000,
      errors: this.errors,
      firstError: this.firstError,
      ...(latency && { latency }),
    }
  }
}
