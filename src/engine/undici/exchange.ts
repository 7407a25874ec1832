// One request on the reference engine: node:http's message and response on the client's side, an undici dispatch on the
// container's. It obeys the gate's orders and reports to its ticket.

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Fault, systemCode } from '../../base/errors.ts'
import { headProblem, malformed, parseTarget, type Target } from '../../base/target.ts'
import type { Driver, End, Gate, Peer, Reply, RequestHead, Ticket } from '../../gate/contract.ts'
import type { EngineOptions } from '../engine.ts'
import { firstValue, requestFields, responseFields, tokens, values } from '../rewrite.ts'
import { sniffContentType } from '../sniff.ts'
import { reasonPhrase } from '../status.ts'
import { joinTunnel } from '../tunnel.ts'
import type { Early } from './early.ts'
import type { Controller, Handler, Lane, Lanes } from './lanes.ts'
import { Upload } from './upload.ts'

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
  /** True while the engine drains: each response closes its connection. */
  readonly draining: () => boolean
}

/** As much of an unread body as the Go server swallows to keep a connection. */
const maxDiscard = 256 * 1024

/** May be sent twice (RFC 9110 §9.2.2), where it has no body. */
const replayable: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE'])

const websocketGuid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'

class NodeHead implements RequestHead {
  readonly #message: IncomingMessage
  readonly from: Peer
  readonly upgrade: boolean

  constructor(message: IncomingMessage, from: Peer, upgrade: boolean) {
    this.#message = message
    this.from = from
    this.upgrade = upgrade
  }

  get method(): string {
    return this.#message.method ?? ''
  }

  get target(): string {
    return this.#message.url ?? ''
  }

  get version(): '1.0' | '1.1' {
    return this.#message.httpVersion === '1.0' ? '1.0' : '1.1'
  }

  header(lowerName: string): string | undefined {
    return firstValue(this.#message.rawHeaders, lowerName)
  }
}

type State = 'waiting' | 'forwarding' | 'relaying' | 'replying' | 'tunnel' | 'ended'

export class Exchange implements Driver, Handler {
  readonly #context: ExchangeContext
  readonly #entry: Entry
  readonly #message: IncomingMessage
  readonly #response: ServerResponse
  /** The client's socket and what it sent behind the head, where Node handed both over. */
  readonly #raw: Raw | undefined
  /** Told when this becomes a tunnel and when it ends. */
  readonly #changed: () => void
  #ticket: Ticket | undefined
  #target: Target | undefined
  #state: State = 'waiting'
  #end: End = 'complete'
  #lane: Lane | undefined
  #controller: Controller | undefined
  #upload: Upload | undefined
  /** The container's final head, held back until its first bytes come. */
  #head: { readonly status: number; readonly fields: string[]; readonly bodyless: boolean } | undefined
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
    this.#message = message
    this.#response = response
    this.#raw = raw
    this.#changed = changed
  }

  /** Asks the gate and obeys. */
  begin(): void {
    this.#response.on('finish', () => this.#finish(this.#end))
    this.#response.on('close', () => this.#left())
    const problem = this.#problem()
    if (problem !== undefined) {
      this.#refuse(problem)
      return
    }
    const head = new NodeHead(this.#message, this.#context.from, this.#entry === 'upgrade')
    this.#ticket = this.#context.gate.enter(head, this)
    const { order } = this.#ticket
    if (order === 'start') this.start()
    else if (order !== 'wait') this.answer(order)
  }

  /** What makes this head unfit for any decision, in the words of Go's server. */
  #problem(): string | undefined {
    const { httpVersion, rawHeaders, method = '', url = '' } = this.#message
    this.#target = parseTarget(method, url)
    return this.#target ? headProblem(httpVersion, values(rawHeaders, 'host')) : malformed
  }

  /** As Go's server does before its handlers: no gate, no statistics, and the end of the connection. */
  #refuse(problem: string): void {
    this.#state = 'replying'
    const response = this.#response
    response.sendDate = false
    response.useChunkedEncodingByDefault = false
    response.removeHeader('transfer-encoding')
    const fields = ['Content-Type', 'text/plain; charset=utf-8', 'Connection', 'close']
    response.writeHead(Number(problem.slice(0, 3)), problem.slice(4), fields)
    response.end(problem, 'latin1')
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
      if (this.#entry === 'continue' && this.#hasBody()) this.#response.writeContinue()
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
    return !this.#message.complete
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
    const raw = decode(controller.rawHeaders)
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
    const trailers = decode(controller.rawTrailers)
    if (trailers.length > 0) this.#response.addTrailers(pairs(trailers))
    this.#giveLane()
    this.#response.end()
  }

