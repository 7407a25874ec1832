// What every wire of the bytes engine must do, whatever it stands on: over TCP and over TLS, accepted and dialled.

import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, connect as tlsConnect } from 'node:tls'
import type { Test } from 'tap'
import { systemCode } from '../../src/base/errors.ts'
import { demoFunction } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { Intake } from '../../src/engine/bytes/intake.ts'
import { Out } from '../../src/engine/bytes/out.ts'
import type { Ear, MakeWire, Wire } from '../../src/engine/bytes/wire.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { Watch } from './engine-wire.ts'
import { settled } from './gate.ts'
import { listen } from './sockets.ts'

const pem = withKeyPem(await demoCredential(demoFunction()), ({ key, cert }) => ({ key: `${key}`, cert: `${cert}` }))

/** Writes down what it is told. */
export class Heard implements Ear {
  text = ''
  readonly told: string[] = []
  hear: (chunk: Buffer) => void = () => {}
  readonly #watch = new Watch()

  bytes(chunk: Buffer): void {
    this.text += chunk.toString('latin1')
    this.hear(chunk)
    this.#watch.changed()
  }

  drained(): void {
    this.#note('drained')
  }

  ended(): void {
    this.#note('ended')
  }

  closed(code: string | undefined): void {
    this.#note(`closed ${code}`)
  }

  #note(what: string): void {
    this.told.push(what)
    this.#watch.changed()
  }

  all(length: number): Promise<string> {
    return this.#watch.until(`${length} bytes`, () => (this.text.length >= length ? this.text : undefined))
  }

  /** @param from how much of what was told is not asked about */
  until(what: RegExp, from = 0): Promise<string> {
    return this.#watch.until(`${what}`, () => this.told.slice(from).find(each => what.test(each)))
  }
}

interface Ends {
  /** Ours. */
  readonly socket: Socket
  /** The other side's, read by nobody yet. */
  readonly other: Socket
  /** Where ours was opened with one. */
  readonly intake?: Intake
}

interface Kind {
  readonly name: string
  readonly secure: boolean
  /** @param early sent by the other side before anybody can have asked for it, where ours is the accepted one */
  readonly open: (t: Test, early?: string) => Promise<Ends>
}

const quiet = (t: Test, socket: Socket): Socket => {
  t.teardown(() => socket.destroy())
  return socket.on('error', () => {})
}

async function accepted(t: Test, secure: boolean, early = ''): Promise<Ends> {
  const server = secure
    ? createTlsServer({ ...pem, minVersion: 'TLSv1.3', allowHalfOpen: true })
    : createServer({ allowHalfOpen: true })
  const socket = once(server, secure ? 'secureConnection' : 'connection') as Promise<[Socket]>
  const options = { port: await listen(t, server), host: '127.0.0.1', allowHalfOpen: true }
  const other = quiet(t, secure ? tlsConnect({ ...options, rejectUnauthorized: false }) : connect(options))
  // Over TLS it leaves in the flight of the handshake's last word.
  if (early !== '') other.write(early)
  return { socket: quiet(t, (await socket)[0]), other: other.pause() }
}

async function dialled(t: Test, secure: boolean): Promise<Ends> {
  const server = secure
    ? createTlsServer({ ...pem, minVersion: 'TLSv1.3', allowHalfOpen: true })
    : createServer({ allowHalfOpen: true })
  const other = once(server, secure ? 'secureConnection' : 'connection') as Promise<[Socket]>
  const intake = new Intake()
  const options = { port: await listen(t, server), host: '127.0.0.1', allowHalfOpen: true, onread: intake }
  const socket = quiet(t, secure ? tlsConnect({ ...options, rejectUnauthorized: false }) : connect(options))
  await once(socket, secure ? 'secureConnect' : 'connect')
  return { socket, other: quiet(t, (await other)[0]).pause(), intake }
}

const kinds: readonly Kind[] = [
  { name: 'accepted', secure: false, open: (t, early) => accepted(t, false, early) },
  { name: 'accepted over TLS', secure: true, open: (t, early) => accepted(t, true, early) },
  { name: 'dialled', secure: false, open: t => dialled(t, false) },
  { name: 'dialled over TLS', secure: true, open: t => dialled(t, true) },
]

/** Reads the other side to its end. */
function drain(socket: Socket): { text: () => string; done: Promise<string> } {
  const chunks: Buffer[] = []
  const text = (): string => Buffer.concat(chunks).toString('latin1')
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume()
  const done = new Promise<string>(resolve =>
    socket.on('end', () => resolve(text())).on('close', () => resolve(text())),
  )
  return { text, done }
}

