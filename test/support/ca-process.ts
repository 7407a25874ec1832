// The attesting CA as a process, and its operator at a command line.

import { spawn } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { Test } from 'tap'
import { postern, type Started, start, until } from './process.ts'

const { privateKey, publicKey } = generateKeyPairSync('ed25519')

/** As the CA's options have it. */
export const operator = { kid: 'ops-1', jwk: publicKey.export({ format: 'jwk' }) }
export const operatorKeyPem = privateKey.export({ type: 'pkcs8', format: 'pem' })

export interface Stage {
  /** `policy.json`, which names the CA; `options.json`, `policies.json`, `revocations.json`; the operator's `key.pem`. */
  readonly file: (name: string) => string
  readonly port: number
  readonly sidePort: number
}

export function startCa(t: Test, { file, port, sidePort }: Stage): Promise<Started> {
  const ca = start(t, [
    'provision',
    '--options',
    file('options.json'),
    '--port',
    `${port}`,
    '--side-port',
    `${sidePort}`,
  ])
  return until('the CA serves', () => (ca.stdout().includes('"Serving"') ? ca : undefined))
}

/** A command, to its end. */
export function run(
  args: readonly string[],
  file = postern,
): Promise<{ code: number | null; out: string; error: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [file, ...args])
    let [out, error] = ['', '']
    child.stdout.on('data', chunk => (out += chunk))
    child.stderr.on('data', chunk => (error += chunk))
    child.on('close', code => resolve({ code, out, error }))
  })
}

/** State, statement and sets, as an operator brings them; what the first command said that failed. */
export async function unlock({ file }: Stage) {
  const state = await run(['ca', 'state', '--policy', file('policy.json')])
  if (state.code !== 0) return state
  writeFileSync(file('state.json'), state.out)
  const sets = ['--policies', file('policies.json'), '--revocations', file('revocations.json')]
  const signed = await run([
    'ca',
    'sign',
    '--state',
    file('state.json'),
    ...sets,
    '--key',
    file('key.pem'),
    '--kid',
    'ops-1',
  ])
  if (signed.code !== 0) return signed
  writeFileSync(file('statement.jws'), signed.out)
  return run(['ca', 'unlock', '--policy', file('policy.json'), '--statement', file('statement.jws'), ...sets])
}
