// The command: which verb, its signals and its exit code. Nobody else ends the process or listens to a signal.

import { readFileSync } from 'node:fs'
import { describe, Fault, systemCode } from '../src/base/errors.ts'
import { type CompareCommand, type ReportCommand, type RunCommand, readCommand, usualPace } from './args.ts'
import { compare, showComparison } from './compare.ts'
import { contenders, own } from './contenders/table.ts'
import { help, list } from './help.ts'
import { findTools } from './machine/tools.ts'
import { html } from './report/html.ts'
import { brief, markdown } from './report/markdown.ts'
import { splice } from './report/splice.ts'
import type { Result } from './result.ts'
import { startRun } from './run/run.ts'
import { save } from './save.ts'
import { scenarios } from './scenarios.ts'
import { readResult } from './schema.ts'

/** As in BSD's sysexits. */
const usageExit = 64
const interruptedExit = 130

/** @returns the exit code */
async function run(command: RunCommand): Promise<number> {
  const { scenarios, contenders, pace, seed, counting, json, html: page, given } = command
  const say = (text: string): boolean => process.stderr.write(text)
  let wrote = true
  const keep = (part: Result): void => {
    wrote = json === undefined || save(json, `${JSON.stringify(part)}\n`)
  }
  const running = startRun({
    ...{ scenarios, contenders, pace, seed, counting, keep, say },
    flags: given,
    terminal: process.stderr.isTTY,
  })
  let interrupted = false
  const leave = (): void => {
    if (interrupted) process.exit(interruptedExit)
    interrupted = true
    const part = running.end()
    if (part) {
      keep(part)
      if (page !== undefined) save(page, html(part))
    }
    process.exit(interruptedExit)
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, leave)
  process.on('exit', () => running.end())
  const result = await running.result
  keep(result)
  if (page !== undefined) wrote = save(page, html(result)) && wrote
  process.stdout.write(markdown(result))
  return wrote && result.failures.length === 0 ? 0 : 1
}

function report({ file, html: page, into, brief: short }: ReportCommand): number {
  const result = readResult(read(file), file)
  if (page !== undefined) return save(page, html(result)) ? 0 : 1
  const text = short ? brief(result) : markdown(result)
  if (into !== undefined) return save(into, splice(read(into), text, into)) ? 0 : 1
  process.stdout.write(text)
  return 0
}

function compareFiles({ before, after, threshold, to }: CompareCommand): number {
  const [old, now] = [before, after].map(file => readResult(read(file), file))
  if (!old || !now) return usageExit
  const comparison = compare(old, now, { threshold, to })
  process.stdout.write(showComparison(comparison))
  return comparison.changes.some(({ regressed }) => regressed) ? 1 : 0
}

function listAll(): number {
  const tools = findTools()
  const best = own.find(name => contenders.some(each => each.name === name && each.missing(tools) === undefined))
  process.stdout.write(list(scenarios, contenders, tools, usualPace, best))
  return 0
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new Fault('usage', `${path} cannot be read (${systemCode(error) ?? 'unknown'})`)
  }
}

async function main(): Promise<number> {
  const command = readCommand(process.argv.slice(2), { contenders, scenarios })
  switch (command.verb) {
    case 'run':
      return run(command)
    case 'report':
      return report(command)
    case 'compare':
      return compareFiles(command)
    case 'list':
      return listAll()
    case 'help':
      process.stdout.write(help)
      return 0
  }
}

function fail(error: unknown): void {
  const usage = error instanceof Fault && error.code === 'usage'
  process.stderr.write(`${error instanceof Fault ? error.message : `internal error: ${describe(error)}`}\n`)
  process.exit(usage ? usageExit : 1)
}

main().then(code => process.exit(code), fail)
