// A long run of random and spoilt HTTP/1.1 against the bytes engine, by hand: node test/fuzz/engine.ts [--seconds N]
// [--seed N] [--target NAME]. Each input has a seed of its own, counted up from the first; what is found is printed with
// it, and `--seed N --seconds 0 --target NAME` runs that one input again. Exits 1 where anything was found.

import { bodies } from './engine/bodies.ts'
import { overHandles, overStreams } from './engine/conversations.ts'
import { heads } from './engine/heads.ts'
import { messages } from './engine/messages.ts'
import { Random } from './engine/random.ts'

const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const seconds = Number(flag('--seconds') ?? 60)
const first = Number(flag('--seed') ?? Date.now())
const only = flag('--target')

/** Target, and how many of its inputs make a turn. */
const targets: readonly [name: string, run: (random: Random) => void | Promise<void>, turn: number][] = [
  ['heads', heads, 2000],
  ['bodies', bodies, 1000],
  ['messages', messages, 100],
  ['handles', overHandles, 50],
  ['streams', overStreams, 50],
]

/** A run that finds so much is about one thing, and is ended. */
const enough = 50

const inputs: Record<string, number> = {}
let findings = 0
let current = ''

function found(error: unknown): void {
  findings++
  process.stdout.write(`FOUND ${current}: ${error instanceof Error ? error.stack : error}\n`)
}

// Nothing may get past the one who called.
for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
  process.on(event, error => found(`${event}: ${error instanceof Error ? error.stack : error}`))
}

async function run(name: string, target: (random: Random) => void | Promise<void>, seed: number): Promise<void> {
  inputs[name] = (inputs[name] ?? 0) + 1
  current = `${name} --seed ${seed}`
  try {
    await target(new Random(seed))
  } catch (error) {
    found(error)
  }
}

const end = Date.now() + seconds * 1000
let seed = first
process.stdout.write(`seed ${first}, ${seconds} s\n`)
do {
  for (const [name, target, turn] of targets) {
    if (only !== undefined && only !== name) continue
    const count = seconds === 0 ? 1 : turn
    for (let i = 0; i < count; i++) await run(name, target, seed + i)
  }
  seed += 2000
} while (Date.now() < end && findings < enough)
process.stdout.write(`${JSON.stringify(inputs)}, seeds ${first} to ${seed - 1}: ${findings} found\n`)
process.exitCode = findings > 0 ? 1 : 0
