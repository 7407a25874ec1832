// The role `provision` as a process: its options, its evidence, its signals. Natively main.ts starts it, in an enclave
// enclave-provision.ts; neither reads the environment for it.

import { readFileSync } from 'node:fs'
import type { QuoteSource } from './attest/evidence.ts'
import { openQuoteSource, realTeePresent } from './attest/source.ts'
import { systemClock } from './base/clock.ts'
import { describe, Fault } from './base/errors.ts'
import { steadyClock } from './base/steady.ts'
import { policyDigest } from './config/policy.ts'
import { type ProvisionOptions, readProvisionOptions } from './config/provision.ts'
import { leaveOnSignal } from './process.ts'
import { keyFileOf } from './provision/key-file.ts'
import { type RunningProvision, startProvision } from './provision/provision.ts'
import { builtAfter, version } from './version.ts'

export interface ProvisionCall {
  /** File with the options. */
  readonly options: string
  readonly port: number
  readonly sidePort: number
  /** The encrypted mount that the measured command line speaks of; absent where nothing is measured. */
  readonly sealed?: string | undefined
}

export const provisionDefaults = { port: 8443, sidePort: 8080 } as const

/**
 * The CA until a signal ends it. Resolves when it serves; locked.
 * @param syntheticTee absent from what runs in an enclave
 * @throws Fault 'options-invalid', 'tee-unavailable', and as startProvision
 */
export async function runProvision(call: ProvisionCall, syntheticTee: (() => QuoteSource) | undefined): Promise<void> {
  const bytes = readOptions(call.options)
  const options = readProvisionOptions(bytes, call.options)
  let running: RunningProvision | undefined
  leaveOnSignal(() => running?.drain())
  running = await startProvision({
    options,
    policyDigest: policyDigest(bytes),
    tee: openTee(options, syntheticTee),
    keyFile: keyFileOf(options.key, call.sealed, realTeePresent()),
    port: call.port,
    sidePort: call.sidePort,
    version: version(),
    clock: steadyClock(systemClock),
    builtAfter: builtAfter(),
    write: line => process.stdout.write(line),
  })
}

/** A number of a command line. @throws Fault 'usage' */
export function portOf(text: string, flag: string): number {
  const found = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN
  if (found <= 65_535) return found
  throw new Fault('usage', `--${flag}: want a port, got ${JSON.stringify(text)}`)
}

function readOptions(path: string): Uint8Array {
  try {
    return new Uint8Array(readFileSync(path))
  } catch (cause) {
    throw new Fault('options-invalid', `${path}: no readable file (${describe(cause)})`, { cause })
  }
}

function openTee(options: ProvisionOptions, syntheticTee: (() => QuoteSource) | undefined): QuoteSource {
  if (options.dangerSyntheticRoot) {
    const what = `options ${options.name} trust SYNTHETIC evidence`
    if (realTeePresent()) throw new Fault('options-invalid', `${what} and do not start where a real TEE is present`)
    if (!syntheticTee) throw new Fault('options-invalid', `${what}, which this build does not have`)
    return syntheticTee()
  }
  try {
    return openQuoteSource()
  } catch (error) {
    throw new Fault(
      'tee-unavailable',
      `the CA needs an SGX enclave (Gramine, sgx.remote_attestation = "dcap"): ${describe(error)}`,
      { cause: error },
    )
  }
}
