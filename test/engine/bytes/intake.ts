import t from 'tap'
import { giveBack, Intake } from '../../../src/engine/bytes/intake.ts'
import { settled } from '../../support/gate.ts'

const kib = 1024

/** Reads into an intake as Node does: into the buffer that it was given last, then it asks for the next one. */
class Reader {
  readonly intake = new Intake()
  readonly told: string[] = []
  /** Runs when bytes are told. */
  hear: (chunk: Buffer) => void = () => {}
  #next: Buffer

  constructor() {
    this.intake.wire = {
      ear: {
        bytes: chunk => {
          this.told.push(chunk.toString('latin1'))
          this.hear(chunk)
        },
      },
    }
    this.#next = this.intake.buffer()
  }

  /** So many bytes come, all of them this letter. */
  read(letter: string, length: number): void {
    this.#next.fill(letter, 0, length)
    this.intake.callback(length)
    this.#next = this.intake.buffer()
  }

  get room(): number {
    return this.#next.length
  }

  /** The memory that the next bytes will be read into. */
  get next(): Buffer {
    return this.#next
  }

  get lengths(): number[] {
    return this.told.map(each => each.length)
  }
}

const overlap = (a: Buffer, b: Buffer): boolean =>
  a.buffer === b.buffer && a.byteOffset < b.byteOffset + b.length && b.byteOffset < a.byteOffset + a.length

t.test('what is read is told at once, from one block that is used again', async t => {
  const reader = new Reader()
  const memory: Buffer[] = []
  reader.hear = chunk => memory.push(chunk)
  reader.read('a', 10)
  reader.read('b', 16 * kib)
  t.same(reader.told, ['a'.repeat(10), 'b'.repeat(16 * kib)])
  t.equal(memory[0]?.buffer, memory[1]?.buffer)
  reader.intake.tell()
  t.equal(reader.told.length, 2, 'and only once')
})

t.test('bytes that nobody has asked for are noticed', async t => {
  const intake = new Intake()
  intake.buffer()
  t.notOk(intake.early)
  intake.callback(1)
  t.ok(intake.early)
})

t.test('much is told together: when it is there, when there is no room, or when the turn is over', async t => {
  const reader = new Reader()
  reader.intake.gather(100 * kib)
  reader.read('-', 1)
  t.equal(reader.room, 128 * kib, 'from the next read on, into more memory')
  reader.read('a', 16 * kib)
  reader.read('b', 16 * kib)
  t.same(reader.lengths, [1])
  await settled()
  t.same(reader.lengths, [1, 32 * kib], 'the turn is over')
  t.equal(reader.told[1], 'a'.repeat(16 * kib) + 'b'.repeat(16 * kib))
  for (const letter of 'cdef') reader.read(letter, 16 * kib)
  t.same(reader.lengths, [1, 32 * kib], 'it waits for what is still to come')
  reader.read('g', 4 * kib - 1)
  t.same(reader.lengths, [1, 32 * kib, 68 * kib - 1], 'all of it is there')
  reader.read('h', 5)
  t.equal(reader.told.at(-1), 'hhhhh')
  t.equal(reader.room, 16 * kib)

  reader.intake.gather(1024 * kib)
  reader.read('i', 1)
  const before = reader.lengths.length
  for (let at = 0; at < 7; at++) reader.read('j', 16 * kib)
  t.same(reader.lengths.slice(before), [112 * kib], 'there is no room for another record')
})

t.test('little is not waited for', async t => {
  const reader = new Reader()
  reader.intake.gather(31 * kib)
  reader.read('a', 1_000)
  reader.read('b', 1_000)
  t.same(reader.lengths, [1_000, 1_000])
  t.equal(reader.room, 16 * kib)
})

t.test('what is kept is not read into again, until it is given back', async t => {
  const reader = new Reader()
  let kept: Buffer<ArrayBuffer> | undefined
  let told: Buffer | undefined
  reader.hear = chunk => {
    told ??= chunk
    kept ??= reader.intake.keep()
  }
  reader.read('a', 100)
  t.ok(kept && told && overlap(kept, told), 'what was told stands in it')
  reader.read('b', 16 * kib)
  reader.read('c', 16 * kib)
  t.equal(told?.toString(), 'a'.repeat(100))
  if (kept) giveBack(kept)
  t.equal(new Intake().buffer().buffer, kept?.buffer, 'then it is the next to be used')
})

t.test('a block that is kept twice is given back once', async t => {
  const reader = new Reader()
  const kept: (Buffer<ArrayBuffer> | undefined)[] = []
  reader.hear = () => kept.push(reader.intake.keep(), reader.intake.keep())
  reader.read('a', 100)
  t.equal(kept.filter(each => each !== undefined).length, 1)
})

t.test('a block that Node reads into next is nobody else, though what stands in it was kept and has left', async t => {
  const reader = new Reader()
  reader.intake.gather(1024 * kib)
  reader.read('-', 1)
  reader.read('a', 30 * kib)
  const kept: (Buffer<ArrayBuffer> | undefined)[] = []
  reader.hear = () => kept.push(reader.intake.keep())
  await settled()
  t.same(reader.lengths, [1, 30 * kib], 'told by the turn, while Node has the rest of the block')
  for (const block of kept) if (block) giveBack(block)
  const other = new Reader()
  other.intake.gather(1024 * kib)
  other.read('-', 1)
  t.notOk(overlap(other.next, reader.next))
  reader.read('b', 16 * kib)
  for (const block of kept.splice(0)) if (block) giveBack(block)
  t.notOk(overlap(other.next, reader.next))
})

t.test('memory of a connection that is gone is the next one’s, and once only', async t => {
  const reader = new Reader()
  reader.intake.gather(100 * kib)
  reader.read('a', 1)
  reader.read('b', 16 * kib)
  const large = reader.next
  reader.intake.tell()
  reader.intake.release()
  t.equal(reader.intake.keep(), undefined)
  t.equal(reader.intake.buffer().length, 0, 'nothing is read into what was given back')
  await settled()
  t.same(reader.lengths, [1, 16 * kib], 'and nothing is told any more')
  const [second, third] = [new Reader(), new Reader()]
  t.notOk(overlap(second.next, third.next))
  second.intake.gather(100 * kib)
  second.read('c', 1)
  t.equal(second.next.buffer, large.buffer)
})
