// Every process that the benchmark starts, in one list, so that none outlives it: whatever ends the run, end() is called
// and kills what is left. A command may be pinned to cores. Our own processes also end when the channel to us closes.

import { type ChildProcess, spawn } from 'node:child_process'
import { Fault } from '../../src/base/errors.ts'

export interface Command {
  readonly file: string
  readonly args: readonly string[]
  /** The whole environment; undefined: PATH alone. */
  readonly env?: Readonly<Record<string, string>>
  /** Its outputs go nowhere. */
  readonly silent?: boolean
  /** A process of ours, to which messages can be sent. */
  readonly talks?: boolean
}

export interface Child {
  readonly pid: number
  /** What it was started as. */
  readonly command: Command
  /** Undefined while it runs. */
  readonly ended: () => number | undefined
  /** The last of what it wrote to both outputs. */
  readonly said: () => string
  /** Sends a signal and waits for the end, then for at most `graceMs` before it is killed. */
  stop(signal?: NodeJS.Signals, graceMs?: number): Promise<void>
  /** Resolves with the exit code. @throws Fault 'internal' where it takes longer than `limitMs` */
  end(limitMs: number): Promise<number>
  /**
   * Sends a message and resolves with the next one that comes back.
   * @throws Fault 'internal' where it ends, or takes longer than `limitMs`
   */
  ask(message: object, limitMs: number): Promise<unknown>
}

const keptCharacters = 64 * 1024
const killedExit = 137

export class Children {
  readonly #live = new Set<ChildProcess>()

  /**
   * @param cores as taskset reads them ("0", "1-3"); undefined: any
   * @throws Fault 'internal' where it cannot be started
   */
  start(command: Command, cores: string | undefined): Child {
    const { file, args, env = { PATH: process.env['PATH'] ?? '' } } = command
    const pinned = cores === undefined ? [file, ...args] : ['taskset', '-c', cores, file, ...args]
    const [first = file, ...rest] = pinned
    // taskset becomes the command, so that the pid is the command's own.
    const channel = command.talks ? (['ipc'] as const) : []
    const out = command.silent ? 'ignore' : 'pipe'
    // In a group of its own, so that a Ctrl-C reaches it through us, in order, and not from the terminal.
    const child = spawn(first, rest, { env, stdio: ['ignore', out, 'pipe', ...channel], detached: true })
    let said = ''
    let code: number | undefined
    const hear = (text: Buffer): void => {
      said = (said + text.toString('utf8')).slice(-keptCharacters)
    }
    child.stdout?.on('data', hear)
    child.stderr?.on('data', hear)
    this.#live.add(child)
    const closed = new Promise<number>(resolve => {
      const finish = (exit: number): void => {
        this.#live.delete(child)
        code ??= exit
        resolve(code)
      }
      child.on('exit', exit => finish(exit ?? killedExit))
      child.on('error', error => {
        said += error.message
        if (child.pid === undefined) finish(1)
      })
    })
    if (child.pid === undefined) throw new Fault('internal', `cannot start ${file}: is it there, and executable?`)
    return {
      pid: child.pid,
      command,
      ended: () => code,
      said: () => said,
      async stop(signal = 'SIGKILL', graceMs = 5_000) {
        signalGroup(child, signal)
        const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), graceMs)
        await closed
        clearTimeout(timer)
        // What it left behind of its own children.
        signalGroup(child, 'SIGKILL')
      },
      async end(limitMs) {
        let late = false
        const timer = setTimeout(() => {
          late = true
          signalGroup(child, 'SIGKILL')
        }, limitMs)
        const exit = await closed
        clearTimeout(timer)
        if (late) throw new Fault('internal', `${file} did not end within ${limitMs} ms: ${said.trim()}`)
        return exit
      },
      ask(message, limitMs) {
        return new Promise((resolve, reject) => {
          const give = (outcome: () => void): void => {
            clearTimeout(timer)
            child.off('message', hearIt)
            outcome()
          }
          const hearIt = (answer: unknown): void => give(() => resolve(answer))
          const fail = (what: string): void =>
            give(() => reject(new Fault('internal', `${args[0]}: ${what}: ${said.trim().slice(-500)}`)))
          const timer = setTimeout(() => fail(`no answer within ${limitMs} ms`), limitMs)
          child.on('message', hearIt)
          closed.then(exit => fail(`ended with ${exit}`))
          child.send(message, error => {
            if (error) fail('cannot be reached')
          })
        })
      },
    }
  }

  /** Kills all that still run; waits for nothing, so that it may be called while the process exits. */
  end(): void {
    for (const child of this.#live) signalGroup(child, 'SIGKILL')
  }
}

/** The process and what it started, if they are still there. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Gone already.
  }
}
