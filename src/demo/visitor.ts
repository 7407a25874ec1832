// The demo's visitors: small HTTP clients that take whatever certificate the toy ingress shows.

import { type IncomingMessage, Agent as PlainAgent, request as plainRequest, type RequestOptions } from 'node:http'
import { Agent, request } from 'node:https'

export interface Answer {
  /** 0 where there was none. */
  readonly status: number
  readonly body: string
}

const timeoutMs = 15_000

function send(options: RequestOptions, plain: boolean): Promise<Answer> {
  return new Promise(resolve => {
    const receive = (message: IncomingMessage): void => {
      const parts: Buffer[] = []
      message.on('data', (part: Buffer) => parts.push(part))
      message.on('end', () => resolve({ status: message.statusCode ?? 0, body: Buffer.concat(parts).toString('utf8') }))
      message.on('error', () => resolve({ status: 0, body: '' }))
    }
    const all = { host: '127.0.0.1', timeout: timeoutMs, ...options }
    const asked = plain ? plainRequest(all, receive) : request({ ...all, rejectUnauthorized: false }, receive)
    asked.on('timeout', () => asked.destroy())
    asked.on('error', () => resolve({ status: 0, body: '' }))
    asked.end()
  })
}

/** One request on a connection of its own. */
export function ask(port: number, path: string, { plain = false } = {}): Promise<Answer> {
  const agent = plain ? new PlainAgent() : new Agent()
  return send({ port, path, agent }, plain).finally(() => agent.destroy())
}

/** The kubelet's question. */
export function probe(port: number): Promise<Answer> {
  const headers = { 'User-Agent': 'kube-probe/1.34', 'K-Network-Probe': 'queue', Connection: 'close' }
  return send({ port, path: '/', headers, agent: false }, true)
}

/** As many at once; how many times each status came, and each as it comes. */
export async function burst(
  port: number,
  path: string,
  count: number,
  answered: (status: number) => void = () => {},
): Promise<Map<number, number>> {
  const statuses = new Map<number, number>()
  const one = async (): Promise<void> => {
    const { status } = await ask(port, path)
    statuses.set(status, (statuses.get(status) ?? 0) + 1)
    answered(status)
  }
  await Promise.all(Array.from({ length: count }, one))
  return statuses
}

/** A visitor who keeps one connection. */
export class Visitor {
  readonly #port: number
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 })

  constructor(port: number) {
    this.#port = port
  }

  /** One after another; their statuses. */
  async many(path: string, count: number): Promise<number[]> {
    const statuses: number[] = []
    for (let i = 0; i < count; i++) {
      statuses.push((await send({ port: this.#port, path, agent: this.#agent }, false)).status)
    }
    return statuses
  }

  close(): void {
    this.#agent.destroy()
  }
}