/** Gives until the system, which takes some megabytes that nobody reads, takes no more. @returns what was given */
async function fill(wire: Wire): Promise<string> {
  let given = ''
  for (let at = 0; at < 1_000; at++) {
    const piece = pieces[at % pieces.length] as Buffer
    wire.give(piece)
    given += piece.toString('latin1')
    for (let turn = 0; turn < 50 && wire.full; turn++) await settled()
    if (wire.full) return given
  }
  throw new Error('it never had enough')
}

const mib = 1024 * 1024
const pieces = Array.from({ length: 128 }, (_, at) => Buffer.alloc(64 * 1024, String.fromCharCode(65 + (at % 26))))
const total = pieces.length * 64 * 1024

export function wires(t: Test, makeWire: MakeWire): void {
  for (const kind of kinds) t.test(kind.name, t => behaves(t, kind, makeWire))
}

async function behaves(t: Test, { open, secure, name }: Kind, makeWire: MakeWire): Promise<void> {
  async function start(t: Test): Promise<Ends & { wire: Wire; ear: Heard }> {
    const ends = await open(t)
    const ear = new Heard()
    return { ...ends, ear, wire: makeWire(ends.socket, ear, ends.intake) }
  }

  t.test('bytes go both ways', async t => {
    const { wire, ear, other } = await start(t)
    other.write('ping')
    t.equal(await ear.all(4), 'ping')
    const sent = drain(other)
    t.ok(wire.send(new Out().text('head ')))
    t.ok(wire.give(Buffer.from('body')))
    t.ok(wire.writable)
    wire.end()
    t.equal(await sent.done, 'head body')
    t.notOk(wire.writable)
  })

  t.test('what the other side does not read is pending, and told of when it has left', async t => {
    const { wire, ear, other } = await start(t)
    const given = await fill(wire)
    t.ok(wire.full && wire.pending > 0 && wire.pending <= given.length)
    t.notOk(wire.give(Buffer.from('more')), 'and so is what is given all the same')
    t.notOk(wire.send(new Out().text('!')))
    const before = ear.told.length
    const sent = drain(other)
    await ear.until(/drained/, before)
    t.notOk(wire.full)
    wire.end()
    t.ok((await sent.done) === `${given}more!`, 'every byte as it was given')
    t.equal(wire.pending, 0)
    t.same(ear.told.slice(before), ['drained'], 'once')
  })

  t.test('what was put together may be put together anew as soon as it was sent', async t => {
    const { wire, other } = await start(t)
    const out = new Out()
    let want = ''
    for (let at = 0; at < 300; at++) {
      const text = String.fromCharCode(97 + (at % 26)).repeat(10_000)
      wire.send(out.text(text))
      want += text
    }
    wire.end()
    t.ok((await drain(other).done) === want, 'every byte as it was sent')
  })

  t.test('between cork and uncork nothing leaves; then it leaves together', async t => {
    const { wire, other } = await start(t)
    const sent = drain(other)
    wire.cork()
    wire.send(new Out().text('a'))
    wire.give(Buffer.alloc(100, 'b'))
    for (let turn = 0; turn < 20; turn++) await settled()
    t.equal(sent.text(), '')
    wire.uncork()
    wire.give(Buffer.from('c'))
    wire.end()
    t.equal(await sent.done, `a${'b'.repeat(100)}c`)
  })

  t.test('an end that is asked for in between stands behind what is held back', async t => {
    for (const word of ['end', 'close'] as const) {
      const { wire, other } = await start(t)
      wire.cork()
      wire.give(Buffer.from('a'))
      wire.give(Buffer.from('b'))
      wire[word]()
      wire.uncork()
      t.equal(await drain(other).done, 'ab', word)
    }
  })

  t.test('an end stands behind what is pending', async t => {
    const { wire, ear, other } = await start(t)
    for (const piece of pieces) wire.give(piece)
    wire.end()
    t.notOk(wire.writable)
    const sent = drain(other)
    t.equal((await sent.done).length, total)
    other.end('answer')
    await ear.until(/ended/)
    t.equal(ear.text, 'answer')
    await ear.until(/closed undefined/)
  })

  t.test('a close stands behind what is pending', async t => {
    const { wire, ear, other } = await start(t)
    for (const piece of pieces) wire.give(piece)
    wire.close()
    wire.end()
    t.notOk(wire.writable)
    t.equal((await drain(other).done).length, total)
    await ear.until(/closed/)
  })

  t.test('a close that nothing stands before is one at once', async t => {
    const { wire, ear, other } = await start(t)
    wire.close()
    await drain(other).done
    t.equal(await ear.until(/closed/), 'closed undefined')
  })

  t.test('what is pending is lost where the wire is destroyed', async t => {
    const { wire, ear, other } = await start(t)
    for (const piece of pieces) wire.give(piece)
    wire.destroy()
    t.match(await ear.until(/closed/), 'closed')
    t.ok((await drain(other).done).length < total)
    wire.give(Buffer.from('x'))
    wire.send(new Out().text('y'))
    wire.cork()
    wire.give(Buffer.from('z'))
    wire.uncork()
    wire.end()
    wire.destroy()
    await settled()
    t.equal(ear.told.filter(each => each.startsWith('closed')).length, 1, 'and nothing is told behind the last word')
  })

  t.test('a reset is none of the orderly ends', async t => {
    const { wire, ear, other } = await start(t)
    const end = new Promise(resolve => other.once('error', error => resolve(systemCode(error))).once('end', resolve))
    other.resume()
    wire.reset()
    await ear.until(/closed/)
    // TLS has no word for it but the missing one.
    t.equal(await end, secure ? undefined : 'ECONNRESET')
  })

  t.test('a reset right behind an end closes all the same', async t => {
    const { wire, ear, other } = await start(t)
    other.resume()
    wire.end()
    wire.reset()
    t.equal(await ear.until(/closed/), 'closed undefined')
  })

  t.test('nothing is told while it is paused', async t => {
    const { wire, ear, other } = await start(t)
    other.write('a')
    await ear.all(1)
    wire.pause()
    other.write('b')
    for (let turn = 0; turn < 20; turn++) await settled()
    t.equal(ear.text, 'a')
    wire.resume()
    t.equal(await ear.all(2), 'ab')
  })

  t.test('the other side resets', { skip: secure && 'TLS has no reset of its own' }, async t => {
    const { ear, other } = await start(t)
    other.resetAndDestroy()
    t.equal(await ear.until(/closed/), 'closed ECONNRESET')
  })

  t.test('what is kept stays as it was told', async t => {
    const { wire, ear, other } = await start(t)
    const kept: [chunk: Buffer, text: string][] = []
    ear.hear = chunk => {
      kept.push([chunk, chunk.toString('latin1')])
      wire.keep()
    }
    wire.gather(total)
    for (const piece of pieces.slice(0, 48)) other.write(piece)
    await ear.all(3 * mib)
    t.ok(
      kept.every(([chunk, text]) => chunk.toString('latin1') === text),
      `${kept.length} pieces`,
    )
    t.ok(ear.text === Buffer.concat(pieces.slice(0, 48)).toString('latin1'))
  })

  t.test('what was gathered is told before the end', async t => {
    const { wire, ear, other } = await start(t)
    wire.gather(mib)
    other.end('short')
    await ear.until(/ended/)
    t.equal(ear.text, 'short')
    wire.gather(mib)
    wire.close()
    await ear.until(/closed/)
    t.equal(ear.text, 'short')
  })

  t.test('memory of another wire is read from until it has left, and then used again', async t => {
    const from = await start(t)
    const to = await start(t)
    from.wire.gather(total)
    from.ear.hear = chunk => {
      if (!to.wire.give(chunk)) from.wire.pause()
      to.wire.keepFrom(from.wire)
    }
    const resume = to.ear.drained
    to.ear.drained = () => {
      resume.call(to.ear)
      from.wire.resume()
    }
    for (const piece of pieces) from.other.write(piece)
    from.other.end()
    const sent = drain(to.other)
    await from.ear.until(/ended/)
    to.wire.end()
    t.ok((await sent.done) === Buffer.concat(pieces).toString('latin1'), 'every byte as it came')
  })

  t.test('what came from a wire that is gone stays as it was told, whoever reads into memory next', async t => {
    const from = await start(t)
    const to = await start(t)
    to.other.pause()
    let given = 0
    from.ear.hear = chunk => {
      given += chunk.length
      to.wire.give(chunk)
      to.wire.keepFrom(from.wire)
    }
    const sent = pieces.slice(0, 64)
    for (const piece of sent) from.other.write(piece)
    from.other.end()
    await from.ear.until(/ended/)
    from.wire.close()
    await from.ear.until(/closed/)
    t.equal(given, 4 * mib)
    const next = await start(t)
    next.other.write(Buffer.alloc(4 * mib, '!'))
    await next.ear.all(4 * mib)
    to.wire.end()
    t.ok((await drain(to.other).done) === Buffer.concat(sent).toString('latin1'), 'every byte as it came')
  })

  if (!name.startsWith('accepted')) return

  t.test('bytes that came before the wire was made are told first', async t => {
    const { socket, other } = await open(t, 'early ')
    for (let turn = 0; turn < 1_000 && socket.readableLength === 0; turn++) await settled()
    const ear = new Heard()
    makeWire(socket, ear)
    other.write('late')
    t.equal(await ear.all(10), 'early late')
  })

  t.test('so are those of the same flight as the end of the handshake', async t => {
    const { socket, other } = await open(t, 'early ')
    const ear = new Heard()
    makeWire(socket, ear)
    other.end('late')
    await ear.until(/ended/)
    t.equal(ear.text, 'early late')
  })
}
