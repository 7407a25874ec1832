// The command: which role or verb, from argv. What a process does around its role stands in process.ts.

import { readFileSync } from 'node:fs'
import { systemClock } from './base/clock.ts'
import { Fault } from './base/errors.ts'
import { type Parsed, parseCommand, type Verb } from './cli/args.ts'
import { caVerbs } from './cli/ca-verbs.ts'
import { injectVerb } from './cli/inject-verb.ts'
import { provisionVerb } from './cli/provision-verb.ts'
import { evidenceVerbs } from './cli/verbs.ts'
import { loadPolicy } from './config/policy.ts'
import type { MakeEngine } from './engine/engine.ts'
import { finish, fromHost, runProcess, runProxy, startUp } from './process.ts'
import { version } from './version.ts'

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
    usage: '[--identity NAME] [--exit] [--port-base N] [--json]',
    flags: [
      {
        name: 'identity',
        value: 'NAME',
        help: "where the proxy's certificate comes from: self-signed (the default), or provision: a tour of the attesting CA",
      },
      { name: 'exit', help: 'end after the tour; the exit code says whether all went as it should' },
      { name: 'port-base', value: 'N', help: 'first of seven ports to use, of eight with provision (default 18080)' },
      { name: 'json', help: 'print the tour as JSON' },
    ],
  },
  injectVerb,
  provisionVerb,
  ...caVerbs,
  ...evidenceVerbs,
]

async function proxy({ values }: Parsed): Promise<void> {
  const start = startUp()
  const engine = engineName(values['engine'] ?? 'bytes')
  const policy = loadPolicy(String(values['policy']), path => readFileSync(path), fromHost())
  await runProxy(policy, start, async () => {
    const [{ startProxy }, makeEngine, { demoProxy }] = await Promise.all([
      import('./proxy/proxy.ts'),
      loadEngine(engine),
      import('./demo/enclaves.ts'),
    ])
    return { startProxy, makeEngine, syntheticTee: demoProxy }
  })
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

async function provision({ values }: Parsed): Promise<void> {
  const [{ portOf, provisionDefaults, runProvision }, { demoProvision }] = await Promise.all([
    import('./provision-role.ts'),
    import('./demo/enclaves.ts'),
  ])
  const port = (name: 'port' | 'side-port', otherwise: number): number =>
    portOf(String(values[name] ?? otherwise), name)
  const options = String(values['options'])
  const { port: main, sidePort } = provisionDefaults
  await runProvision({ options, port: port('port', main), sidePort: port('side-port', sidePort) }, demoProvision)
}

async function demo({ values }: Parsed): Promise<void> {
  const { runDemo } = await import('./demo/run.ts')
  const text = (name: string): string | undefined => (values[name] === undefined ? undefined : String(values[name]))
  const ok = await runDemo({
    identity: text('identity'),
    portBase: text('port-base'),
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

async function main(): Promise<void> {
  const command = parseCommand(process.argv.slice(2), verbs)
  if ('text' in command) process.stdout.write(command.text)
  else if (command.verb === 'version') process.stdout.write(`postern ${version()}\n`)
  else if ('values' in command) await run(command)
}

async function run(command: Parsed): Promise<void> {
  if (command.verb === injectVerb.name) return (await import('./inject-role.ts')).runInject(command)
  if (command.verb === provisionVerb.name) return provision(command)
  const verb = [...evidenceVerbs, ...caVerbs].find(each => each.name === command.verb)
  if (!verb) return command.verb === 'proxy' ? proxy(command) : demo(command)
  process.exitCode = await verb.run(command, {
    readFile: path => readFileSync(path),
    write: text => process.stdout.write(text),
    warn: text => process.stderr.write(text),
    now: () => systemClock.now(),
  })
}

runProcess(main)
