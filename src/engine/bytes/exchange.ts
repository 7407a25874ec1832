// One request from its head to its end: obeys the gate's orders, moves the request's body to the container and hands the
// response to a Relay. Nothing here is called from inside a write.

import { Fault } from '../../base/errors.ts'
import type { Driver, End, Gate, Reply, Ticket } from '../../gate/contract.ts'
import type { EngineOptions } from '../engine.ts'
import { endWithVerdict } from '../expiry.ts'
import { identityOf } from '../rewrite.ts'
import { switchHead, switchProblem } from '../switch.ts'
import type { Asked } from './asked.ts'
import type { Body } from './framing.ts'
import type { Head } from './head.ts'
import type { Out } from './out.ts'
import type { Pool } from './pool.ts'
import { Relay } from './relay.ts'
import { writeRequestHead } from './request-head.ts'
import { dateField, writeResponseFields, writeStatusLine } from './response-head.ts'
import type { Strip } from './strip.ts'
import { Tunnel } from './tunnel.ts'
import { type Source, Upload } from './upload.ts'
import { type Asker, Upstream } from './upstream.ts'
import type { Ear, Wire } from './wire.ts'

/** What all exchanges of an engine share. */
export interface Shared {
  readonly gate: Gate
  readonly options: EngineOptions
  readonly strip: Strip
  readonly pool: Pool
  /** Where what goes to the container is put together, and what goes to the client. */
  readonly up: Out
  readonly down: Out
  /** True while the engine drains: each response closes its connection. */
  draining: boolean
  /** Something has ended that a drain may be waiting for. */
  readonly changed: () => void
}

/** The connection that a request came on. */
export interface Front extends Ear, Source {
  readonly asked: Asked
  readonly wire: Wire
  /** True where its connection is to end with the response. */
  readonly leaving: boolean
  /** Goes on with what is there: calls pull(), now or, where it is at work already, soon. */
  advance(): void
  /** Hands over what came behind a request that has become a tunnel. */
  takeRest(): Buffer
  /** The exchange is over. @param last true where the connection ends with it */
  over(last: boolean): void
}

type State = 'waiting' | 'dialing' | 'forwarding' | 'relaying' | 'tunnel' | 'ended'

/** How long a container may leave an `Expect: 100-continue` without a word (Go: ExpectContinueTimeout). */
const inviteMs = 1_000

export class Exchange implements Driver, Asker {
  readonly #shared: Shared
  readonly #client: Front
  #ticket: Ticket | undefined
  #state: State = 'waiting'
  #end: End = 'complete'
  #upstream: Upstream | undefined
  #relay: Relay | undefined
  #tunnel: Tunnel | undefined
  #cancelDial: (() => void) | undefined
  #cancelInvitation: (() => void) | undefined
  /** The client's body was not invited yet, so it may never come. */
  #uninvited = false
  /** The container is not read, as the client does not take what came before the answer. */
  #held = false
  /** The connection to the client ends with this exchange. */
  #last = false
  #upload: Upload | undefined
  #retries = 0

  constructor(shared: Shared, client: Front) {
    this.#shared = shared
    this.#client = client
  }

  get tunnel(): boolean {
    return this.#state === 'tunnel'
  }

  /** True where the container takes no more for now. */
  get choked(): boolean {
    return this.#upload?.choked === true
  }

  /** True while the request's body has somewhere to go. */
  get forwarding(): boolean {
    return this.#state === 'forwarding' || this.#state === 'relaying'
  }

  /** Asks the gate and obeys. */
  begin(): void {
    const { gate } = this.#shared
    this.#uninvited = this.#client.asked.expects === 'continue'
    this.#ticket = gate.enter(this.#client.asked, this)
    const { order } = this.#ticket
    if (order === 'start') this.start()
    else if (order !== 'wait') this.answer(order)
  }

  // Orders.

