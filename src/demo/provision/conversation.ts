// How the tour speaks with a part of it that is a process of its own: a line with a command, a line of JSON with the answer.
// A part ends when its input does, so that none is left behind by whoever started it.

import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { describe } from '../../base/errors.ts'
import { type Child, startChild } from '../child.ts'

export type Answers = Readonly<Record<string, () => unknown>>

export interface Part {
  readonly child: Child
  /** @throws Fault 'internal' with what the process said, where it has gone */
  ask<T>(command: string): Promise<T>
  /** @returns its exit code */
  leave(): Promise<number | null>
}

/** @param url of the module that speaks when it is the program: `converse` */
export function startPart(name: string, url: string, args: readonly string[]): Part {
  const child = startChild(name, [fileURLToPath(url), ...args])
  let asked = 0
  return {
    child,
    async ask<T>(command: string) {
      const turn = asked++
      child.say(command)
      return JSON.parse(await child.until(`answer to "${command}"`, () => child.lines[turn])) as T
    },
    leave() {
      child.hangUp()
      return child.exit
    },
  }
}

/** The part's side: one answer after another until the input ends. */
export async function converse(answers: Answers): Promise<void> {
  for await (const command of createInterface({ input: process.stdin })) {
    const answer = new Promise<unknown>(resolve => resolve(answers[command]?.()))
    const said = await answer.catch(error => ({ problem: describe(error) }))
    process.stdout.write(`${JSON.stringify(said ?? {})}\n`)
  }
}
