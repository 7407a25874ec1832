// A long run of random and spoilt HTTP/1.1 against the bytes engine, by hand: node test/fuzz/engine.ts [--seconds N]
// [--seed N] [--target NAME]. Each input has a seed of its own, counted up from the first; what is found is printed with
// it, and `--seed N --seconds 0 --target NAME` runs that one input again. Exits 1 where anything was found.

import { Random } from './engine/random.ts'
import { type Target, targets } from './engine/targets.ts'

const flag = (name: string): string | undefined => {
  const at = process.argv.indexOf(name)
  return at < 0 ? undefined : process.argv[at + 1]
}
const seconds = Number(flag('--seconds') ?? 60)
const first = Number(flag('--seed') ?? Date.now())
const only = flag('--target')

/** A run that finds so much is about one thing, and is ended. */
const enough = 50

const inputs: Record<string, number> = {}
const taken: Record<string, number> = {}
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

async function run(name: string, target: Target, seed: number): Promise<void> {
  inputs[name] = (inputs[name] ?? 0) + 1
  current = `${name} --seed ${seed}`
  try {
    if (await target(new Random(seed))) taken[name] = (taken[name] ?? 0) + 1
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
process.stdout.write(
  `${JSON.stringify(inputs)}, taken ${JSON.stringify(taken)}, seeds ${first} to ${seed - 1}: ${findings} found\n`,
)
process.exitCode = findings > 0 ? 1 : 0
