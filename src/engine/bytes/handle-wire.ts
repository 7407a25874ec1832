// A wire that leaves Node's streams out: bytes are read into memory of ours on accepted sockets too, and written through
// the socket's handle. It costs about a fifth less and leans on what Node does not document, so it runs only on versions
// that the tests have run on, and only where everything that it needs is where it should be (fastWires).

import { Socket } from 'node:net'
import { systemCode } from '../../base/errors.ts'
import { giveBack, Intake } from './intake.ts'
import type { Out } from './out.ts'
import { resetSocket } from './stream-wire.ts'
import { deaf, type Ear, type MakeWire, type Wire } from './wire.ts'

/** More than this is too much to have pending. */
const highWater = 64 * 1024

/** A write that the handle has taken and not finished. */
interface WriteRequest {
  oncomplete: ((status: number) => void) | undefined
  /** Keeps alive what is being written. */
  kept: unknown
}

interface Handle {
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  writev(request: WriteRequest, pieces: Buffer[], allBuffers: true): number
  useUserBuffer(bytes: Uint8Array): void
  /** Bytes that the system has not taken. */
  readonly writeQueueSize: number
}

type Internals = Socket & { _handle: Handle | null } & Record<symbol, unknown>

interface Tools {
  readonly WriteRequest: new () => WriteRequest
  /** Where a Socket keeps what it reads into, whom it tells, and whom it asks for more. */
  readonly buffer: symbol
  readonly callback: symbol
  readonly generator: symbol
}

class HandleWire implements Wire {
  readonly #socket: Internals
  readonly #tools: Tools
  readonly #intake: Intake
  /** TLS takes one write at a time and copies it; TCP mostly writes at once. */
  readonly #secure: boolean
  ear: Ear
  full = false
  #waiting: Buffer[] = []
  #waitingBytes = 0
  #writing = 0
  /** Blocks of other wires that are read from until nothing is pending. */
  readonly #lent: Buffer<ArrayBuffer>[] = []
  #corked = false
  #after: 'nothing' | 'end' | 'close' = 'nothing'
  #error: string | undefined
  readonly #written = (status: number): void => this.#wrote(status)

  constructor(tools: Tools, socket: Socket, ear: Ear, intake = new Intake()) {
    this.#tools = tools
    this.#socket = socket as Internals
    this.#secure = 'encrypted' in socket
    this.ear = ear
    this.#intake = intake
    if (socket.readableFlowing === null) this.#takeOver(intake)
    intake.wire = this
    socket.on('end', () => {
      intake.tell()
      this.ear.ended()
    })
    // The object can hold bytes of the request; only its code is kept.
    socket.on('error', error => {
      this.#error = systemCode(error) ?? 'unknown'
    })
    socket.on('close', () => {
      intake.tell()
      this.ear.closed(this.#error)
      intake.release()
    })
  }

  /** From now on the accepted socket is read into memory of ours. What its stream holds already is told first. */
  #takeOver(intake: Intake): void {
    const socket = this.#socket
    const { buffer, callback, generator } = this.#tools
    const early: Buffer | null = socket.read()
    if (early) queueMicrotask(() => this.ear.bytes(early))
    socket[buffer] = intake.buffer()
    socket[callback] = intake.callback
    socket[generator] = intake.buffer
    socket._handle?.useUserBuffer(intake.buffer())
    socket.resume()
  }

  get pending(): number {
    return this.#waitingBytes + this.#writing
  }

  keepFrom(source: Wire): void {
    if (this.#waiting.length === 0 && (this.#secure || this.#writing === 0)) return
    const block = source.keep()
    if (block) this.#lent.push(block)
  }

  get writable(): boolean {
    return this.#socket.writable && this.#after === 'nothing'
  }

  send(out: Out): boolean {
    // What leaves at once, or is copied by TLS, need not be copied by us.
    if (!this.#busy) {
      this.#write(out.peek(), out)
      out.clear()
      return this.#judge()
    }
    return this.give(out.take())
  }

  give(bytes: Buffer): boolean {
    if (this.#busy) {
      this.#waiting.push(bytes)
      this.#waitingBytes += bytes.length
    } else {
      this.#write(bytes, undefined)
    }
    return this.#judge()
  }

  get #busy(): boolean {
    return this.#corked || this.#writing > 0
  }

  /** What is held back by cork() may yet leave at once. */
  #judge(): boolean {
    if (!this.#corked && this.pending >= highWater) this.full = true
    return !this.full
  }

