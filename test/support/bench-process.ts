// The benchmark as a process, for tests of how it ends.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type t from 'tap'

const entry = fileURLToPath(new URL('../../bench/postern-bench.js', import.meta.url))

export interface Running {
  readonly child: ChildProcess
  readonly out: () => string
  readonly err: () => string
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>
}

export function start(args: readonly string[], env: Record<string, string> = {}): Running {
  const child = spawn(process.execPath, [entry, ...args], { env: { ...process.env, ...env } })
  let [out, err] = ['', '']
  child.stdout.on('data', part => {
    out += part
  })
  child.stderr.on('data', part => {
    err += part
  })
  return { child, out: () => out, err: () => err, ended: once(child, 'close').then(([code]) => code) }
}

/** A folder that is gone after the test. */
export function folder(t: Tap): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-'))
  t.teardown(() => rmSync(path, { recursive: true, force: true }))
  return path
}

type Tap = Pick<typeof t, 'teardown'>
