// All fuzz targets of the bytes engine. Each throws what it finds, and tells whether its input got anywhere.

import { answers } from './answers.ts'
import { bodies } from './bodies.ts'
import { overHandles, overStreams } from './conversations.ts'
import { heads } from './heads.ts'
import { messages } from './messages.ts'
import type { Random } from './random.ts'

export type Target = (random: Random) => boolean | Promise<boolean>

/** Target, and how many of its inputs make a turn. */
export const targets: readonly [name: string, run: Target, turn: number][] = [
  ['heads', heads, 2000],
  ['bodies', bodies, 1000],
  ['messages', messages, 500],
  ['answers', answers, 500],
  ['handles', overHandles, 50],
  ['streams', overStreams, 50],
]
