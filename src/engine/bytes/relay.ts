// A response on its way to the client. Head and first bytes of the body leave together; where silence comes between, the
// head goes alone.

import type { Clock } from '../../base/clock.ts'
import { sniffContentType } from '../sniff.ts'
import type { Body } from './framing.ts'
import type { Head } from './head.ts'
import { field } from './names.ts'
import type { Out } from './out.ts'
import { dateField, wantsType, writeResponseFields, writeTrailerField } from './response-head.ts'
import type { Upstream } from './upstream.ts'
import type { Wire } from './wire.ts'

/** From here on a piece of body goes out where it lies; below, copying costs less. */
const largePiece = 4 * 1024

interface Shared {
  readonly down: Out
  readonly options: { readonly clock: Clock }
}

export class Relay {
  readonly #down: Out
  readonly #clock: Clock
  readonly #client: Wire
  readonly #upstream: Upstream
  readonly #old: boolean
  readonly #body: Body
  /** The body leaves in chunks of ours. */
  readonly #chunked: boolean
  /** The head has not been ended: its last fields wait for the first bytes of the body. */
  #open = false
  #sniff = false
  /** What waits for more, copied. */
  #parked: Buffer | undefined
  #given = false
  #gathering = false
  /** The container is not read, as the client takes no more for now. */
  #stopped = false
  #over = false

  /** @param old true for a client of HTTP/1.0 */
  constructor({ down, options }: Shared, client: Wire, upstream: Upstream, old: boolean, body: Body) {
    this.#down = down
    this.#clock = options.clock
    this.#client = client
    this.#upstream = upstream
    this.#old = old
    this.#body = body
    this.#chunked = !old && (body.framing === 'chunked' || body.framing === 'until-close')
  }

  /**
   * Begins the head.
   * @param last true where the connection must end with this response
   * @returns whether it will
   */
  begin(head: Head, last: boolean): boolean {
    const down = this.#down
    const { framing } = this.#body
    const closes = last || (this.#old && framing !== 'length' && head.find(field.contentLength) < 0)
    writeResponseFields(down, this.#old ? 0 : 1, head)
    if (head.find(field.date) < 0) down.text(dateField(this.#clock.now()))
    if (this.#old !== closes) down.text(this.#old ? 'Connection: keep-alive\r\n' : 'Connection: close\r\n')
    if (this.#chunked) {
      writeTrailerField(down, head)
      down.text('Transfer-Encoding: chunked\r\n')
    }
    this.#open = true
    this.#sniff = framing !== 'none' && wantsType(head)
    return closes
  }

  data(bytes: Buffer, from: number, to: number): void {
    const down = this.#down
    const size = to - from
    if (this.#open) this.#endHead(bytes.subarray(from, to))
    if (this.#chunked) down.text(`${size.toString(16)}\r\n`)
    if (size < largePiece || !this.#upstream.stable) {
      down.bytes(bytes, from, to)
    } else {
      if (!this.#given) this.#client.cork()
      this.#given = true
      if (down.length > 0) this.#client.send(down)
      this.#client.give(bytes.subarray(from, to))
    }
    if (this.#chunked) down.text('\r\n')
  }

  /** One read has been told. */
  flush(): void {
    if (!this.#gathering) {
      this.#gathering = true
      this.#upstream.wire.gather(this.#body.left)
    }
    if (this.#open) this.#park()
    else this.#send()
  }

  /** The response is complete. */
  end(): void {
    if (this.#open) this.#endHead(undefined)
    if (this.#chunked) {
      this.#down.text('0\r\n')
      this.#body.trailers?.writeLines(this.#down)
      this.#down.text('\r\n')
    }
    this.#over = true
    this.#send()
    // TLS hands out what it has decrypted though it was told to stop: the last bytes can come while nobody reads on.
    this.drained()
  }

  /** Nothing more is sent. */
  stop(): void {
    this.#over = true
    this.#parked = undefined
    if (this.#given) this.#client.uncork()
    this.#given = false
    this.#down.clear()
  }

  /** The client takes more again. */
  drained(): void {
    if (!this.#stopped) return
    this.#stopped = false
    this.#upstream.wire.resume()
  }

  /** @param first the first bytes of the body, if there are any */
  #endHead(first: Buffer | undefined): void {
    this.#open = false
    this.#unpark()
    if (this.#sniff && first) this.#down.text('Content-Type: ').text(sniffContentType(first)).text('\r\n')
    this.#down.text('\r\n')
  }

  #unpark(): void {
    if (this.#parked) this.#down.bytes(this.#parked, 0, this.#parked.length)
    this.#parked = undefined
  }

  /** Where the first bytes name the type, and are sure to come, they are waited for; else they have until the next turn. */
  #park(): void {
    if (this.#parked) return
    this.#parked = this.#down.take()
    if (!this.#sniff || this.#body.framing !== 'length') setImmediate(release, this)
  }

  /** The head goes alone. */
  release(): void {
    if (this.#over || !this.#open) return
    this.#endHead(undefined)
    this.#send()
  }

  #send(): void {
    const down = this.#down
    if (down.length > 0) this.#client.send(down)
    if (this.#given) {
      this.#given = false
      this.#client.uncork()
      this.#client.keepFrom(this.#upstream.wire)
    }
    // Behind a response that is complete another one may come: the client's connection minds that itself.
    if (!this.#client.full || this.#over) return
    this.#stopped = true
    this.#upstream.wire.pause()
  }
}

function release(relay: Relay): void {
  relay.release()
}
