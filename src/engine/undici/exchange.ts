// One request on the reference engine: node:http's message and response on the client's side, an undici dispatch on the
// container's. It obeys the gate's orders and reports to its ticket.

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault } from '../../base/errors.ts'
import type { Driver, End, Gate, Peer, Reply, Ticket } from '../../gate/contract.ts'
import type { EngineOptions } from '../engine.ts'
import { endWithVerdict } from '../expiry.ts'
import { firstValue, identityOf, requestFields, responseFields } from '../rewrite.ts'
import { sniffContentType } from '../sniff.ts'
import { reasonPhrase } from '../status.ts'
import { headText, switchHead, switchProblem } from '../switch.ts'
import { Asked } from './asked.ts'
import type { Early } from './early.ts'
import type { Controller, Handler, Lane, Lanes } from './lanes.ts'
import { joinTunnel } from './tunnel.ts'
import { Upload } from './upload.ts'
import { asFault, decodeFields, framingFault, pairs, refuseHead, withoutExpect } from './words.ts'

/** How a request came in: Node has one event for each of these. */
export type Entry = 'request' | 'upgrade' | 'connect' | 'continue' | 'expectation'

/** A client's socket where Node handed it over. */
export interface Raw {
  readonly socket: Socket
  readonly early: Early
}

export interface ExchangeContext {
  readonly gate: Gate
  readonly lanes: Lanes
  readonly options: EngineOptions
  readonly strip: ReadonlySet<string>
  readonly from: Peer
  /** True where the response closes its connection, as it is to end or the engine drains. */
  readonly draining: () => boolean
}

type State = 'waiting' | 'forwarding' | 'relaying' | 'replying' | 'tunnel' | 'ended'

export class Exchange implements Driver, Handler {
  readonly #context: ExchangeContext
  readonly #entry: Entry
  readonly #asked: Asked
  readonly #response: ServerResponse
  /** The client's socket and what it sent behind the head, where Node handed both over. */
  readonly #raw: Raw | undefined
  /** Told when this becomes a tunnel and when it ends. */
  readonly #changed: () => void
  #ticket: Ticket | undefined
  #state: State = 'waiting'
  #end: End = 'complete'
  #lane: Lane | undefined
  #controller: Controller | undefined
  #upload: Upload | undefined
  /** The container's final head, held back until its first bytes come. */
  #head: { readonly status: number; readonly fields: string[]; readonly sniff: boolean } | undefined
  #breakTunnel: (() => void) | undefined
  #retries = 0

  constructor(
    context: ExchangeContext,
    entry: Entry,
    message: IncomingMessage,
    response: ServerResponse,
    raw: Raw | undefined,
    changed: () => void,
  ) {
    this.#context = context
    this.#entry = entry
    this.#asked = new Asked(message, context.from, entry === 'upgrade')
    this.#response = response
    this.#raw = raw
    this.#changed = changed
  }