  onResponseError(_controller: Controller, error: Error): void {
    if (this.#state !== 'forwarding' && this.#state !== 'relaying') return
    const fault = asFault(error)
    const lane = this.#lane
    this.#discardLane()
    if (this.#state === 'forwarding' && lane?.stale && fault.blame === 'upstream' && this.#mayRepeat()) {
      this.#retries++
      this.#dispatch(true)
    } else {
      this.#fail(fault)
    }
  }

  onRequestUpgrade(controller: Controller, status: number, _headers: unknown, upstream: Socket): void {
    const raw = decode(controller.rawHeaders)
    const problem = this.#raw && this.#state === 'forwarding' ? this.#switchProblem(raw) : 'nobody asked for it'
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
    const { lanes, options, strip, from } = this.#context
    const message = this.#message
    const target = this.#target
    const fields = requestFields(message.rawHeaders, {
      peer: from.address,
      authority: options.authority,
      strip,
      targetAuthority: target?.authority,
      honourOriginalHost: options.honourOriginalHost ?? true,
    })
    const body = this.#hasBody() ? this.#openUpload() : null
    const upgrade = this.#entry === 'upgrade' ? (firstValue(message.rawHeaders, 'upgrade') ?? null) : null
    this.#lane = lanes.take(fresh)
    this.#lane.dispatch(
      {
        method: message.method ?? 'GET',
        path: target?.path ?? '/',
        headers: withoutExpect(fields),
        body,
        upgrade,
      },
      this,
    )
  }

