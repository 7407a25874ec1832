// WebSockets, each with one message under way: what a byte through a tunnel costs. 64 bytes of payload, masked on the way
// out (RFC 6455 §5.3), unmasked on the way back.

import { randomBytes } from 'node:crypto'
import type { Socket } from 'node:net'
import { requestBytes } from '../requests.ts'
import type { Listener } from './connection.ts'
import type { Outcome } from './job.ts'
import { Many } from './many.ts'

const payloadBytes = 64
const answerBytes = 2 + payloadBytes
const binaryFinal = 0x82
const maskBit = 0x80

/** One frame; the same each time, as only its way is measured. */
function makeFrame(): Buffer {
  const mask = randomBytes(4)
  const payload = Buffer.alloc(payloadBytes, 'x').map((byte, i) => byte ^ (mask[i & 3] ?? 0))
  return Buffer.concat([Buffer.from([binaryFinal, maskBit | payloadBytes]), mask, payload])
}

export class WebSockets extends Many {
  readonly #frame = makeFrame()
  readonly #starts: (() => void)[] = []
  #running = false
  #messages = 0

  protected attend(socket: () => Socket, ready: () => void): Pick<Listener, 'opened' | 'read'> {
    const key = randomBytes(16).toString('base64')
    const upgrade = [
      'Connection: Upgrade',
      'Upgrade: websocket',
      'Sec-WebSocket-Version: 13',
      `Sec-WebSocket-Key: ${key}`,
    ]
    const request = requestBytes(this.job.shape, true, upgrade)
    const send = (): void => {
      if (this.#running) socket().write(this.#frame)
      else this.#starts.push(send)
    }
    let head: string | undefined = ''
    let missing = answerBytes
    return {
      opened: () => {
        socket().write(request)
      },
      read: (buffer, length) => {
        if (head !== undefined) {
          head += buffer.toString('latin1', 0, length)
          if (!head.includes('\r\n\r\n')) return
          if (!/^HTTP\/1\.1 101 /.test(head)) return this.fail(`want 101, got ${head.slice(0, 40)}`)
          head = undefined
          ready()
          return send()
        }
        missing -= length
        if (missing > 0) return
        this.#messages++
        missing = answerBytes
        send()
      },
    }
  }

  async go(seconds: number): Promise<Outcome> {
    this.#messages = 0
    this.errors = 0
    this.#running = true
    const began = performance.now()
    for (const start of this.#starts.splice(0)) start()
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    this.#running = false
    const took = (performance.now() - began) / 1_000
    return { requests: this.#messages, seconds: took, errors: this.errors, firstError: this.firstError }
  }
}
