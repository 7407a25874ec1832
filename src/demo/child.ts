// A process of the demo: what it says, line by line, and how it ends.

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { Fault } from '../base/errors.ts'

export interface Child {
  /** Whole lines of its output, from the first on. */
  readonly lines: readonly string[]
  /** One line of its input. */
  say(line: string): void
  /** There is no more input. */
  hangUp(): void
  signal(name: NodeJS.Signals): void
  /** Its exit code, once all that it said was read; null where a signal ended it. */
  readonly exit: Promise<number | null>
  /**
   * Asks again and again until something is found.
   * @param what as in "the proxy did not become ready"
   * @throws Fault 'internal' with what the process said, where it has gone or takes too long
   */
  until<T>(what: string, find: () => T | undefined | Promise<T | undefined>): Promise<T>
}

/** How long something that must happen may take on a busy machine. */
const patienceMs = 30_000
const pollMs = 20
/** Whoever leaves the demo running for days keeps its beginning. */
const maxLines = 10_000
const maxComplaint = 4_096

/** The command as a pod runs it. */
export const postern = fileURLToPath(new URL('../postern.js', import.meta.url))

/**
 * Node with this file and these arguments.
 * @param name as in "the proxy did not become ready"
 * @param env that of this process where absent
 */
export function startChild(name: string, args: readonly string[], env?: Record<string, string>): Child {
  const child = spawn(process.execPath, args, { stdio: 'pipe', ...(env && { env }) })
  const lines: string[] = []
  let unfinished = ''
  let complaint = ''
  let gone = false
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    const whole = (unfinished + text).split('\n')
    unfinished = whole.pop() ?? ''
    lines.push(...whole.slice(0, maxLines - lines.length))
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    complaint = (complaint + text).slice(-maxComplaint)
  })
  // Whoever has gone is not listening; until() tells why.
  child.stdin.on('error', () => {})
  const exit = new Promise<number | null>(resolve => {
    child.on('error', error => {
      complaint += error.message
      resolve(null)
    })
    child.on('close', code => resolve(code))
  })
  exit.then(() => {
    gone = true
  })
  return {
    lines,
    say: line => void child.stdin.write(`${line}\n`),
    hangUp: () => void child.stdin.end(),
    signal: name => void child.kill(name),
    exit,
    async until(what, find) {
      for (const end = Date.now() + patienceMs; Date.now() < end && !gone; ) {
        const found = await find()
        if (found !== undefined) return found
        await new Promise(resolve => setTimeout(resolve, pollMs))
      }
      throw new Fault('internal', `the ${name} did not ${what}: ${complaint.trim() || 'it said nothing'}`)
    },
  }
}

/** A command that is over when it has done what it should. @returns its exit code, and all that it printed */
export async function runCommand(args: readonly string[]): Promise<{ code: number | null; text: string }> {
  const child = startChild('command', [postern, ...args])
  const code = await child.exit
  return { code, text: child.lines.map(line => `${line}\n`).join('') }
}
