// `postern proxy` as an enclave would run it: the bundle, Node's flags, the policy as a file, and everything that Gramine
// lacks failing as it does there. A test that asks for synthetic evidence or for a short quiet period gets a bundle that
// has them besides (enclave-demo.ts); every other gets the very bytes of dist/enclave.js.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { bundle } from '../../build/bundle.ts'
import { shipped } from '../../src/config/policies.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
export const nodeFlags: readonly string[] = JSON.parse(readFileSync(join(root, 'build/node-flags.json'), 'utf8'))
export const gramine = new URL('gramine.js', import.meta.url).href

const folder = mkdtempSync(join(tmpdir(), 'postern-bundle-'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

async function written(name: string, entry: string): Promise<string> {
  const file = join(folder, name)
  writeFileSync(file, (await bundle({ root, entry })).text)
  return file
}

const real = await written('enclave.js', 'src/enclave.ts')
const withDemo = await written('enclave-demo.js', 'test/support/enclave-demo.ts')

export interface BundledOptions {
  readonly node?: readonly string[]
  readonly quietMs?: number | undefined
}

/** What Node is started with for `postern proxy ARGS`. */
export function bundledCommand(args: readonly string[], { node = [], quietMs }: BundledOptions): string[] {
  const at = args.indexOf('--policy') + 1
  const policy = args[at] ?? ''
  const synthetic = basename(policy, '.json') === 'demo'
  const file = quietMs !== undefined || synthetic ? withDemo : real
  const rest = args.slice(1)
  if (at > 0 && Object.hasOwn(shipped, policy)) rest[at - 1] = policyFile(policy)
  const drain =
    quietMs === undefined ? [] : ['--import', `data:text/javascript,globalThis.testDrain={quietMs:${quietMs}}`]
  return [...nodeFlags, '--import', gramine, ...drain, ...node, file, ...rest]
}

function policyFile(name: string): string {
  const file = join(folder, `${name}.json`)
  // Once only: a process that was started a moment ago may be reading it.
  if (!existsSync(file)) writeFileSync(file, shipped[name] ?? '')
  return file
}
