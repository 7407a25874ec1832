// One engine for each version of HTTP, as one engine: connections over TLS go where ALPN says, plain ones to HTTP/1.1's
// engine, which hands over those whose first bytes are HTTP/2's preface. Both ask the same gate.
//
// HTTP/2 is loaded for the first connection that speaks it.

import type { Socket } from 'node:net'
import { describe, Fault } from '../base/errors.ts'
import type { Gate, Peer } from '../gate/contract.ts'
import type { Bridge, Engine, EngineOptions, MakeEngine } from './engine.ts'
import type { Http2Engine } from './h2.ts'

type Load = () => Promise<(gate: Gate, options: EngineOptions) => Http2Engine>

const loadHttp2: Load = async () => (await import('./h2.ts')).makeHttp2Engine

export function bothVersions(makeHttp1: MakeEngine, load: Load = loadHttp2): MakeEngine {
  return (gate, options) => {
    let http2: Promise<Http2Engine> | undefined
    let made: Http2Engine | undefined
    /** What was asked of an engine that was not there yet. */
    let asked: 'nothing' | 'drain' | 'destroy' = 'nothing'

    async function make(): Promise<Http2Engine> {
      made = (await load())(gate, options)
      if (asked !== 'nothing') made[asked]()
      return made
    }

    function accept(socket: Socket, from: Peer): () => void {
      // A socket that breaks before anybody has taken it must not end the process.
      socket.on('error', () => {})
      if (made) return made.accept(socket, from)
      let retired = false
      let retire = (): void => {
        retired = true
      }
      http2 ??= make()
      http2.then(
        engine => {
          if (socket.destroyed || asked === 'destroy') return void socket.destroy()
          retire = engine.accept(socket, from)
          if (retired) retire()
        },
        () => socket.destroy(),
      )
      return () => retire()
    }

    /** Where the container may speak HTTP/2 whatever the client speaks. */
    const bridge: Bridge = (done, how) => {
      if (made) return made.bridge(done, how)
      let giveUp = (): void => {
        wanted = false
      }
      let wanted = true
      http2 ??= make()
      http2.then(
        engine => {
          if (wanted) giveUp = engine.bridge(done, how)
        },
        error => done(new Fault('internal', describe(error))),
      )
      return () => giveUp()
    }

    const bridges = options.protocol === 'auto' || options.protocol === 'h2'
    const http1 = makeHttp1(gate, {
      ...options,
      ...(bridges ? { bridge } : {}),
      handOver(socket, from, early) {
        socket.pause()
        socket.unshift(early)
        return accept(socket, from)
      },
    })
    const all = (): Engine[] => (made ? [http1, made] : [http1])

    return {
      name: http1.name,
      accept(socket, from) {
        const secure = 'alpnProtocol' in socket && socket.alpnProtocol === 'h2'
        return secure ? accept(socket, from) : http1.accept(socket, from)
      },
      drain() {
        asked = 'drain'
        for (const engine of all()) engine.drain()
      },
      async drained() {
        await http2
        await Promise.all(all().map(engine => engine.drained()))
      },
      async closed() {
        await http2
        await Promise.all(all().map(engine => engine.closed()))
      },
      destroy() {
        asked = 'destroy'
        for (const engine of all()) engine.destroy()
      },
    }
  }
}
