// The runner's side of the load process: one of ours, kept for the whole run, so that it is warm and a load may be as
// short as it likes.

import { Fault } from '../../src/base/errors.ts'
import type { Child, Children } from '../machine/children.ts'
import { type Cores, entry } from '../machine/place.ts'
import type { Job, Message, Outcome } from './job.ts'

/** Beyond the asked seconds: to connect, and to end. */
const slackMs = 30_000

export class Loader {
  readonly #child: Child

  /** @throws Fault 'internal' where it cannot be started */
  constructor(children: Children, cores: Cores | undefined) {
    this.#child = children.start({ file: process.execPath, args: [entry('load/client')], talks: true }, cores?.rest)
  }

  /** Connections stand and each has been answered once. @throws Fault 'internal' where they cannot */
  async prepare(job: Job): Promise<void> {
    await this.#ask({ verb: 'prepare', job }, slackMs)
  }

  /** @throws Fault 'internal' where the load process fails, or nothing was answered */
  async go(seconds: number): Promise<Outcome> {
    const outcome = (await this.#ask({ verb: 'go', seconds }, seconds * 1_000 + slackMs)) as Outcome
    if (!(outcome.requests > 0)) {
      throw new Fault('internal', `no request was answered rightly (${outcome.errors} errors: ${outcome.firstError})`)
    }
    return outcome
  }

  async close(): Promise<void> {
    await this.#ask({ verb: 'close' }, slackMs)
  }

  async #ask(message: Message, limitMs: number): Promise<unknown> {
    const answer = await this.#child.ask(message, limitMs)
    if (typeof answer === 'object' && answer !== null && 'failed' in answer) {
      throw new Fault('internal', `load: ${answer.failed}`)
    }
    return answer
  }
}