  start(): void {
    if (this.#state !== 'waiting') return
    const { asked } = this.#client
    if (asked.method === 'CONNECT') {
      this.#fail(new Fault('connect-unsupported', 'client sent unsupported CONNECT request'))
    } else if (asked.expects === 'other') {
      this.answer({ status: 417, headers: [], body: '', close: true })
    } else {
      this.#connect(false)
    }
  }

  answer(reply: Reply): void {
    if (this.#state !== 'waiting' && this.#state !== 'dialing' && this.#state !== 'forwarding') return
    const { asked, wire } = this.#client
    this.#letGo()
    const { down, options } = this.#shared
    const old = asked.version === '1.0'
    this.#last = reply.close === true || this.#client.leaving || asked.closes || asked.unreadIsLarge || this.#uninvited
    writeStatusLine(down, old ? 0 : 1, reply.status)
    for (const [name, value] of reply.headers) down.text(name).text(': ').text(value).text('\r\n')
    down.text(dateField(options.clock.now())).text(`Content-Length: ${reply.body.length}\r\n`)
    if (old !== this.#last) down.text(old ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n')
    down.text('\r\n')
    if (asked.method !== 'HEAD') down.text(reply.body)
    wire.send(down)
    this.#finish(this.#end === 'complete' ? 'answered' : this.#end)
  }

  cut(): void {
    if (this.#state !== 'ended') this.#break('cut')
  }

  /** The engine goes down. */
  destroy(): void {
    this.cut()
  }

  // The client's side.

  /** Moves what has come of the request's body on to the container. */
  pull(): void {
    const fault = this.forwarding ? this.#upload?.pull() : undefined
    if (this.#upload?.begun) this.#uninvited = false
    if (fault) this.#fail(fault)
  }

  clientDrained(): void {
    this.#relay?.drained()
    this.#release()
  }

  /** The client has ended its direction. @param whole true where its request is complete */
  clientEnded(whole: boolean): void {
    if (!whole) this.#fail(new Fault('client-body-broken', 'unexpected EOF'))
    else this.#left()
  }

  clientGone(): void {
    if (this.#state !== 'ended' && this.#state !== 'tunnel') this.#left()
  }

  #left(): void {
    this.#last = true
    const { asked, wire } = this.#client
    // It may have ended its direction only, and still read what ends here for a whole body.
    if (this.#state === 'relaying' && asked.version === '1.0') wire.reset()
    this.#finish('client-left')
  }

  // The way to the container.

  #connect(fresh: boolean): void {
    const { pool } = this.#shared
    this.#state = 'dialing'
    const kept = fresh ? undefined : pool.take()
    if (kept) {
      this.#forward(kept)
      return
    }
    this.#cancelDial = pool.dial(outcome => {
      this.#cancelDial = undefined
      if (this.#state !== 'dialing') {
        if (outcome instanceof Upstream) outcome.destroy()
      } else if (outcome instanceof Fault) this.#fail(outcome)
      else this.#forward(outcome)
    })
  }

  #forward(upstream: Upstream): void {
    const { options, strip, up } = this.#shared
    const { asked } = this.#client
    this.#state = 'forwarding'
    this.#upstream = upstream
    upstream.ask(this, asked.method === 'HEAD', options.allowUnframed)
    writeRequestHead(up, asked.fields, {
      method: asked.method,
      path: asked.path,
      framing: asked.body.framing,
      length: asked.body.left,
      upgrade: asked.token,
      peer: asked.from.address,
      authority: options.authority,
      targetAuthority: asked.authority,
      honourOriginalHost: options.honourOriginalHost !== false,
      identity: identityOf(options.identityHeader, asked.from),
      strip,
    })
    this.#upload = new Upload(this.#client, asked.body, upstream.wire, up, this.#ticket, strip)
    if (this.#uninvited) this.#cancelInvitation = options.clock.after(inviteMs, () => this.#invite())
    // Sends the head, with what is there of the body.
    this.#client.advance()
  }

  /** The container has not said whether it wants the body: the client is told to send it, as the Go proxy does. */
  #invite(): void {
    this.#cancelInvitation = undefined
    if (this.#state !== 'forwarding' || !this.#uninvited) return
    this.#uninvited = false
    this.#client.wire.give(Buffer.from('HTTP/1.1 100 Continue\r\n\r\n'))
  }

  #stopInvitation(): void {
    this.#cancelInvitation?.()
    this.#cancelInvitation = undefined
  }

  drained(): void {
    if (this.#upload) this.#upload.choked = false
    this.#client.advance()
  }

  // The container's answer.

  interim(head: Head): void {
    const { asked, wire } = this.#client
    if (head.status === 100) {
      this.#uninvited = false
      this.#stopInvitation()
    }
    this.#ticket?.interim(head.status)
    // HTTP/1.0 knows no interim answers (RFC 9110 §15.2).
    if (asked.version === '1.0') return
    const { down } = this.#shared
    writeResponseFields(down, 1, head)
    wire.send(down.text('\r\n'))
  }

  responded(head: Head, body: Body): void {
    const { asked } = this.#client
    this.#state = 'relaying'
    this.#stopInvitation()
    this.#release()
    this.#ticket?.responded(head.status)
    this.#last = this.#client.leaving || asked.closes || asked.unreadIsLarge || this.#uninvited
    this.#relay = new Relay(this.#shared, this.#client.wire, this.#upstream as Upstream, asked.version === '1.0', body)
    this.#last = this.#relay.begin(head, this.#last)
  }

  data(bytes: Buffer, from: number, to: number): void {
    this.#relay?.data(bytes, from, to)
    this.#ticket?.sent(to - from)
  }

  flush(): void {
    if (this.#relay) this.#relay.flush()
    else if (this.#client.wire.full) {
      this.#held = true
      this.#upstream?.wire.pause()
    }
  }

  #release(): void {
    if (!this.#held) return
    this.#held = false
    this.#upstream?.wire.resume()
  }

  answered(): void {
    this.#relay?.end()
    this.#finish('complete')
  }

  broken(fault: Fault): void {
    const upstream = this.#upstream
    this.#upstream = undefined
    const stale = this.#state === 'forwarding' && upstream?.stale === true && this.#retries === 0
    if (stale && fault.code !== 'upstream-malformed' && this.#client.asked.repeatable) {
      this.#retries++
      this.#connect(true)
    } else {
      this.#fail(fault)
    }
  }

  switched(head: Head, bytes: Buffer, from: number): void {
    const { asked, wire } = this.#client
    const upstream = this.#upstream as Upstream
    const raw = head.raw()
    const lenient = this.#shared.options.lenientWebSocket === true
    const problem = switchProblem(asked.token ? asked.fields.raw() : [], raw, lenient) ?? unasked(asked.token)
    if (problem !== undefined) {
      this.#fail(new Fault('upstream-switched', problem))
      return
    }
    this.#state = 'tunnel'
    this.#ticket?.responded(101)
    wire.give(Buffer.from(switchHead(101, raw), 'latin1'))
    const early = this.#client.takeRest()
    const forget = endWithVerdict(this.#shared.options, upstream.verdict, () => this.cut())
    this.#tunnel = new Tunnel(this.#client, upstream, {
      received: count => this.#ticket?.received(count),
      sent: count => this.#ticket?.sent(count),
      closed: () => {
        forget()
        this.#finish(this.#end)
      },
    })
    this.#tunnel.start(early, Buffer.from(bytes.subarray(from)))
    this.#shared.changed()
  }

  // Ends.

  #fail(fault: Fault): void {
    this.#end = fault.blame === 'client' ? 'malformed' : 'upstream-failed'
    const reply = this.#ticket?.failed(fault)
    if (reply) this.answer(reply)
    else this.#break(this.#end)
  }

  /** So that the client cannot take what it has for a whole response. */
  #break(end: End): void {
    this.#end = end
    if (this.#tunnel) {
      this.#tunnel.destroy()
      return
    }
    const { asked, wire } = this.#client
    this.#last = true
    this.#letGo()
    // To a client of HTTP/1.0 the end of the connection may be the end of the body.
    if (asked.version === '1.0') wire.reset()
    else wire.destroy()
    this.#finish(end)
  }

  /** Gives up the container's side, whatever it is doing. */
  #letGo(): void {
    this.#cancelDial?.()
    this.#cancelDial = undefined
    this.#stopInvitation()
    this.#relay?.stop()
    this.#upstream?.destroy()
    this.#upstream = undefined
  }

  #finish(end: End): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    const upstream = this.#upstream
    if (upstream && this.#upload?.done && upstream.reusable) {
      this.#upstream = undefined
      this.#shared.pool.give(upstream)
    }
    this.#letGo()
    this.#ticket?.finished(end, this.#retries)
    this.#client.over(this.#last)
    this.#shared.changed()
  }
}

/** A switch that names nothing answers a request that names nothing; it was not asked for all the same. */
function unasked(token: string | undefined): string | undefined {
  return token === undefined ? 'backend switched protocols and named none' : undefined
}
