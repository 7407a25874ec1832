// Enclaves of the tests under gramine-direct: rendered, laid out and measured as an operator's are. What needs synthetic
// evidence or a short quiet period puts another program and policy in the place of the two that were rendered, with their
// hashes; every other byte of the manifest stays.

import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { bundle } from '../../build/bundle.ts'
import { DirectEnclave } from '../../gramine/direct.ts'
import { compatible } from '../../src/config/policies.ts'
import { type Environment, launch, repository, type Started } from './process.ts'

export interface Files {
  /** Instead of the bundle. */
  readonly program?: string
  /** Instead of the policy; `compatible` where absent. */
  readonly policy?: string
}

/** An enclave that is not measured yet; removed with the test. */
export async function newEnclave(t: Test, files: Files = {}): Promise<DirectEnclave> {
  const folder = mkdtempSync(join(tmpdir(), 'postern-gramine-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const policy = join(folder, 'policy.json')
  const program = join(folder, 'enclave.js')
  writeFileSync(policy, compatible)
  writeFileSync(program, (await bundle({ root: repository })).text)
  const enclave = new DirectEnclave(join(folder, 'enclave'), policy, program)
  replace(enclave, 'enclave.js', files.program)
  replace(enclave, 'policy.json', files.policy)
  return enclave
}

function replace(enclave: DirectEnclave, name: string, text: string | undefined): void {
  if (text === undefined) return
  const file = join(enclave.tree, 'app', name)
  const manifest = join(enclave.tree, 'app/postern.manifest.toml')
  const rendered = readFileSync(manifest, 'utf8')
  const replaced = rendered.replace(sha256(readFileSync(file)), sha256(Buffer.from(text)))
  if (replaced === rendered) throw new Error(`${name} has no hash in the manifest`)
  writeFileSync(manifest, replaced)
  writeFileSync(file, text)
}

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')

/** The bundle with a synthetic TEE, and with a quiet period of so many milliseconds. */
export async function demoProgram(quietMs: number): Promise<string> {
  const { text } = await bundle({ root: repository, entry: 'test/support/enclave-demo.ts' })
  return `"use strict";globalThis.testDrain={quietMs:${quietMs}};${text}`
}

/** Starts it with this environment and no other. */
export function startEnclave(t: Test, enclave: DirectEnclave, env: Environment = {}): Started {
  return launch(t, enclave.command(), { PATH: process.env['PATH'], ...env })
}
