// The role `inject` as a process: its flags, its files, its signals.

import { readFileSync } from 'node:fs'
import { systemClock } from './base/clock.ts'
import { Fault } from './base/errors.ts'
import type { Parsed } from './cli/args.ts'
import { dryRun, injectOptions, port } from './cli/inject.ts'
import { injectDefaults } from './cli/inject-verb.ts'
import { type RunningInjector, startInjector } from './inject/injector.ts'
import { leaveOnSignal } from './process.ts'
import { version } from './version.ts'

const standardInput = 0

const io = {
  readFile: (path: string): Uint8Array => readFileSync(path),
  write: (text: string): unknown => process.stdout.write(text),
}

/**
 * The webhook until a signal ends it, or a dry run. Resolves when it serves, or has printed.
 * @throws Fault, as startInjector and dryRun
 */
export async function runInject(command: Parsed): Promise<void> {
  const { values } = command
  if (values['dry-run'] === true) {
    process.exitCode = dryRun(command, readFileSync(standardInput), io)
    return
  }
  if (values['config'] === undefined) {
    throw new Fault('usage', 'postern inject: --config FILE is missing; see postern inject --help')
  }
  let running: RunningInjector | undefined
  leaveOnSignal(() => running?.drain())
  running = await startInjector({
    options: injectOptions(command, io),
    certificates: String(values['certificates'] ?? injectDefaults.certificates),
    port: port(values, 'port', injectDefaults.port),
    sidePort: port(values, 'side-port', injectDefaults.sidePort),
    version: version(),
    clock: systemClock,
    write: io.write,
  })
}