  /** Asks the gate and obeys. */
  begin(): void {
    this.#response.on('finish', () => this.#finish(this.#end))
    this.#response.on('close', () => this.#left())
    const { problem } = this.#asked
    if (problem !== undefined) {
      this.#state = 'replying'
      refuseHead(this.#response, problem)
      return
    }
    this.#ticket = this.#context.gate.enter(this.#asked, this)
    const { order } = this.#ticket
    if (order === 'start') this.start()
    else if (order !== 'wait') this.answer(order)
  }

  // Orders.

  start(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'forwarding'
    if (this.#entry === 'connect') {
      this.#fail(new Fault('connect-unsupported', 'client sent unsupported CONNECT request'))
    } else if (this.#entry === 'expectation') {
      this.answer({ status: 417, headers: [], body: '', close: true })
    } else {
      // The reference engine cannot relay the container's own 100: it invites the body as soon as it forwards.
      if (this.#entry === 'continue' && this.#asked.hasBody) this.#response.writeContinue()
      this.#dispatch(false)
    }
  }

  answer(reply: Reply): void {
    if (this.#state !== 'waiting' && this.#state !== 'forwarding') return
    this.#state = 'replying'
    if (this.#end === 'complete') this.#end = 'answered'
    this.#release()
    const response = this.#response
    const fields = reply.headers.flat()
    // 1xx, 204 and 304 have no length; the gate sends none of them.
    fields.push('Content-Length', String(Buffer.byteLength(reply.body, 'latin1')))
    this.#writeHead(reply.status, fields, reply.close === true)
    response.end(reply.body, 'latin1')
  }

  cut(): void {
    if (this.#state === 'ended' || this.#state === 'replying') return
    this.#break('cut')
  }

  get tunnel(): boolean {
    return this.#state === 'tunnel'
  }

  get over(): boolean {
    return this.#state === 'ended'
  }

  /** True while the rest of the request has not come. */
  get incomplete(): boolean {
    return !this.#asked.message.complete
  }

  /** The rest of the request cannot be read. */
  bodyBroken(): void {
    if (this.#state === 'replying' || this.#state === 'ended') return
    this.#fail(new Fault('client-body-broken', 'malformed chunked encoding or unexpected EOF'))
  }

  /** The engine goes down. */
  destroy(): void {
    if (this.#state !== 'ended') this.#break('cut')
  }

  // The container's side, called by undici.

  onRequestStart(controller: Controller): void {
    this.#controller = controller
    if (this.#state !== 'forwarding') controller.abort(new Fault('internal', 'the request is over'))
  }

  onResponseStart(controller: Controller, status: number): void {
    if (this.#state !== 'forwarding') return
    const raw = decodeFields(controller.rawHeaders)
    // Without an Upgrade field undici takes a switch of protocols for an interim answer.
    if (status === 101) this.#fail(new Fault('upstream-switched', 'backend switched protocols and named none'))
    else if (status < 200) this.#relayInterim(status, raw)
    else this.#relayHead(status, raw)
  }

  onResponseData(controller: Controller, chunk: Buffer): void {
    if (this.#state !== 'relaying') return
    this.#sendHead(chunk)
    this.#ticket?.sent(chunk.length)
    if (this.#response.write(chunk)) return
    controller.pause()
    this.#response.once('drain', () => controller.resume())
  }

  onResponseEnd(controller: Controller): void {
    if (this.#state !== 'relaying') return
    // undici takes any end of a connection for the end of a body that nothing else delimits, a reset too.
    if (this.#lane?.broken) {
      this.#fail(new Fault('upstream-reset', 'connection reset by peer'))
      return
    }
    this.#sendHead(undefined)
    const trailers = decodeFields(controller.rawTrailers)
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers))
    this.#giveLane()
    this.#response.end()
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#state !== 'forwarding' && this.#state !== 'relaying') return
    const fault = asFault(error)
    const lane = this.#lane
    this.#discardLane()
    if (this.#state === 'forwarding' && lane?.stale && fault.blame === 'upstream' && this.#mayRepeat) {
      this.#retries++
      this.#dispatch(true)
    } else {
      this.#fail(fault)
    }
  }

  onRequestUpgrade(controller: Controller, status: number, _headers: unknown, upstream: Socket): void {
    const raw = decodeFields(controller.rawHeaders)
    const lenient = this.#context.options.lenientWebSocket === true
    const expected = this.#raw !== undefined && this.#state === 'forwarding'
    const problem = expected ? switchProblem(this.#asked.fields, raw, lenient) : 'nobody asked for it'
    if (problem !== undefined || !this.#raw) {
      upstream.on('error', () => {})
      upstream.destroy()
      if (this.#state === 'forwarding') this.#fail(new Fault('upstream-switched', problem ?? ''))
      return
    }
    this.#openTunnel(status, raw, upstream, this.#raw)
  }

  // Forwarding.

  #dispatch(fresh: boolean): void {
    const { lanes, options, strip } = this.#context
    const asked = this.#asked
    const fields = requestFields(asked.fields, {
      peer: asked.from.address,
      authority: options.authority,
      strip,
      targetAuthority: asked.parsed?.authority,
      honourOriginalHost: options.honourOriginalHost ?? true,
      identity: identityOf(options.identityHeader, asked.from),
    })
    this.#lane = lanes.take(fresh)
    this.#lane.dispatch(
      {
        method: asked.method,
        path: asked.parsed?.path ?? '/',
        headers: withoutExpect(fields),
        body: asked.hasBody ? this.#openUpload() : null,
        upgrade: asked.upgrade ? (asked.header('upgrade') ?? null) : null,
      },
      this,
    )
  }

  #openUpload(): Upload {
    this.#upload = new Upload(this.#asked.message, bytes => this.#ticket?.received(bytes))
    return this.#upload
  }

  /** Once, on a fresh connection. */
  get #mayRepeat(): boolean {
    return this.#retries === 0 && this.#asked.repeatable
  }

  // Relaying.

  #relayInterim(status: number, raw: string[]): void {
    const socket = this.#response.socket
    if (!socket || this.#response.headersSent) return
    socket.write(headText(status, responseFields(raw)), 'latin1')
    this.#ticket?.interim(status)
  }

  #relayHead(status: number, raw: string[]): void {
    const bodyless = this.#asked.method === 'HEAD' || status === 204 || status === 304
    const fault = bodyless ? undefined : framingFault(raw, this.#context.options.allowUnframed)
    if (fault) {
      this.#fail(fault)
      return
    }
    this.#state = 'relaying'
    this.#ticket?.responded(status)
    const fields = responseFields(raw)
    const announced = firstValue(raw, 'trailer')
    if (announced !== undefined) fields.push('Trailer', announced)
    const typed =
      firstValue(fields, 'content-type') !== undefined || firstValue(fields, 'content-encoding') !== undefined
    this.#head = { status, fields, sniff: !bodyless && !typed }
    // Head and first bytes leave together. Where silence comes first the head goes alone, unless those bytes are needed to
    // name their type and are sure to come.
    if (this.#head.sniff && firstValue(raw, 'content-length') !== undefined) return
    setImmediate(() => {
      if (this.#state !== 'relaying' || this.#response.writableEnded) return
      this.#sendHead(undefined)
      this.#response.flushHeaders()
    })
  }

  /** @param first the first bytes of the body, if there are any */
  #sendHead(first: Buffer | undefined): void {
    if (!this.#head) return
    const { status, fields, sniff } = this.#head
    this.#head = undefined
    if (first && sniff) fields.push('Content-Type', sniffContentType(first))
    this.#writeHead(status, fields, false)
  }

  #writeHead(status: number, fields: string[], close: boolean): void {
    const response = this.#response
    const modern = this.#asked.version !== '1.0'
    const closes =
      close ||
      this.#context.draining() ||
      this.#raw !== undefined ||
      this.#asked.unreadIsLarge ||
      (modern && !response.shouldKeepAlive)
    // Node adds `Connection: keep-alive` unless told that somebody removed it.
    response.removeHeader('connection')
    if (closes) fields.push('Connection', 'close')
    else if (!modern && response.shouldKeepAlive && firstValue(fields, 'content-length') !== undefined) {
      fields.push('Connection', 'keep-alive')
    }
    response.writeHead(status, reasonPhrase(status), fields)
  }

  // Tunnels.

  #openTunnel(status: number, raw: string[], upstream: Socket, { socket: client, early }: Raw): void {
    this.#state = 'tunnel'
    const forget = endWithVerdict(this.#context.options, this.#lane?.verdict, () => this.cut())
    // undici has let go of the socket; what is left of the lane is empty.
    this.#discardLane()
    this.#ticket?.responded(status)
    this.#response.detachSocket(client)
    client.write(switchHead(status, raw), 'latin1')
    const head = early.take()
    if (head.length > 0) {
      this.#ticket?.received(head.length)
      upstream.write(head)
    }
    this.#breakTunnel = joinTunnel(client, upstream, {
      received: bytes => this.#ticket?.received(bytes),
      sent: bytes => this.#ticket?.sent(bytes),
      closed: () => {
        forget()
        this.#finish(this.#end)
      },
    })
    this.#changed()
  }

  // Ends.

  #fail(fault: Fault): void {
    this.#end = fault.blame === 'client' ? 'malformed' : 'upstream-failed'
    const reply = this.#ticket?.failed(fault)
    if (reply) this.answer(reply)
    else this.#break(this.#end)
  }

  #left(): void {
    if (this.#state !== 'ended' && this.#state !== 'tunnel') this.#finish('client-left')
  }

  #break(end: End): void {
    this.#end = end
    if (this.#breakTunnel) {
      this.#breakTunnel()
      return
    }
    const socket = this.#raw?.socket ?? this.#response.socket
    this.#finish(end)
    // To a client of HTTP/1.0 the end of the connection may be the end of the body, and only a reset is none. (On TLS the
    // missing close_notify says the same.)
    if (this.#asked.version === '1.0' && socket && !('encrypted' in socket)) socket.resetAndDestroy()
    this.#response.destroy()
    socket?.destroy()
  }

  #finish(end: End): void {
    if (this.#state === 'ended') return
    // First, as letting go of the container's side is told to us as an error.
    this.#state = 'ended'
    this.#release()
    this.#ticket?.finished(end, this.#retries)
    this.#changed()
  }

  /** Gives up the container's side, whatever it is doing. */
  #release(): void {
    this.#discardLane()
    this.#controller?.abort(new Fault('internal', 'the request is over'))
    this.#controller = undefined
    this.#upload?.destroy()
    this.#upload = undefined
  }

  #giveLane(): void {
    if (this.#lane) this.#context.lanes.give(this.#lane)
    this.#lane = undefined
    this.#controller = undefined
  }

  #discardLane(): void {
    if (this.#lane) this.#context.lanes.discard(this.#lane)
    this.#lane = undefined
  }
}
