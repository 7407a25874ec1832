// What has come on a socket, one character a byte, and waiting for more of it.

import type { Socket } from 'node:net'
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises'
import type { Random } from './random.ts'

export class Inbox {
  text = ''
  /** Nothing more comes. */
  over = false
  /** The other side ended its direction as it should. */
  clean = false
  #waiting: (() => void)[] = []

  constructor(socket: Socket) {
    socket.setEncoding('latin1')
    socket.on('data', (text: string) => {
      this.text += text
      this.changed()
    })
    socket.on('end', () => {
      this.clean = true
      this.#end()
    })
    socket.on('error', () => {
      this.clean = false
      this.#end()
    })
    socket.on('close', () => this.#end())
  }

  #end(): void {
    this.over = true
    this.changed()
  }

  /** Lets everybody look again who waits. */
  changed(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  /** What `look` finds, as soon as it does; undefined where it cannot any more. */
  async until<T>(look: () => T | undefined): Promise<T | undefined> {
    for (;;) {
      const found = look()
      if (found !== undefined || this.over) return found
      await new Promise<void>(resolve => this.#waiting.push(resolve))
    }
  }
}

/** A moment, of random length; often none. */
export async function breathe(random: Random): Promise<void> {
  if (random.oneIn(2)) return
  if (random.oneIn(2)) await turn()
  else await sleep(random.below(3))
}

/** Sends in random pieces until it is done or the socket is gone. */
export async function dribble(random: Random, socket: Socket, text: string): Promise<void> {
  for (const piece of random.oneIn(3) ? [text] : random.pieces(text, 6)) {
    if (!socket.writable) return
    socket.write(piece, 'latin1')
    await breathe(random)
  }
}

/** Does not read for a moment. */
export async function doze(random: Random, socket: Socket): Promise<void> {
  socket.pause()
  await sleep(random.below(8))
  if (!socket.destroyed) socket.resume()
}
