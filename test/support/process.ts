// postern as a process of its own, started as a pod would start it, and the clients that talk to it. Everything on
// 127.0.0.1 and on ports that were free a moment ago; whatever is left when a test ends is killed by its pid.

import { type ChildProcess, spawn } from 'node:child_process'
import { type IncomingHttpHeaders, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { fileURLToPath } from 'node:url'
import type { Test } from 'tap'
import { freePorts } from '../../bench/machine/place.ts'

export const repository = fileURLToPath(new URL('../../', import.meta.url))
export const postern = fileURLToPath(new URL('../../src/postern.js', import.meta.url))

/** With POSTERN_TEST_BUNDLE=yes the role `proxy` is what runs in an enclave, where what Gramine lacks fails. */
export const onBundle = process.env['POSTERN_TEST_BUNDLE'] === 'yes'
const bundled = onBundle ? await import('./bundled.ts') : undefined

export interface Ports {
  readonly serving: number
  readonly tls: number
  readonly admin: number
  readonly autoscaler: number
  readonly metrics: number
  readonly user: number
}

export async function choosePorts(): Promise<Ports> {
  const [serving = 0, tls = 0, admin = 0, autoscaler = 0, metrics = 0, user = 0] = await freePorts(6)
  return { serving, tls, admin, autoscaler, metrics, user }
}

export type Environment = Readonly<Record<string, string | undefined>>

/** Where the controller's variables and our own move the ports to. */
export function portVariables(ports: Ports): Record<string, string> {
  return {
    QUEUE_SERVING_PORT: String(ports.serving),
    QUEUE_SERVING_TLS_PORT: String(ports.tls),
    USER_PORT: String(ports.user),
    POSTERN_ADMIN_PORT: String(ports.admin),
    POSTERN_AUTOSCALER_PORT: String(ports.autoscaler),
    POSTERN_METRICS_PORT: String(ports.metrics),
  }
}

/** Knative's own zap configuration (config-logging), as far as it matters. */
const loggingConfig = JSON.stringify({
  level: 'info',
  outputPaths: ['stdout'],
  errorOutputPaths: ['stderr'],
  encoding: 'json',
  encoderConfig: {
    timeKey: 'timestamp',
    levelKey: 'severity',
    nameKey: 'logger',
    callerKey: 'caller',
    messageKey: 'message',
    stacktraceKey: 'stacktrace',
    levelEncoder: '',
    timeEncoder: 'iso8601',
  },
})

/** What Knative's controller sets for a small service; `changes` replace, undefined takes away. */
export function environment(ports: Ports, changes: Environment = {}): Record<string, string> {
  const all: Environment = {
    CONTAINER_CONCURRENCY: '0',
    REVISION_TIMEOUT_SECONDS: '30',
    SERVING_READINESS_PROBE: '{"tcpSocket":{"host":"127.0.0.1"},"successThreshold":1}',
    SERVING_LOGGING_CONFIG: loggingConfig,
    SERVING_LOGGING_LEVEL: 'info',
    SERVING_NAMESPACE: 'default',
    SERVING_SERVICE: 'hello',
    SERVING_CONFIGURATION: 'hello',
    SERVING_REVISION: 'hello-00001',
    SERVING_POD: 'hello-00001-deployment-5f7c-abcde',
    SERVING_POD_IP: '10.244.1.7',
    ...portVariables(ports),
    ...changes,
  }
  return Object.fromEntries(Object.entries(all).filter((pair): pair is [string, string] => pair[1] !== undefined))
}

export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface Started {
  readonly pid: number
  readonly stdout: () => string
  readonly stderr: () => string
  /** Every whole line of stdout, read as JSON. */
  readonly lines: () => Record<string, unknown>[]
  readonly exited: () => boolean
  readonly exit: Promise<Exit>
  signal(name: NodeJS.Signals): void
}

/** Where what is to be undone is left: a test, mostly. */
export type Scope = Pick<Test, 'teardown'>

export interface StartOptions {
  readonly env?: Readonly<Record<string, string>>
  /** Another file than the source's. */
  readonly file?: string
  /** For Node itself, before the file. */
  readonly node?: readonly string[]
  /** How long a drain waits for a request, in ms; 30 s as in a pod where absent. */
  readonly quietMs?: number | undefined
}

function command(args: readonly string[], options: StartOptions): readonly string[] {
  const { file, node = [], quietMs } = options
  if (bundled && file === undefined && args[0] === 'proxy') return bundled.bundledCommand(args, options)
  const drain = new URL('../../src/gate/drain.ts', import.meta.url).href
  const hurried = `import { drainDefaults } from '${drain}'; Object.assign(drainDefaults, { quietMs: ${quietMs} })`
  return [...node, ...(quietMs === undefined ? [] : preloaded(hurried)), file ?? postern, ...args]
}

/** A module that Node loads before the program, as its arguments. */
export function preloaded(text: string): readonly string[] {
  return ['--import', `data:text/javascript,${encodeURIComponent(text)}`]
}

/** Starts `postern ARGS` with this environment and no other. */
export function start(t: Scope, args: readonly string[], options: StartOptions = {}): Started {
  return launch(t, [process.execPath, ...command(args, options)], { PATH: process.env['PATH'], ...options.env })
}

/** Starts a command line with this environment and no other. */
export function launch(t: Scope, [file = '', ...args]: readonly string[], env: Environment): Started {
  const child: ChildProcess = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] })
  let stdout = ''
  let stderr = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text
  })
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  let exited = false
  // 'close' comes when all output has been read.
  const exit = new Promise<Exit>(resolve => {
    child.on('close', (code, signal) => {
      exited = true
      resolve({ code, signal })
    })
  })
  t.teardown(() => {
    if (!exited) child.kill('SIGKILL')
    return exit
  })
  return {
    pid: child.pid ?? 0,
    stdout: () => stdout,
    stderr: () => stderr,
    lines: () =>
      stdout
        .split('\n')
        .slice(0, -1)
        .map(line => JSON.parse(line)),
    exited: () => exited,
    exit,
    signal: name => void child.kill(name),
  }
}

