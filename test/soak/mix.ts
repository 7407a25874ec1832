// What a soak's visitors do: kinds of requests and how often each is drawn.

import { randomInt } from 'node:crypto'
import type { Errand } from './container.ts'
import type { Request, Visitor } from './visitor.ts'

const kib = 1024
const mib = 1024 * kib

const errand = (changes: Partial<Errand> = {}): Omit<Errand, 'id'> => ({
  asked: 0,
  told: randomInt(1, 2 * kib),
  chunked: randomInt(4) === 0,
  wait: 0,
  slow: false,
  ...changes,
})

const get = (changes: Partial<Errand> = {}, more: Partial<Request> = {}): Request => ({
  errand: errand(changes),
  method: 'GET',
  chunked: false,
  fields: randomInt(50) === 0 ? 'Connection: close\r\n' : '',
  slowMs: 0,
  ...more,
})

const post = (changes: Partial<Errand>, more: Partial<Request> = {}): Request =>
  get({ asked: randomInt(1, 4 * kib), ...changes }, { method: 'POST', chunked: randomInt(2) === 0, ...more })

const either = <T>(...all: readonly [T, ...T[]]): T => all[randomInt(all.length)] ?? all[0]
const how = (): 'reset' | 'end' => either('reset', 'end')
const breaks = (most: number) => ({ breaks: { how: how(), at: randomInt(most) } })

/** Kind, how often among all, what is done. */
const kinds: readonly [name: string, weight: number, play: (visitor: Visitor, name: string) => Promise<void>][] = [
  ['get', 400, (v, name) => v.ask(name, get())],
  ['head', 30, (v, name) => v.ask(name, get({}, { method: 'HEAD' }))],
  ['pipelined', 40, (v, name) => v.pipeline(name, randomInt(2, 6), get({}, { fields: '' }))],
  ['post', 160, (v, name) => v.ask(name, post({}))],
  ['invited post', 20, (v, name) => v.ask(name, post({}, { fields: 'Expect: 100-continue\r\n' }))],
  ['large answer', 40, (v, name) => v.ask(name, get({ told: mib }))],
  ['large request', 30, (v, name) => v.ask(name, post({ asked: mib }))],
  ['large both', 20, (v, name) => v.ask(name, post({ asked: mib, told: mib }))],
  ['slow reader', 20, (v, name) => v.ask(name, get({ told: mib }, { slowMs: randomInt(5, 30) }))],
  ['slow writer', 20, (v, name) => v.ask(name, post({ asked: 256 * kib }, { slowMs: randomInt(5, 30) }))],
  ['slow container', 20, (v, name) => v.ask(name, post({ asked: 256 * kib, told: 128 * kib, slow: true }))],
  [
    'client leaves asking',
    30,
    (v, name) => v.ask(name, post({ asked: randomInt(2, 256 * kib) }, { leaves: { when: 'asking', how: how() } })),
  ],
  [
    'client leaves waiting',
    30,
    (v, name) => v.ask(name, get({ wait: randomInt(2, 100) }, { leaves: { when: 'waiting', how: how() } })),
  ],
  [
    'client leaves reading',
    30,
    (v, name) => v.ask(name, get({ told: mib, chunked: false }, { leaves: { when: 'reading', how: how() } })),
  ],
  ['container breaks a get', 15, (v, name) => v.ask(name, get({ breaks: { how: how(), at: -1 } }))],
  ['container breaks a post', 15, (v, name) => v.ask(name, post({ breaks: { how: how(), at: -1 } }))],
  ['container breaks an answer', 30, (v, name) => v.ask(name, post({ told: mib, ...breaks(mib) }))],
  ['tunnel', 20, (v, name) => v.tunnel(name, words(), errand(), how())],
  [
    'tunnel that the container ends',
    10,
    (v, name) => {
      const sent = words()
      return v.tunnel(name, sent, errand(breaks(sent.reduce((sum, each) => sum + each))), 'end')
    },
  ],
]

const words = (): number[] => Array.from({ length: randomInt(1, 12) }, () => randomInt(1, 32 * kib))
const total = kinds.reduce((sum, [, weight]) => sum + weight, 0)

/** Draws a kind and plays it. */
export function playOne(visitor: Visitor): Promise<void> {
  let left = randomInt(total)
  for (const [name, weight, play] of kinds) {
    left -= weight
    if (left < 0) return play(visitor, name)
  }
  throw new Error('unreachable: weights do not add up')
}
