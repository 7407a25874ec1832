// A command line without a process: arguments in, exit code and text out.

import { readFileSync } from 'node:fs'
import { Fault } from '../../src/base/errors.ts'
import { parseCommand } from '../../src/cli/args.ts'
import { evidenceVerbs } from '../../src/cli/verbs.ts'

export interface Answer {
  /** 64 for a usage fault, 1 for any other. */
  readonly code: number
  readonly text: string
}

export async function command(line: readonly string[], now = 0): Promise<Answer> {
  const { code, text } = await commandAndWarnings(line, now)
  return { code, text }
}

/** With what stood beside the output. */
export async function commandAndWarnings(line: readonly string[], now = 0): Promise<Answer & { warnings: string }> {
  let text = ''
  let warnings = ''
  const io = {
    readFile: (path: string) => readFileSync(path),
    write: (more: string) => {
      text += more
    },
    warn: (more: string) => {
      warnings += more
    },
    now: () => now,
  }
  try {
    const parsed = parseCommand(line, evidenceVerbs)
    if (!('values' in parsed)) return { code: 0, text: 'text' in parsed ? parsed.text : '', warnings }
    const verb = evidenceVerbs.find(each => each.name === parsed.verb)
    return { code: (await verb?.run(parsed, io)) ?? 70, text, warnings }
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    return { code: error.code === 'usage' ? 64 : 1, text: text + error.message, warnings }
  }
}
