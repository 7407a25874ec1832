// The role `proxy` as a process: its signals, its exit code, what it says when it fails. Whoever starts it, main.ts
// natively or enclave.ts in an enclave, brings the parts. Nobody else ends the process, listens to a signal or reads the
// environment.

import type { QuoteSource } from './attest/evidence.ts'
import { systemClock } from './base/clock.ts'
import { describe, Fault } from './base/errors.ts'
import { readBounded } from './base/files.ts'
import { StartUp } from './base/startup.ts'
import { steadyClock } from './base/steady.ts'
import type { Delivery, LoadedPolicy } from './config/policy.ts'
import { readLogging, readProxyConfig } from './config/proxy.ts'
import type { MakeEngine } from './engine/engine.ts'
import { logFailure } from './proxy/failure.ts'
import { openLog } from './proxy/log.ts'
import type { ProxyOptions, RunningProxy } from './proxy/proxy.ts'
import { builtAfter, version } from './version.ts'

export interface ProxyParts {
  readonly startProxy: (options: ProxyOptions) => Promise<RunningProxy>
  readonly makeEngine: MakeEngine
  /** Absent from what runs in an enclave. */
  readonly syntheticTee: (() => QuoteSource) | undefined
}

/** Command-line usage, as in BSD's sysexits. */
const usageExit = 64

/** After the last close nothing should hold the process; whatever still does is named and left behind. */
const lingerMs = 1_000

/**
 * Runs `main` as this process: an error that nobody caught ends it with one message and the right exit code.
 */
export function runProcess(main: () => Promise<void>): void {
  // Who reads our output may go away; that is no reason to stop serving.
  process.stdout.on('error', () => {})
  process.stderr.on('error', () => {})
  process.on('uncaughtException', fail)
  main().catch(fail)
}

/** A phase of the start that was over before any line of ours ran, and the one that ends now. */
export function startUp(): StartUp {
  const start = new StartUp()
  start.done('runtime', performance.nodeTiming.bootstrapComplete)
  start.done('import')
  return start
}

/** Where a service's own part of the policy is looked for, and the time that its dates are judged by. */
export function fromHost(): Delivery {
  return {
    kind: 'host',
    // Before the clock that is built with the role: a moment that has passed is the least that it can be.
    at: Math.max(systemClock.now(), builtAfter()),
    get: name => process.env[name],
    readFile: (path, most) => readBounded(path, most, 'policy-invalid'),
  }
}

/**
 * The role `proxy` under this policy, until a signal ends it. Resolves when it serves.
 * @param load brings the parts once the configuration stands, so that a mistake in it is told at once
 * @throws Fault, as startProxy and readProxyConfig
 */
export async function runProxy(
  { policy, digest }: LoadedPolicy,
  start: StartUp,
  load: () => Promise<ProxyParts>,
): Promise<void> {
  const get = (name: string): string | undefined => process.env[name]
  const out = {
    version: version(),
    clock: steadyClock(systemClock),
    builtAfter: builtAfter(),
    write: (line: string): unknown => process.stdout.write(line),
    writeError: (line: string): unknown => process.stderr.write(line),
  }
  let running: RunningProxy | undefined
  leaveOnSignal(() => running?.drain())
  running = await begin().catch(error => {
    if (error instanceof Fault && logFailure(error, openLog({ ...out, ...readLogging(get) }))) process.exit(1)
    throw error
  })

  async function begin(): Promise<RunningProxy> {
    const config = readProxyConfig(get, policy, Object.keys(process.env))
    start.done('configuration')
    const { startProxy, ...parts } = await load()
    start.done('import')
    return startProxy({ ...out, ...parts, config, policy, policyDigest: digest, startUp: start })
  }
}

/**
 * TERM or INT ends the process when the role has drained.
 * @param drain undefined while nothing is served yet: there is nothing to wait for then
 */
export function leaveOnSignal(drain: () => Promise<void> | undefined): void {
  let signals = 0
  const leave = (): void => {
    signals++
    // A second signal says that nobody waits for it.
    const drained = signals > 1 ? undefined : drain()
    if (!drained) process.exit(1)
    drained.then(finish, fail)
  }
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)
}

/** Everything is closed: the process ends by itself, or is helped. */
export function finish(): void {
  setTimeout(() => {
    process.stderr.write(`still open at exit: ${process.getActiveResourcesInfo().join(', ')}\n`)
    process.exit()
  }, lingerMs).unref()
}

/** One message and the right exit code; never a stack or an object that may hold somebody's bytes. */
function fail(error: unknown): void {
  const text = error instanceof Fault ? error.message : `internal error: ${describe(error)}${ownFrames(error)}`
  process.stderr.write(`${text}\n`)
  process.exit(error instanceof Fault && error.code === 'usage' ? usageExit : 1)
}

/** Where in our own files, without the message or values that a stack's first line carries. */
function ownFrames(error: unknown): string {
  if (!(error instanceof Error)) return ''
  // A stack repeats the message, which may hold anything: also lines that look like frames.
  const { message, stack = '' } = error
  const from = stack.indexOf(message)
  if (from < 0) return ''
  const frames = stack
    .slice(from + message.length)
    .split('\n')
    .filter(line => /^\s+at /.test(line))
  return frames
    .slice(0, 6)
    .map(line => `\n${line.replace(/(?:file:\/\/)?[^\s(]*\/(src|dist|node_modules)\//, '$1/')}`)
    .join('')
}