/** Starts the role `proxy` and waits until it serves: its probes are answered with anything but "not yet". */
export async function startServing(t: Test, policy: string, env: Record<string, string>): Promise<Started> {
  const started = start(t, ['proxy', '--policy', policy], { env })
  const port = Number(env['QUEUE_SERVING_PORT'])
  await until('the proxy serves', async () => {
    if (started.exited()) throw new Error(`the proxy has gone: ${started.stderr()}`)
    return (await probe(port).catch(() => undefined))?.status === 200
  })
  return started
}

/** TERM, and once more: nobody waits for the drain. */
export async function stopAtOnce(started: Started): Promise<Exit> {
  started.signal('SIGTERM')
  await until('the first TERM is heard', () => started.exited() || started.stdout().includes('Received TERM signal'))
  started.signal('SIGTERM')
  return started.exit
}

/** Polls; gives what the condition gave. */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  ms = 15_000,
): Promise<Exclude<T, undefined | false>> {
  for (const end = Date.now() + ms; ; ) {
    const found = await condition()
    if (found !== undefined && found !== false) return found as Exclude<T, undefined | false>
    if (Date.now() > end) throw new Error(`not in ${ms} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

export interface Question {
  readonly path?: string
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  readonly tls?: boolean
}

/** One request on a connection of its own; takes whatever certificate is shown. */
export function ask(port: number, question: Question = {}): Promise<Answer> {
  const { path = '/', method = 'GET', headers = {}, body, tls = false } = question
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, path, method, headers, agent: false as const, timeout: 20_000 }
    const asked = tls ? tlsRequest({ ...options, rejectUnauthorized: false }) : plainRequest(options)
    asked.on('response', message => {
      let text = ''
      message.setEncoding('utf8')
      message.on('data', (part: string) => {
        text += part
      })
      message.on('end', () => resolve({ status: message.statusCode ?? 0, headers: message.headers, body: text }))
      message.on('error', reject)
    })
    asked.on('timeout', () => asked.destroy(new Error('no answer in 20 s')))
    asked.on('error', reject)
    asked.end(body)
  })
}

/** The kubelet's question. */
export function probe(port: number, tls = false): Promise<Answer> {
  return ask(port, { headers: { 'User-Agent': 'kube-probe/1.34', 'K-Network-Probe': 'queue' }, tls })
}
