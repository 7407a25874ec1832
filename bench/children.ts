// Every process that the benchmark starts, in one list, so that none outlives it: whatever ends the run, end() is called
// and kills what is left. A command may be pinned to one core.

import { type ChildProcess, spawn } from 'node:child_process'
import { Fault } from '../src/base/errors.ts'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** The whole environment; undefined: PATH alone. */
  readonly env?: Readonly<Record<string, string>>
}

export interface Child {
  readonly pid: number
  /** Undefined while it runs. */
  readonly ended: () => number | undefined
  /** The last of what it wrote to both outputs. */
  readonly said: () => string
  /** Sends a signal and waits for the end, then for at most `graceMs` before it is killed. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
  /** Resolves with the exit code. @throws Fault 'internal' where it takes longer than `limitMs` */
  end(limitMs: number): Promise<number>
}

const keptCharacters = 64 * 1024
const killedExit = 137

export class Children {
  readonly #live = new Set<ChildProcess>()

  /**
   * @param core the number of the core to pin it to; undefined: any
   * @throws Fault 'internal' where it cannot be started
   */
  start(command: Command, core: number | undefined): Child {
    const { file, args, env = { PATH: process.env['PATH'] ?? '' } } = command
    const pinned = core === undefined ? [file, ...args] : ['taskset', '-c', String(core), file, ...args]
    const [first = file, ...rest] = pinned
    // taskset becomes the command, so that the pid is the command's own.
    const child = spawn(first, rest, { env, stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    let code: number | undefined
    const hear = (text: Buffer): void => {
      said = (said + text.toString('utf8')).slice(-keptCharacters)
    }
    child.stdout.on('data', hear)
    child.stderr.on('data', hear)
    this.#live.add(child)
    const closed = new Promise<number>(resolve => {
      child.on('close', exit => {
        this.#live.delete(child)
        code = exit ?? killedExit
        resolve(code)
      })
    })
    child.on('error', error => {
      said += error.message
    })
    if (child.pid === undefined) throw new Fault('internal', `cannot start ${file}`)
    return {
      pid: child.pid,
      ended: () => code,
      said: () => said,
      async stop(signal = 'SIGKILL', graceMs = 5_000) {
        child.kill(signal)
        const timer = setTimeout(() => child.kill('SIGKILL'), graceMs)
        await closed
        clearTimeout(timer)
      },
      async end(limitMs) {
        let late = false
        const timer = setTimeout(() => {
          late = true
          child.kill('SIGKILL')
        }, limitMs)
        const exit = await closed
        clearTimeout(timer)
        if (late) throw new Fault('internal', `${file} did not end within ${limitMs} ms: ${said.trim()}`)
        return exit
      },
    }
  }

  /** Kills all that still run; waits for nothing, so that it may be called while the process exits. */
  end(): void {
    for (const child of this.#live) child.kill('SIGKILL')
  }
}
