// A connection to the container that speaks HTTP/2, and how many streams it has room for.

import { type ClientHttp2Session, connect, constants, type Settings } from 'node:http2'
import type { Socket } from 'node:net'
import { Fault, systemCode } from '../../base/errors.ts'
import type { Verdict } from '../../gate/contract.ts'
import type { Link } from '../dial.ts'
import { Lapse, lapsed } from '../expiry.ts'
import type { Allowance } from './allowance.ts'
import type { Caller } from './call.ts'
import { asReceived } from './fields.ts'
import { type Line, StreamCall } from './stream-call.ts'

/** Most streams that a connection is given, whatever the container allows. */
const maxStreams = 1_000

/** What one response may have waiting: little, as the container is next to us and gives more as soon as it is asked. */
const streamWindow = 64 * 1024

/** Never what holds anybody up: who does not take an answer holds up his own, and not those of others behind it. */
const connectionWindow = maxStreams * streamWindow

const settings: Settings = { enablePush: false, initialWindowSize: streamWindow, maxHeaderListSize: 1 << 20 }

export interface Owner {
  /** It has room for streams that it had not before. */
  roomier(): void
  gone(upstream: Upstream): void
}

export class Upstream implements Line {
  verdict: Verdict
  readonly scheme: 'http' | 'https'
  lost: Fault | undefined
  /** Streams that may be broken off from this side: never more are open. Undefined where it takes no requests yet. */
  resets: Allowance | undefined
  idleSince = 0
  readonly #socket: Socket
  readonly #session: ClientHttp2Session
  readonly #owner: Owner
  readonly #lapse = new Lapse()
  #open = 0
  #carried = 0
  #limit = 0

  /**
   * @param authority what the container is called where a request names nobody
   * @param ready told once: when it says that it speaks HTTP/2, or why it does not
   */
  constructor(link: Link, authority: string, owner: Owner, ready: (fault: Fault | undefined) => void) {
    const { socket } = link
    this.verdict = link.verdict
    this.scheme = 'encrypted' in socket ? 'https' : 'http'
    this.#socket = socket
    this.#owner = owner
    let told = false
    const tell = (fault: Fault | undefined): void => {
      if (told) return
      told = true
      ready(fault)
    }
    // First: the session's own listeners tell streams of the end of the socket, and those ask here for the reason.
    socket.on('error', error => {
      this.lost ??= lossFault(error, told)
    })
    socket.on('end', () => {
      this.lost ??= new Fault('upstream-closed', 'EOF')
    })
    socket.on('close', () => {
      this.lost ??= new Fault('upstream-closed', 'EOF')
    })
    this.#session = connect(`${this.scheme}://${authority}`, {
      createConnection: () => socket,
      settings,
      maxSessionMemory: 1_000,
      maxHeaderListPairs: 4_096,
      maxSendHeaderBlockLength: 2 << 20,
      peerMaxConcurrentStreams: maxStreams,
      ...asReceived,
    })
    this.#session.setLocalWindowSize(connectionWindow)
    this.#session.on('remoteSettings', given => {
      this.#limit = Math.min(given.maxConcurrentStreams ?? maxStreams, maxStreams)
      tell(undefined)
      this.#owner.roomier()
    })
    this.#session.on('error', error => {
      this.lost ??= lossFault(error, told)
    })
    this.#session.on('close', () => {
      this.lost ??= new Fault('upstream-closed', 'EOF')
      tell(this.lost)
      this.#owner.gone(this)
    })
  }

  /** True where one more stream may be opened. */
  get room(): boolean {
    return this.#open < Math.min(this.#limit, this.resets?.left ?? 0) && this.living
  }

  /** False from the container's GOAWAY on. */
  get living(): boolean {
    return !this.lost && !this.#session.closed && !this.#session.destroyed
  }

  get idle(): boolean {
    return this.#open === 0
  }

  get used(): boolean {
    return this.#carried > 1
  }

  /** What it carried so far was no request. @param verdict behind which it stands from now on */
  admit(verdict: Verdict): void {
    this.verdict = verdict
    this.#carried = 0
  }

  /** @param fields as callFields() makes them @param whole true where no body follows */
  ask(fields: string[], whole: boolean, caller: Caller): StreamCall {
    const stream = this.#session.request(fields, { endStream: whole, waitForTrailers: !whole })
    this.#open++
    this.#carried++
    return new StreamCall(stream, this, caller)
  }

  cancelled(): void {
    this.resets?.take()
  }

  done(): void {
    this.#open--
    // Used up: kept, as many would stand about as somebody likes.
    if (this.#open === 0 && this.resets && this.resets.left < 1) this.retire()
    this.#owner.roomier()
  }

  /** Takes no more streams; those that are open may end. */
  retire(): void {
    this.#session.close()
  }

  /** Breaks off the streams of a connection that has outlived its verdict for too long. */
  expire(valid: boolean, now: number): void {
    if (!this.#lapse.isOver(valid, now)) return
    this.lost ??= new Fault('upstream-untrusted', lapsed)
    this.#session.destroy(this.lost, constants.NGHTTP2_CANCEL)
    this.destroy()
  }

  destroy(): void {
    this.#session.destroy()
    // Of a session that was retired node:http2 leaves the end of the socket to the container.
    this.#socket.destroy()
  }
}

/** @param spoke true where it has shown before that it speaks HTTP/2 */
function lossFault(error: Error, spoke: boolean): Fault {
  const code = systemCode(error) ?? 'EOF'
  if (code === 'ECONNRESET' || code === 'EPIPE') return new Fault('upstream-reset', 'connection reset by peer')
  if (!code.startsWith('ERR_HTTP2_')) return new Fault('upstream-closed', code)
  if (spoke) return new Fault('upstream-malformed', `http2: the container broke the protocol (${code})`)
  return new Fault('upstream-malformed', 'http2: what answered does not speak HTTP/2, as the request does')
}