  #openUpload(): Upload {
    this.#upload = new Upload(this.#message, bytes => this.#ticket?.received(bytes))
    return this.#upload
  }

  #hasBody(): boolean {
    const { headers } = this.#message
    if (headers['transfer-encoding'] !== undefined) return true
    return headers['content-length'] !== undefined && Number(headers['content-length']) > 0
  }

  #mayRepeat(): boolean {
    if (this.#retries > 0 || this.#hasBody()) return false
    if (replayable.has(this.#message.method ?? '')) return true
    const { headers } = this.#message
    return headers['idempotency-key'] !== undefined || headers['x-idempotency-key'] !== undefined
  }

  // Relaying.

  #relayInterim(status: number, raw: string[]): void {
    const socket = this.#response.socket
    if (!socket || this.#response.headersSent) return
    const head = [`HTTP/1.1 ${status} ${reasonPhrase(status)}`]
    const fields = responseFields(raw)
    for (let i = 0; i + 1 < fields.length; i += 2) head.push(`${fields[i]}: ${fields[i + 1]}`)
    socket.write(`${head.join('\r\n')}\r\n\r\n`, 'latin1')
    this.#ticket?.interim(status)
  }

  #relayHead(status: number, raw: string[]): void {
    const bodyless = this.#message.method === 'HEAD' || status === 204 || status === 304
    const codings = tokens(raw, 'transfer-encoding')
    if (codings.length > 0 && codings.join() !== 'chunked') {
      // Under any other coding the body ends with the connection, or is not what the client would take it for.
      this.#fail(new Fault('upstream-malformed', 'unsupported transfer encoding'))
      return
    }
    const framed = bodyless || codings.length > 0 || firstValue(raw, 'content-length') !== undefined
    if (!framed && !this.#context.options.allowUnframed) {
      this.#fail(
        new Fault('upstream-unframed', 'the response ends only by close, which cannot be told from truncation'),
      )
      return
    }
    this.#state = 'relaying'
    this.#ticket?.responded(status)
    const fields = responseFields(raw)
    const announced = firstValue(raw, 'trailer')
    if (announced !== undefined) fields.push('Trailer', announced)
    this.#head = { status, fields, bodyless }
    // Head and first bytes leave together. A stream may begin with silence: then its head goes first, alone.
    if (firstValue(raw, 'content-length') !== undefined) return
    setImmediate(() => {
      if (this.#state !== 'relaying' || this.#response.writableEnded) return
      this.#sendHead(undefined)
      this.#response.flushHeaders()
    })
  }

  /** @param first the first bytes of the body, if there are any */
  #sendHead(first: Buffer | undefined): void {
    if (!this.#head) return
    const { status, fields, bodyless } = this.#head
    this.#head = undefined
    const typed =
      firstValue(fields, 'content-type') !== undefined || firstValue(fields, 'content-encoding') !== undefined
    if (first && !typed && !bodyless) fields.push('Content-Type', sniffContentType(first))
    this.#writeHead(status, fields, false)
  }

  #writeHead(status: number, fields: string[], close: boolean): void {
    const response = this.#response
    const modern = this.#message.httpVersion !== '1.0'
    const closes =
      close ||
      this.#context.draining() ||
      this.#raw !== undefined ||
      this.#unreadIsLarge() ||
      (modern && !response.shouldKeepAlive)
    // Node adds `Connection: keep-alive` unless told that somebody removed it.
    response.removeHeader('connection')
    if (closes) fields.push('Connection', 'close')
    else if (!modern && response.shouldKeepAlive && firstValue(fields, 'content-length') !== undefined) {
      fields.push('Connection', 'keep-alive')
    }
    response.writeHead(status, reasonPhrase(status), fields)
  }

  /** Would reading the rest of the request only to throw it away cost more than a new connection? */
  #unreadIsLarge(): boolean {
    if (this.#message.complete || !this.#hasBody()) return false
    const length = this.#message.headers['content-length']
    return length === undefined || Number(length) > maxDiscard
  }

  // Tunnels.

  #switchProblem(raw: string[]): string | undefined {
    const asked = firstValue(this.#message.rawHeaders, 'upgrade')?.toLowerCase() ?? ''
    const got = firstValue(raw, 'upgrade') ?? ''
    if (got.toLowerCase() !== asked) return `backend tried to switch protocol "${got}" when "${asked}" was requested`
    const key = firstValue(this.#message.rawHeaders, 'sec-websocket-key')
    if (asked !== 'websocket' || key === undefined || this.#context.options.lenientWebSocket) return undefined
    const want = createHash('sha1')
      .update(key.trim() + websocketGuid)
      .digest('base64')
    return firstValue(raw, 'sec-websocket-accept') === want ? undefined : 'backend answered another websocket key'
  }

  #openTunnel(status: number, raw: string[], upstream: Socket, { socket: client, early }: Raw): void {
    this.#state = 'tunnel'
    // undici has let go of the socket; what is left of the lane is empty.
    this.#discardLane()
    this.#ticket?.responded(status)
    this.#response.detachSocket(client)
    const fields = ['Connection', 'Upgrade', 'Upgrade', firstValue(raw, 'upgrade') ?? '', ...responseFields(raw)]
    let text = `HTTP/1.1 ${status} ${reasonPhrase(status)}\r\n`
    for (let i = 0; i + 1 < fields.length; i += 2) text += `${fields[i]}: ${fields[i + 1]}\r\n`
    client.write(`${text}\r\n`, 'latin1')
    const head = early.take()
    if (head.length > 0) {
      this.#ticket?.received(head.length)
      upstream.write(head)
    }
    this.#breakTunnel = joinTunnel(client, upstream, {
      received: bytes => this.#ticket?.received(bytes),
      sent: bytes => this.#ticket?.sent(bytes),
      closed: () => this.#finish(this.#end),
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
    if (this.#message.httpVersion === '1.0' && socket && !('encrypted' in socket)) socket.resetAndDestroy()
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

/** undici hands out raw fields as Buffers or strings. */
function decode(raw: unknown): string[] {
  if (!Array.isArray(raw)) return []
  return raw.map(each => (typeof each === 'string' ? each : Buffer.isBuffer(each) ? each.toString('latin1') : ''))
}

function pairs(raw: string[]): [string, string][] {
  const found: [string, string][] = []
  for (let i = 0; i + 1 < raw.length; i += 2) found.push([raw[i] ?? '', raw[i + 1] ?? ''])
  return found
}

/** undici refuses the field; the invitation to send was ours already. */
function withoutExpect(fields: string[]): string[] {
  const kept: string[] = []
  for (let i = 0; i + 1 < fields.length; i += 2) {
    if (fields[i]?.toLowerCase() !== 'expect') kept.push(fields[i] ?? '', fields[i + 1] ?? '')
  }
  return kept
}

/** What undici and the socket say, in our codes and the Go proxy's words. */
function asFault(error: Error): Fault {
  if (error instanceof Fault) return error
  const code = systemCode(error) ?? ''
  if (code === 'ECONNRESET' || code === 'EPIPE') return new Fault('upstream-reset', 'connection reset by peer')
  if (code === 'UND_ERR_SOCKET') {
    if (error.message === 'bad upgrade') return new Fault('upstream-switched', 'backend switched protocols unasked')
    if (error.message === 'bad response') return new Fault('upstream-malformed', 'unexpected bytes from the container')
    return new Fault('upstream-closed', 'EOF')
  }
  if (code === 'UND_ERR_INFO') return new Fault('upstream-closed', 'http: server closed idle connection')
  if (code === 'UND_ERR_INVALID_ARG' || code === 'UND_ERR_NOT_SUPPORTED') {
    return new Fault('request-unsupported', `the reference engine cannot forward this request: ${error.message}`)
  }
  // undici's parser errors carry no code of their own.
  if (error.name === 'HTTPParserError' || code.startsWith('HPE_') || code.startsWith('UND_ERR_'))
    return new Fault('upstream-malformed', code)
  return new Fault('upstream-closed', code === '' ? 'closed' : code)
}
