// One stream from its first fields to its end: obeys the gate's orders, moves the request to the container and the
// response back. What the container speaks is the Call's business.

import { constants, type ServerHttp2Stream } from 'node:http2'
import { Fault } from '../../base/errors.ts'
import type { Driver, End, Gate, Reply, Ticket, Verdict } from '../../gate/contract.ts'
import type { EngineOptions } from '../engine.ts'
import { endWithVerdict } from '../expiry.ts'
import { responseFields } from '../rewrite.ts'
import { Answer } from './answer.ts'
import type { Asked } from './asked.ts'
import type { Call, Reach, TunnelCaller, Why } from './call.ts'
import { fieldMap, requestTrailers, withoutPseudo } from './fields.ts'
import type { Window } from './window.ts'

const { NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR, NGHTTP2_NO_ERROR } = constants

/** What all exchanges of an engine share. */
export interface Shared {
  readonly gate: Gate
  readonly options: EngineOptions
  readonly reach: Reach
  readonly strip: ReadonlySet<string>
  /** Something has ended that a drain may be waiting for. */
  readonly changed: () => void
}

/** The connection that a stream belongs to. */
export interface Front {
  readonly window: Window
  /** The client broke the stream off before it was answered. */
  reset(): void
  /** An exchange has become a tunnel; in front of over(). */
  tunnelled(): void
  /** No new stream may be opened. */
  leave(): void
  over(exchange: Exchange, stream: ServerHttp2Stream): void
  /** The last word about a stream; behind over(). */
  closed(stream: ServerHttp2Stream): void
}

type State = 'waiting' | 'calling' | 'relaying' | 'ended'

/** When a request is sent again that the container has not touched, in milliseconds after it said so (as Go's client). */
const againAfterMs = [0, 1_000, 2_000, 4_000, 8_000]

/** As much of a body is kept to be sent again. */
const maxKept = 64 * 1024

/** How long a container may leave an `Expect: 100-continue` without a word (Go: ExpectContinueTimeout). */
const inviteMs = 1_000

const exchangeOf = Symbol('exchange')
type Owned = ServerHttp2Stream & { [exchangeOf]: Exchange }

export class Exchange implements Driver, TunnelCaller {
  readonly #shared: Shared
  readonly #front: Front
  readonly #stream: ServerHttp2Stream
  readonly #asked: Asked
  readonly #answer: Answer
  /** True from the container's switch on. */
  tunnel = false
  #ticket: Ticket | undefined
  #state: State = 'waiting'
  #end: End = 'complete'
  #call: Call | undefined
  #giveUp: (() => void) | undefined
  #stopTimer: (() => void) | undefined
  #retries = 0
  /** The request's body as far as it has come; undefined where it cannot be sent again. */
  #kept: Buffer[] | undefined
  #keptBytes = 0
  #whole: boolean
  #trailers: readonly string[] = []
  #answerTrailers: readonly string[] = []
  /** The container is not read, as the client takes no more for now. */
  #held = false

  constructor(shared: Shared, front: Front, stream: ServerHttp2Stream, asked: Asked) {
    this.#shared = shared
    this.#front = front
    this.#stream = stream
    this.#asked = asked
    this.#answer = new Answer(stream)
    this.#whole = asked.whole
    ;(stream as Owned)[exchangeOf] = this
    stream
      .on('aborted', onGone as () => void)
      .on('error', ignore)
      .on('close', onClose as () => void)
  }

