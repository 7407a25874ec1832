// Connections that have asked once and then say nothing: what a client costs that is merely there.

import type { Socket } from 'node:net'
import { requestBytes } from '../requests.ts'
import { Answers } from './answers.ts'
import type { Listener } from './connection.ts'
import type { Outcome } from './job.ts'
import { Many } from './many.ts'

export class Idle extends Many {
  protected attend(socket: () => Socket, ready: () => void): Pick<Listener, 'opened' | 'read'> {
    const answers = new Answers()
    return {
      opened: () => {
        socket().write(requestBytes(this.job.shape, true))
      },
      read: (buffer, length) => {
        if (answers.feed(buffer, length) === 0) return
        if (answers.bad + answers.refused > 0) this.fail('an answer that is not 2xx')
        else ready()
      },
    }
  }

  async go(seconds: number): Promise<Outcome> {
    await new Promise(resolve => setTimeout(resolve, seconds * 1_000))
    return { requests: this.standing, seconds, errors: this.errors, firstError: this.firstError }
  }
}
