import fc from 'fast-check'
import t from 'tap'
import { Limiter, type Waiter } from '../../src/gate/limiter.ts'
import { settled } from '../support/gate.ts'

class Guest implements Waiter {
  readonly name: string
  readonly started: string[]

  constructor(name: string, started: string[]) {
    this.name = name
    this.started = started
  }

  admitted(): void {
    this.started.push(this.name)
  }
}

/** Enters everybody by name; returns what each was told. */
function enterAll(limiter: Limiter, names: string, started: string[]) {
  return [...names].map(name => limiter.enter(new Guest(name, started)))
}

const kind = (place: ReturnType<Limiter['enter']>): string => (typeof place === 'string' ? place : 'queued')

const bounds: [name: string, working: number, entering: number, admitted: number, queued: number, full: number][] = [
  ['one works, ten wait, the twelfth is turned away', 1, 12, 1, 10, 1],
  ['ten work, a hundred wait', 10, 115, 10, 100, 5],
  ['no limit admits everybody', 0, 500, 500, 0, 0],
]
for (const [name, working, entering, admitted, queued, full] of bounds) {
  t.test(name, async t => {
    const limiter = new Limiter(working)
    const told = Array.from({ length: entering }, () => kind(limiter.enter({ admitted() {} })))
    const count = (word: string): number => told.filter(each => each === word).length
    t.same([count('admitted'), count('queued'), count('full')], [admitted, queued, full])
    t.equal(limiter.inFlight, admitted + queued)
  })
}

t.test('the line is served strictly in order', async t => {
  const started: string[] = []
  const limiter = new Limiter(1)
  enterAll(limiter, 'abcd', started)
  for (let i = 0; i < 3; i++) {
    limiter.leaveSlot()
    await settled()
  }
  t.same(started, ['b', 'c', 'd'])
})

t.test('a newcomer does not overtake a request that is about to be woken', async t => {
  const started: string[] = []
  const limiter = new Limiter(1)
  enterAll(limiter, 'ab', started)
  limiter.leaveSlot()
  t.equal(kind(limiter.enter(new Guest('c', started))), 'queued')
  await settled()
  t.same(started, ['b'])
})

t.test('who leaves the line frees its place and is never started', async t => {
  const started: string[] = []
  const limiter = new Limiter(1)
  const places = enterAll(limiter, 'abcdefghijk', started)
  t.equal(kind(limiter.enter(new Guest('l', started))), 'full')
  const b = places[1]
  if (typeof b !== 'object') throw new Error('b is not in line')
  limiter.leaveLine(b)
  limiter.leaveLine(b)
  t.equal(limiter.inFlight, 10)
  t.equal(kind(limiter.enter(new Guest('m', started))), 'queued')
  limiter.leaveSlot()
  await settled()
  t.same(started, ['c'])
})

t.test('who leaves between the wake-up call and the wake-up is passed over', async t => {
  const started: string[] = []
  const limiter = new Limiter(1)
  const [, b] = enterAll(limiter, 'ab', started)
  limiter.leaveSlot()
  if (typeof b === 'object') limiter.leaveLine(b)
  await settled()
  t.same(started, [])
  t.equal(limiter.inFlight, 0)
  t.equal(kind(limiter.enter(new Guest('c', started))), 'admitted')
})

t.test('nobody is started inside the call that frees a slot', async t => {
  const started: string[] = []
  const limiter = new Limiter(2)
  enterAll(limiter, 'abcd', started)
  limiter.leaveSlot()
  limiter.leaveSlot()
  t.same(started, [], 'not yet')
  await settled()
  t.same(started, ['c', 'd'], 'both, by one wake-up')
})

t.test('a request that ends while it is being started wakes the next one later, not inside', async t => {
  const limiter = new Limiter(1)
  let depth = 0
  let deepest = 0
  const started: number[] = []
  const guest = (n: number): Waiter => ({
    admitted() {
      deepest = Math.max(deepest, ++depth)
      started.push(n)
      limiter.leaveSlot()
      depth--
    },
  })
  limiter.enter(guest(0))
  for (let n = 1; n <= 10; n++) limiter.enter(guest(n))
  limiter.leaveSlot()
  await settled()
  t.same(started, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  t.equal(deepest, 1)
  t.equal(limiter.inFlight, 0)
})

t.test('never more than N work, nobody is lost or started twice, and it ends empty, whatever happens', async t => {
  const move = fc.record({
    kind: fc.constantFrom('enter', 'enter', 'finish', 'leave', 'timeout', 'flush'),
    at: fc.nat(40),
  })
  await fc.assert(
    fc.asyncProperty(fc.nat(4), fc.array(move, { maxLength: 120 }), async (working, moves) => {
      const limiter = new Limiter(working)
      const most = working === 0 ? Number.POSITIVE_INFINITY : working
      const busy: number[] = []
      const line: number[] = []
      const places = new Map<number, Exclude<ReturnType<Limiter['enter']>, string>>()
      const problems: string[] = []
      const admitted = (n: number): void => {
        if (line[0] !== n) problems.push(`${n} overtook ${line[0]}`)
        line.shift()
        busy.push(n)
        if (busy.length > most) problems.push(`${busy.length} of ${most} work`)
      }
      let next = 0
      const step = async (what: string, at: number): Promise<void> => {
        if (what === 'enter') {
          const n = next++
          const place = limiter.enter({ admitted: () => admitted(n) })
          if (place === 'admitted') {
            if (line.length > 0) problems.push(`${n} barged in`)
            busy.push(n)
          } else if (place === 'full') {
            if (busy.length + line.length < most * 11) problems.push(`${n} was turned away too early`)
          } else {
            line.push(n)
            places.set(n, place)
          }
        } else if (what === 'finish' && busy.length > 0) {
          busy.splice(at % busy.length, 1)
          limiter.leaveSlot()
        } else if ((what === 'leave' || what === 'timeout') && line.length > 0) {
          const [n] = line.splice(what === 'timeout' ? 0 : at % line.length, 1)
          const place = places.get(n ?? -1)
          if (place) limiter.leaveLine(place)
        } else if (what === 'flush') await null
        if (busy.length > most) problems.push(`${busy.length} of ${most} work`)
        if (limiter.inFlight !== busy.length + line.length) problems.push(`inFlight ${limiter.inFlight}`)
      }
      for (const { kind, at } of moves) await step(kind, at)
      while (busy.length + line.length > 0) {
        await step('finish', 0)
        await step('flush', 0)
        if (busy.length === 0 && line.length > 0) await settled()
        if (busy.length === 0 && line.length > 0) throw new Error('a line waits before free slots')
      }
      if (limiter.inFlight !== 0) problems.push('not empty')
      if (problems.length > 0) throw new Error(problems.join('; '))
    }),
  )
  t.pass()
})