  /** Asks the gate and obeys. */
  begin(): void {
    const { problem, hasBody } = this.#asked
    // Trailers are told when they come, also while the body before them is unread; so is the end of an empty one.
    if (hasBody) this.#stream.on('trailers', onTrailers as () => void).on('end', onEnd as () => void)
    if (problem !== undefined) {
      const text = ['content-type', 'text/plain; charset=utf-8']
      this.#reply(Number(problem.slice(0, 3)), text, problem)
      return
    }
    this.#ticket = this.#shared.gate.enter(this.#asked, this)
    const { order } = this.#ticket
    if (order === 'start') this.start()
    else if (order !== 'wait') this.answer(order)
    // Nobody reads yet what comes behind the head: it holds back the connection's credit, or each stream would fill its own.
    if (!this.#whole && !this.#call && this.#state !== 'ended') this.#front.window.stop(this.#stream)
  }

  // Orders.

  start(): void {
    if (this.#state !== 'waiting') return
    this.#state = 'calling'
    if (this.#asked.method === 'CONNECT') {
      this.#fail(new Fault('connect-unsupported', 'client sent unsupported CONNECT request'))
      return
    }
    if (this.#asked.hasBody) this.#kept = []
    this.#reach()
  }

  answer(reply: Reply): void {
    if (this.#state !== 'waiting' && this.#state !== 'calling') return
    if (this.#end === 'complete') this.#end = 'answered'
    this.#reply(reply.status, reply.headers.flat(), reply.body)
    if (reply.close) this.#front.leave()
  }

  cut(): void {
    if (this.#state !== 'ended') this.#break('cut')
  }

  // The way to the container.

  #reach(): void {
    const giveUp = this.#shared.reach.call(this.#asked, this)
    // Told at once, it may be over already.
    if (this.#state === 'calling' && !this.#call) this.#giveUp = giveUp
  }

  opened(call: Call | Fault): void {
    this.#giveUp = undefined
    if (this.#state !== 'calling') {
      if (!(call instanceof Fault)) call.cancel()
      return
    }
    if (call instanceof Fault) {
      this.#fail(call)
      return
    }
    this.#call = call
    if (!this.#asked.hasBody) return
    if (this.#retries > 0) this.#sendAgain(call)
    else if (this.#whole) call.end(this.#trailers)
    else this.#read()
  }

  #read(): void {
    const expects = this.#asked.header('expect')?.toLowerCase() === '100-continue'
    if (expects) this.#stopTimer = this.#shared.options.clock.after(inviteMs, () => this.interim(100, []))
    this.#stream.on('data', onData as () => void)
    this.#front.window.go(this.#stream)
  }

  #sendAgain(call: Call): void {
    let more = true
    for (const chunk of this.#kept ?? []) more = call.send(chunk)
    if (this.#whole) call.end(this.#trailers)
    else if (more) this.#front.window.go(this.#stream)
  }

  // The client's request.

  body(chunk: Buffer): void {
    if (this.#state === 'ended' || this.#state === 'waiting') return
    this.#ticket?.received(chunk.length)
    this.#keep(chunk)
    if (this.#call?.send(chunk) !== true) this.#front.window.stop(this.#stream)
  }

  #keep(chunk: Buffer): void {
    if (!this.#kept) return
    this.#keptBytes += chunk.length
    if (this.#keptBytes > maxKept) this.#kept = undefined
    else this.#kept.push(chunk)
  }

  bodyTrailers(raw: readonly string[]): void {
    this.#trailers = requestTrailers(raw, this.#shared.strip)
  }

  bodyEnded(): void {
    if (this.#state === 'ended') return
    this.#whole = true
    this.#call?.end(this.#trailers)
  }

  drained(): void {
    // In front of a switch it is the head that has left, and what comes behind it is nobody's yet.
    if (this.#state !== 'ended' && (this.tunnel || this.#asked.hasBody)) this.#front.window.go(this.#stream)
  }

  clientDrained(): void {
    if (!this.#held) return
    this.#held = false
    this.#call?.go()
  }

  /** Broken off, or over. */
  gone(): void {
    this.#front.window.forget(this.#stream)
    if (this.#state === 'ended') return
    this.#finish('client-left')
    this.#front.reset()
  }

  closed(): void {
    this.gone()
    this.#front.closed(this.#stream)
  }

  // The container's answer.

  interim(status: number, fields: readonly string[]): void {
    if (this.#state !== 'calling') return
    this.#stopClock()
    this.#ticket?.interim(status)
    if (this.#stream.destroyed || this.#stream.closed) return
    this.#stream.additionalHeaders({ ':status': status, ...fieldMap(responseFields(fields)) })
  }

  responded(status: number, fields: readonly string[], last: boolean): void {
    if (this.#state !== 'calling') return
    this.#stopClock()
    this.#kept = undefined
    if (status < 200 || status > 599) {
      this.#fail(new Fault('upstream-malformed', `malformed HTTP response: status ${status}`))
      return
    }
    this.#state = 'relaying'
    this.#ticket?.responded(status)
    this.#stream.on('drain', onDrain as () => void).on('wantTrailers', onWantTrailers as () => void)
    this.#answer.begin(status, fields, this.#asked.method === 'HEAD', last)
  }

  switched(call: Call, fields: readonly string[], verdict: Verdict): void {
    this.#call = call
    this.#state = 'relaying'
    this.tunnel = true
    this.#ticket?.responded(101)
    this.#stopTimer = endWithVerdict(this.#shared.options, verdict, () => this.cut())
    this.#stream
      .on('drain', onDrain as () => void)
      .on('data', onData as () => void)
      .on('end', onEnd as () => void)
    this.#front.window.go(this.#stream)
    this.#answer.open(fields)
    this.#front.tunnelled()
  }

  data(chunk: Buffer): void {
    if (this.#state !== 'relaying') return
    const more = this.#answer.data(chunk)
    this.#ticket?.sent(chunk.length)
    if (more) return
    this.#held = true
    this.#call?.stop()
  }

  trailers(fields: readonly string[]): void {
    this.#answerTrailers = fields
  }

  answered(): void {
    if (this.#state !== 'relaying') return
    this.#answer.end(this.#answerTrailers)
    this.#finish('complete')
  }

  wantTrailers(): void {
    this.#answer.wantTrailers()
    // Behind the fields, which node:http2 sends in the next turn.
    if (!this.#whole) setImmediate(stopUpload, this.#stream)
  }

  broken(fault: Fault, why: Why): void {
    this.#call = undefined
    if (this.tunnel) {
      this.#break('complete')
      return
    }
    const again = this.#state === 'calling' ? this.#againAfter(why) : undefined
    if (again === undefined) {
      this.#fail(fault)
      return
    }
    this.#retries++
    this.#front.window.stop(this.#stream)
    if (again === 0) this.#reach()
    else this.#stopTimer = this.#shared.options.clock.after(again, () => this.#reach())
  }

  /** Milliseconds until the request may be sent again; undefined where it must not be. */
  #againAfter(why: Why): number | undefined {
    if (why === 'untouched' && (this.#kept || !this.#asked.hasBody)) return againAfterMs[this.#retries]
    return why === 'stale' && this.#retries === 0 && this.#asked.repeatable ? 0 : undefined
  }

  // Ends.

  #fail(fault: Fault): void {
    this.#end = fault.blame === 'client' ? 'malformed' : 'upstream-failed'
    const reply = this.#ticket?.failed(fault)
    if (reply) this.answer(reply)
    else this.#break(this.#end)
  }

  /** An answer of ours, and the end. */
  #reply(status: number, headers: readonly string[], body: string): void {
    const head = this.#asked.method === 'HEAD'
    if (!this.#stream.destroyed && !this.#stream.closed) {
      const fields = [':status', String(status), ...headers, 'content-length', String(body.length)]
      this.#stream.respond(fields, { endStream: head || body === '' })
      if (!head && body !== '') this.#stream.end(body, 'latin1')
    }
    this.#finish(this.#end)
  }

  /** So that the client cannot take what it has for a whole response. Of a tunnel it is what a reset is (RFC 8441 §5). */
  #break(end: End): void {
    this.#finish(end, this.tunnel ? NGHTTP2_CANCEL : NGHTTP2_INTERNAL_ERROR)
  }

  #stopClock(): void {
    this.#stopTimer?.()
    this.#stopTimer = undefined
  }

  /** @param code breaks the stream off; absent: what has been said is said to the end */
  #finish(end: End, code?: number): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#stopClock()
    this.#giveUp?.()
    this.#call?.cancel()
    this.#call = undefined
    this.#kept = undefined
    this.#front.window.forget(this.#stream)
    this.#ticket?.finished(end, this.#retries)
    if (code !== undefined) {
      this.#answer.stop()
      this.#stream.close(code)
    } else if (!this.#whole && this.#answerTrailers.length === 0) {
      // Who has its answer need not send the rest (RFC 9113 §8.1). Trailers, where there are any, have to leave before.
      stopUpload(this.#stream)
    }
    this.#front.over(this, this.#stream)
  }
}

function stopUpload(stream: ServerHttp2Stream): void {
  // Unread, the end of the stream would never be seen.
  stream.resume()
  stream.close(NGHTTP2_NO_ERROR)
}

// One function for all streams, found by each through its own property: a request makes no closure.

function ignore(): void {}

function onGone(this: Owned): void {
  this[exchangeOf].gone()
}

function onClose(this: Owned): void {
  this[exchangeOf].closed()
}

function onData(this: Owned, chunk: Buffer): void {
  this[exchangeOf].body(chunk)
}

function onTrailers(this: Owned, _headers: unknown, _flags: number, raw: string[]): void {
  this[exchangeOf].bodyTrailers(withoutPseudo(raw))
}

function onEnd(this: Owned): void {
  this[exchangeOf].bodyEnded()
}

function onDrain(this: Owned): void {
  this[exchangeOf].clientDrained()
}

function onWantTrailers(this: Owned): void {
  this[exchangeOf].wantTrailers()
}
