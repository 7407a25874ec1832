// The role `proxy` as it runs in an enclave: the bytes engine alone, one policy from a file that is measured with it (and
// what its signers add), no other verb, and nothing synthetic: a policy that trusts such evidence does not start here.

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Fault } from './base/errors.ts'
import { freezePrototypes } from './base/frozen.ts'
import { loadPolicyFile } from './config/policy.ts'
import { makeBytesEngine } from './engine/bytes.ts'
import { fromHost, type ProxyParts, runProcess, runProxy, startUp } from './process.ts'
import { startProxy } from './proxy/proxy.ts'

const usage = 'usage: enclave.js --policy FILE'

/** @param syntheticTee for tests; no enclave has one */
export function runEnclave(syntheticTee?: ProxyParts['syntheticTee']): void {
  const start = startUp()
  runProcess(async () => {
    const policy = loadPolicyFile(policyFile(process.argv.slice(2)), path => readFileSync(path), fromHost())
    await runProxy(policy, start, async () => ({ startProxy, makeEngine: makeBytesEngine, syntheticTee }))
    freezePrototypes()
  })
}

/** @throws Fault 'usage' for anything but one `--policy FILE` */
export function policyFile(args: string[]): string {
  let paths: string[] | undefined
  try {
    paths = parseArgs({ args, options: { policy: { type: 'string', multiple: true } }, strict: true }).values.policy
  } catch (cause) {
    throw new Fault('usage', usage, { cause })
  }
  const [path, another] = paths ?? []
  if (path === undefined || another !== undefined) throw new Fault('usage', usage)
  return path
}
