// The contenders' processes: one for each way in which a contender has to be started (what stands behind it, its limit).
// Started when first needed, kept for as long as scenarios need it, replaced where two want the same fixed port.

import { mkdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Fault } from '../../src/base/errors.ts'
import type { Backend, KeyPair } from '../backend/backend.ts'
import { type Contender, sparePorts } from '../contenders/contender.ts'
import type { Side } from '../legs.ts'
import type { Child, Children } from '../machine/children.ts'
import { type Cores, freePorts } from '../machine/place.ts'
import type { Tools } from '../machine/tools.ts'
import { lastWords, untilAnswers } from './ask.ts'

export interface Instance {
  readonly contender: Contender
  readonly child: Child
  readonly ports: { readonly h: number; readonly tls: number }
  /** From its start to its first right answer. */
  readonly startMs: number
}

export interface Wanted {
  readonly contender: Contender
  readonly upstream: Side
  readonly limit: number
  /** Behind it is the container with another certificate on each connection. */
  readonly changing: boolean
}

interface Site {
  readonly children: Children
  readonly tools: Tools
  readonly cores: Cores | undefined
  readonly folder: string
  readonly pair: KeyPair
  readonly otherPair: KeyPair
  readonly backend: Backend
}

/** How long a port that was just left may stay taken. */
const portMs = 3_000
const stopMs = 5_000
const pauseMs = 25

export class Instances {
  readonly #site: Site
  readonly #running = new Map<string, Instance>()
  #count = 0

  constructor(site: Site) {
    this.#site = site
  }

  /**
   * The running process, or a fresh one; `fresh` tells which, since a fresh one wants a warm-up.
   * @throws Fault 'internal' where it died, does not start or does not answer rightly
   */
  async get(wanted: Wanted): Promise<Instance & { readonly fresh: boolean }> {
    const { contender } = wanted
    if (!contender.command) {
      const { child, ports } = this.#site.backend
      return { contender, child, ports, startMs: 0, fresh: false }
    }
    const key = keyOf(wanted)
    const death = this.death(wanted)
    if (death !== undefined) throw new Fault('internal', death)
    const running = this.#running.get(key)
    if (running) return { ...running, fresh: false }
    const instance = await this.launch(wanted, pauseMs)
    this.#running.set(key, instance)
    return { ...instance, fresh: true }
  }

  /** That its process has ended by itself, in words, once; undefined where it runs or was never started. */
  death(wanted: Wanted): string | undefined {
    const key = keyOf(wanted)
    const running = this.#running.get(key)
    const exit = running?.child.ended()
    if (!running || exit === undefined) return undefined
    this.#running.delete(key)
    return `${wanted.contender.name} died (exit ${exit}): ${lastWords(running.child)}`
  }

  /**
   * Another process, which the caller stops.
   * @param pause between two looks whether it answers, in ms
   * @throws Fault 'internal' where it does not start or does not answer rightly
   */
  async launch(wanted: Wanted, pause: number): Promise<Instance> {
    const { fixedPorts, name } = wanted.contender
    for (const [other, { contender: holder }] of this.#running) {
      if (holder.fixedPorts.some(port => fixedPorts.includes(port))) await this.#stop(other)
    }
    for (const port of fixedPorts) await untilFree(port, name)
    return this.#start(wanted, pause)
  }

  /** Stops those that none of these scenarios wants any more. */
  async keep(wanted: readonly Wanted[]): Promise<void> {
    const keys = new Set(wanted.map(keyOf))
    await Promise.all([...this.#running.keys()].filter(key => !keys.has(key)).map(key => this.#stop(key)))
  }

  async #start({ contender, upstream, limit, changing }: Wanted, pause: number): Promise<Instance> {
    const { children, tools, cores, pair, otherPair, backend, folder: parent } = this.#site
    const backendPort = changing ? backend.ports.changing : backend.ports[upstream]
    const folder = join(parent, `${++this.#count}`)
    mkdirSync(folder)
    const [h = 0, tls = 0, ...spare] = await freePorts(2 + sparePorts)
    const ports = { h, tls, ...contender.ports }
    const site = { ports, spare, upstream, backendPort, limit, folder, pair, otherPair, tools }
    const command = contender.command?.(site)
    if (!command) throw new Fault('internal', `${contender.name} has nothing to start`)
    const began = performance.now()
    const child = children.start(command, cores?.proxy)
    try {
      await untilAnswers(contender.name, child, ports.h, pause)
    } catch (error) {
      await child.stop()
      throw error
    }
    return { contender, child, ports, startMs: performance.now() - began }
  }

  async #stop(key: string): Promise<void> {
    const instance = this.#running.get(key)
    this.#running.delete(key)
    await instance?.child.stop('SIGKILL', stopMs)
  }
}

function keyOf({ contender, upstream, limit, changing }: Wanted): string {
  return `${contender.name} ${upstream} ${limit} ${changing}`
}

/** @throws Fault 'internal' where somebody else holds the port */
async function untilFree(port: number, name: string): Promise<void> {
  for (const until = Date.now() + portMs; ; ) {
    if (await canListen(port)) return
    if (Date.now() > until) {
      throw new Fault(
        'internal',
        `${name} needs port ${port}, which another process holds: end that one, or leave ${name} out`,
      )
    }
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

function canListen(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise(resolve => {
    server.once('error', () => resolve(false))
    server.listen(port, () => server.close(() => resolve(true)))
  })
}