  /** @param out whose memory `bytes` are, where it is used again */
  #write(bytes: Buffer, out: Out | undefined): void {
    const handle = this.#socket._handle
    if (!handle) return
    const request = new this.#tools.WriteRequest()
    request.oncomplete = this.#written
    request.kept = bytes
    const problem = handle.writeBuffer(request, bytes)
    if (problem !== 0) this.#fail()
    else if (this.#secure || handle.writeQueueSize > 0) {
      this.#writing = bytes.length
      // The system has not taken all of it: the memory is its own until it has.
      if (!this.#secure) out?.abandon()
    }
  }

  #flush(): void {
    const handle = this.#socket._handle
    if (!handle || this.#waiting.length === 0) return
    const pieces = this.#waiting
    const bytes = this.#waitingBytes
    this.#waiting = []
    this.#waitingBytes = 0
    if (pieces.length === 1) {
      this.#write(pieces[0] as Buffer, undefined)
      return
    }
    const request = new this.#tools.WriteRequest()
    request.oncomplete = this.#written
    request.kept = pieces
    const problem = handle.writev(request, pieces, true)
    if (problem !== 0) this.#fail()
    else if (this.#secure || handle.writeQueueSize > 0) this.#writing = bytes
  }

  #wrote(status: number): void {
    this.#writing = 0
    if (status < 0) {
      this.#fail()
      return
    }
    this.#flush()
    if (this.#writing > 0) return
    for (let block = this.#lent.pop(); block; block = this.#lent.pop()) giveBack(block)
    if (this.full) {
      this.full = false
      this.ear.drained()
    }
    this.#leave()
  }

  #fail(): void {
    this.#waiting = []
    this.#waitingBytes = 0
    this.#socket.destroy(Object.assign(new Error('write failed'), { code: 'EPIPE' }))
  }

  cork(): void {
    this.#corked = true
  }

  uncork(): void {
    this.#corked = false
    if (this.#writing === 0) this.#flush()
    this.#judge()
    this.#leave()
  }

  keep(): Buffer<ArrayBuffer> | undefined {
    return this.#intake.keep()
  }

  gather(bytes: number): void {
    this.#intake.gather(bytes)
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    this.#socket.resume()
  }

  end(): void {
    if (this.#after === 'nothing') this.#after = 'end'
    this.#leave()
  }

  close(): void {
    this.#after = 'close'
    this.#leave()
  }

  /** Ends what is to be ended, once nothing is pending. */
  #leave(): void {
    if (this.#after === 'nothing' || this.pending > 0) return
    if (this.#after === 'end') this.#socket.end()
    else this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  reset(): void {
    resetSocket(this.#socket)
  }

  release(): Socket {
    this.#socket.pause()
    this.ear = deaf
    return this.#socket
  }
}

/** Versions of Node on which the whole engine's suite runs over these wires. */
const testedMajor = 24

/**
 * Looks whether this Node has what these wires need.
 * @returns undefined where something is missing or the version was never tested
 */
export function fastWires(version: string = process.versions.node): MakeWire | undefined {
  if (Number(version.split('.')[0]) !== testedMajor) return undefined
  const tools = findTools()
  return tools && ((socket, ear, intake) => new HandleWire(tools, socket, ear, intake))
}

/** A handle that does nothing shows which request a Socket writes with, and where it keeps what it reads into. */
function findTools(): Tools | undefined {
  let request: object | undefined
  const handle = {
    readStart: () => 0,
    readStop: () => 0,
    useUserBuffer: () => {},
    close: (done: () => void) => done(),
    getAsyncId: () => 1,
    getProviderType: () => 1,
    writeBuffer(given: object): number {
      request = given
      return 0
    },
  }
  try {
    const onread = { buffer: () => Buffer.alloc(1), callback: () => true }
    const socket = new Socket({ handle, onread } as ConstructorParameters<typeof Socket>[0])
    socket.on('error', () => {})
    socket.write(Buffer.from('a'))
    const symbols = Object.getOwnPropertySymbols(socket)
    const named = (name: string): symbol | undefined => symbols.find(each => each.description === name)
    socket.destroy()
    const [buffer, callback, generator] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map(named)
    const WriteRequest = request?.constructor as Tools['WriteRequest'] | undefined
    if (!WriteRequest || !buffer || !callback || !generator) return undefined
    return { WriteRequest, buffer, callback, generator }
  } catch {
    return undefined
  }
}
