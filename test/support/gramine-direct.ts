// Enclaves of the tests under gramine-direct: rendered, laid out and measured as an operator's are. What needs synthetic
// evidence or a short quiet period puts another program and policy in the place of the two that were rendered, with their
// hashes; every other byte of the manifest stays.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { bundle } from '../../build/bundle.ts'
import { DirectEnclave, installed } from '../../gramine/direct.ts'
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

/**
 * Makes Gramine ask the kernel for the time, which strace can then answer: with a copy of itself that looks for the vDSO's
 * function under another name.
 */
export function askKernelForTime(enclave: DirectEnclave): void {
  const folder = join(installed(), 'direct')
  mkdirSync(join(enclave.tree, folder), { recursive: true })
  for (const name of ['loader', 'libpal.so']) {
    const text = readFileSync(join(folder, name), 'latin1')
    const other = text.replace('__vdso_clock_gettime', '__vdso_clock_gettimX')
    writeFileSync(join(enclave.tree, folder, name), other, { encoding: 'latin1', mode: 0o755 })
  }
}

/** Why strace cannot answer for the kernel; false where it can. */
export function noSteps(): string | false {
  const { status } = spawnSync('strace', ['-qq', '-o', '/dev/null', 'true'])
  return status !== 0 && 'NOT TESTED: no strace that may trace'
}

/**
 * From the next look at the clock on, its second is one that lies so far ahead, and stays the same.
 * @returns gives the clock back
 */
export async function ahead(pid: number, seconds: number): Promise<() => Promise<unknown>> {
  const second = Buffer.alloc(8)
  second.writeBigInt64LE(BigInt(Math.floor(Date.now() / 1_000) + seconds))
  const what = ['-e', 'trace=clock_gettime', '-e', `inject=clock_gettime:poke_exit=@arg2=${second.toString('hex')}`]
  const strace = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...what, '-p', `${pid}`])
  const gone = once(strace, 'exit')
  await once(strace, 'spawn')
  return () => {
    strace.kill('SIGINT')
    return gone
  }
}

/** The bundle with a synthetic TEE, and with a quiet period of so many milliseconds. */
export async function demoProgram(quietMs: number): Promise<string> {
  const { text } = await bundle({ root: repository, entry: 'test/support/enclave-demo.ts' })
  return `"use strict";globalThis.testDrain={quietMs:${quietMs}};${text}`
}

/** What the attesting CA does with its key's file. */
export async function keyProgram(): Promise<string> {
  return (await bundle({ root: repository, entry: 'test/support/enclave-key.ts' })).text
}

/** Mounts one folder of the host twice: /sealed, encrypted, and /plain, with a key of the manifest's, as there are none of SGX. */
export function mountSealed(enclave: DirectEnclave): void {
  const manifest = join(enclave.tree, 'app/postern.manifest.toml')
  const mounts = `fs.insecure__keys.test = "00112233445566778899aabbccddeeff"
fs.mounts = [
  { type = "encrypted", path = "/sealed", uri = "file:/tmp", key_name = "test" },
  { path = "/plain", uri = "file:/tmp" },`
  const text = readFileSync(manifest, 'utf8')
  const changed = text
    .replace('fs.mounts = [', mounts)
    .replace('sgx.allowed_files = [', 'sgx.allowed_files = [\n  "file:/tmp/",')
  writeFileSync(manifest, changed)
}

/** Starts it with this environment and no other. */
export function startEnclave(t: Test, enclave: DirectEnclave, env: Environment = {}): Started {
  return launch(t, enclave.command(), { PATH: process.env['PATH'], ...env })
}
