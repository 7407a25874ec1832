// The role `proxy` inside the test's own process: the real start-up, engine and sockets, with times and folders that a
// test can choose; and a container that does as it is told.

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Test } from 'tap'
import { systemClock } from '../../src/base/clock.ts'
import { loadPolicy } from '../../src/config/policy.ts'
import { readProxyConfig } from '../../src/config/proxy.ts'
import { demoFunction, demoProxy } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { makeBytesEngine } from '../../src/engine/bytes.ts'
import { type Credential, withKeyPem } from '../../src/identity/credential.ts'
import { type ProxyOptions, type RunningProxy, startProxy } from '../../src/proxy/proxy.ts'
import { choosePorts, type Environment, environment, type Ports } from './process.ts'

export interface Inside {
  readonly running: RunningProxy
  readonly ports: Ports
  readonly lines: () => Record<string, unknown>[]
  readonly messages: () => string[]
  readonly stderr: () => string
  /** True when everything was closed. */
  readonly drained: () => boolean
  drain(): Promise<void>
}

export interface InsideOptions extends Partial<Omit<ProxyOptions, 'config' | 'policy' | 'policyDigest'>> {
  /** A shipped policy's name, or a document. */
  readonly policy?: string | object
  readonly env?: Environment
  readonly ports?: Ports
}

/** Options for startProxy, with ports chosen and output kept. */
export async function insideOptions(options: InsideOptions = {}) {
  const { policy: wanted = 'compatible', env, ports = await choosePorts(), ...rest } = options
  const variables = environment(ports, env)
  const text = typeof wanted === 'string' ? '' : JSON.stringify(wanted)
  const { policy, digest } = loadPolicy(typeof wanted === 'string' ? wanted : 'policy.json', () => Buffer.from(text))
  let stdout = ''
  let stderr = ''
  const proxyOptions: ProxyOptions = {
    config: readProxyConfig(name => variables[name], policy, Object.keys(variables)),
    policy,
    policyDigest: digest,
    makeEngine: makeBytesEngine,
    clock: systemClock,
    builtAfter: 0,
    version: '0.0.0-test',
    write: line => {
      stdout += line
    },
    writeError: line => {
      stderr += line
    },
    syntheticTee: demoProxy,
    // No machine that runs tests has these by accident.
    attestationFolder: '/nonexistent/attestation',
    certificateFolder: '/nonexistent/certificates',
    ...rest,
  }
  return { proxyOptions, ports, stdout: () => stdout, stderr: () => stderr }
}

export async function startInside(t: Test, options: InsideOptions = {}): Promise<Inside> {
  const { proxyOptions, ports, stdout, stderr } = await insideOptions(options)
  const running = await startProxy(proxyOptions)
  t.teardown(() => running.abort())
  let drained = false
  const lines = () =>
    stdout()
      .split('\n')
      .slice(0, -1)
      .map(line => JSON.parse(line) as Record<string, unknown>)
  return {
    running,
    ports,
    lines,
    messages: () => lines().map(line => String(line['message'])),
    stderr,
    drained: () => drained,
    drain: () =>
      running.drain().then(() => {
        drained = true
      }),
  }
}

export interface Received {
  readonly method: string
  readonly url: string
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

export interface Container {
  readonly port: number
  readonly received: readonly Received[]
  /** Requests that wait for release(). */
  readonly held: () => number
  release(): void
  /** Goes away, with all its connections. */
  kill(): void
  readonly killed: () => boolean
}

const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

/**
 * `/hold` answers when released, `/stream` sends a head and a part and ends when released, everything else is answered at
 * once; an upgrade becomes an echo. With a credential it speaks TLS 1.3.
 */
export async function startContainer(t: Test, port: number, credential?: Credential): Promise<Container> {
  const received: Received[] = []
  let held: (() => void)[] = []
  const answer: RequestListener = (message, response) => {
    let body = ''
    message.setEncoding('utf8').on('data', (part: string) => {
      body += part
    })
    message.on('end', () => {
      received.push({ method: message.method ?? '', url: message.url ?? '', headers: message.headers, body })
      reply(message.url ?? '', response)
    })
  }
  function reply(url: string, response: ServerResponse): void {
    response.setHeader('Content-Type', 'text/plain')
    if (url.startsWith('/hold')) held.push(() => response.end('held'))
    else if (url.startsWith('/stream')) {
      response.write('begun ')
      held.push(() => response.end('and ended'))
    } else response.end('hello')
  }
  const options = { keepAliveTimeout: 0 }
  const server: Server = credential
    ? withKeyPem(credential, pem => createTlsServer({ ...options, ...pem, minVersion: 'TLSv1.3' }, answer))
    : createServer(options, answer)
  server.on('upgrade', (message: IncomingMessage, socket: Duplex) => {
    const key = `${message.headers['sec-websocket-key'] ?? ''}${websocketGuid}`
    const accept = createHash('sha1').update(key).digest('base64')
    const head = `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${message.headers.upgrade}\r\n`
    socket.write(`${head}Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
    socket.on('error', () => {})
    socket.pipe(socket)
  })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('tlsClientError', () => {})
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  let killed = false
  const kill = (): void => {
    for (const socket of sockets) socket.destroy()
    server.close(() => {
      killed = true
    })
  }
  t.teardown(kill)
  return {
    port,
    kill,
    killed: () => killed,
    received,
    held: () => held.length,
    release() {
      for (const go of held) go()
      held = []
    },
  }
}

/** What the policy `demo` accepts. */
export async function startDemoContainer(t: Test, port: number): Promise<Container> {
  return startContainer(t, port, await demoCredential(demoFunction()))
}

/** A connection that stays: what came is in `text()`, and whether the other side has closed in `closed()`. */
export function open(t: Test, port: number, options: { allowHalfOpen?: boolean } = {}) {
  const socket = connect({ port, host: '127.0.0.1', ...options })
  let text = ''
  let ended = false
  socket.setEncoding('latin1')
  socket.on('data', (part: string) => {
    text += part
  })
  socket.on('end', () => {
    ended = true
  })
  socket.on('close', () => {
    ended = true
  })
  socket.on('error', () => {})
  t.teardown(() => socket.destroy())
  return { socket, text: () => text, ended: () => ended, send: (data: string) => socket.write(data, 'latin1') }
}

export const websocketHead = [
  'GET /socket HTTP/1.1',
  'Host: hello',
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==',
  '',
  '',
].join('\r\n')
