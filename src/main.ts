// The process: which role, from argv; its signals and its exit code. Nobody else ends the process, listens to a signal
// or reads the environment.

import { readFileSync } from 'node:fs'
import { systemClock } from './base/clock.ts'
import { describe, Fault } from './base/errors.ts'
import { type Parsed, parseCommand, type Verb } from './cli/args.ts'
import { evidenceVerbs } from './cli/verbs.ts'
import { loadPolicy } from './config/policy.ts'
import { readLogging, readProxyConfig } from './config/proxy.ts'
import type { MakeEngine } from './engine/engine.ts'
import { logFailure } from './proxy/failure.ts'
import { openLog } from './proxy/log.ts'
import type { RunningProxy } from './proxy/proxy.ts'

const engines = ['bytes', 'bytes-streams', 'undici'] as const
type EngineName = (typeof engines)[number]
const engineHelp =
  "bytes (the default); bytes-streams, which keeps to Node's documented API and costs more; undici, to compare with"

const verbs: readonly Verb[] = [
  {
    name: 'proxy',
    summary: 'run the queue-proxy; settings come from the environment that Knative sets',
    usage: '--policy NAME|FILE [--engine NAME]',
    flags: [
      {
        name: 'policy',
        value: 'NAME|FILE',
        required: true,
        help: 'whom to trust: confidential, compatible, demo, or a JSON file',
      },
      { name: 'engine', value: 'NAME', help: `how bytes move: ${engineHelp}` },
    ],
  },
  {
    name: 'demo',
    summary: 'run the whole thing on SYNTHETIC evidence: function, proxy, ingress, autoscaler, attackers',
    usage: '[--exit] [--port-base N]',
    flags: [
      { name: 'exit', help: 'end after the tour; the exit code says whether all went as it should' },
      { name: 'port-base', value: 'N', help: 'first of seven ports to use (default 18080)' },
      { name: 'json', help: 'print the tour as JSON' },
    ],
  },
  ...evidenceVerbs,
]

/** Command-line usage, as in BSD's sysexits. */
const usageExit = 64

/** After the last close nothing should hold the process; whatever still does is named and left behind. */
const lingerMs = 1_000

function version(): string {
  for (const up of ['../package.json', '../../package.json']) {
    try {
      return JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8')).version
    } catch {}
  }
  return 'unknown'
}

async function proxy({ values }: Parsed): Promise<void> {
  const engine = engineName(values['engine'] ?? 'bytes')
  const { policy, digest } = loadPolicy(String(values['policy']), path => readFileSync(path))
  const get = (name: string): string | undefined => process.env[name]
  const out = {
    version: version(),
    clock: systemClock,
    write: (line: string): unknown => process.stdout.write(line),
    writeError: (line: string): unknown => process.stderr.write(line),
  }
  let running: RunningProxy | undefined
  let signals = 0
  const leave = (): void => {
    signals++
    // Before anything is served there is nothing to drain; a second signal says that nobody waits for it.
    if (signals > 1 || !running) process.exit(1)
    running.drain().then(finish, fail)
  }
  process.on('SIGTERM', leave)
  process.on('SIGINT', leave)
  running = await start().catch(error => {
    if (error instanceof Fault && logFailure(error, openLog({ ...out, ...readLogging(get) }))) process.exit(1)
    throw error
  })

  async function start(): Promise<RunningProxy> {
    const config = readProxyConfig(get, policy, Object.keys(process.env))
    // Loaded after the configuration stands: a mistake in it is told at once.
    const [{ startProxy }, makeEngine, { demoProxy }] = await Promise.all([
      import('./proxy/proxy.ts'),
      loadEngine(engine),
      import('./demo/enclaves.ts'),
    ])
    return startProxy({
      ...out,
      config,
      policy,
      policyDigest: digest,
      makeEngine,
      syntheticTee: demoProxy,
    })
  }
}

function engineName(name: string | boolean): EngineName {
  const engine = engines.find(each => each === name)
  if (engine) return engine
  throw new Fault('usage', `postern proxy: no engine "${name}"; there are ${engines.join(', ')}`)
}

/** Only the engine that runs is loaded: undici costs as much at start as everything else. */
async function loadEngine(name: EngineName): Promise<MakeEngine> {
  if (name === 'undici') return (await import('./engine/undici.ts')).makeUndiciEngine
  const { makeBytesEngine } = await import('./engine/bytes.ts')
  return (gate, options) => makeBytesEngine(gate, options, name === 'bytes' ? 'handles' : 'streams')
}

async function demo({ values }: Parsed): Promise<void> {
  const { runDemo } = await import('./demo/run.ts')
  const ok = await runDemo({
    portBase: values['port-base'] === undefined ? undefined : String(values['port-base']),
    exit: values['exit'] === true,
    json: values['json'] === true,
    colour: process.stdout.isTTY && process.env['NO_COLOR'] === undefined,
    write: text => process.stdout.write(text),
    stopped: new Promise(resolve => {
      process.on('SIGTERM', resolve)
      process.on('SIGINT', resolve)
    }),
  })
  process.exitCode = ok ? 0 : 1
  finish()
}

function finish(): void {
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

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2), verbs)
  if ('text' in command) process.stdout.write(command.text)
  else if (command.verb === 'version') process.stdout.write(`postern ${version()}\n`)
  else if ('values' in command) await run(command)
}

async function run(command: Parsed): Promise<void> {
  const verb = evidenceVerbs.find(each => each.name === command.verb)
  if (!verb) return command.verb === 'proxy' ? proxy(command) : demo(command)
  process.exitCode = await verb.run(command, {
    readFile: path => readFileSync(path),
    write: text => process.stdout.write(text),
    now: () => systemClock.now(),
  })
}

// Who reads our output may go away; that is no reason to stop serving.
process.stdout.on('error', () => {})
process.stderr.on('error', () => {})
process.on('uncaughtException', fail)
main().catch(fail)
