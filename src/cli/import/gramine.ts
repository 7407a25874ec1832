// What Gramine's RA-TLS verifier is told by variables: one enclave, or one product of one signer, and which platforms.
// Source: Gramine's "Attestation and Secret Provisioning", ra_tls_verify_common.c (v1.9): each of the four measurements
// must be set, `any` skips it; switches are on by `1` alone.

import { Fault } from '../../base/errors.ts'
import { hex32, type Imported, type Left, profileWithin, type WrittenEnclave } from './imported.ts'

const measured = ['RA_TLS_MRENCLAVE', 'RA_TLS_MRSIGNER', 'RA_TLS_ISV_PROD_ID', 'RA_TLS_ISV_SVN'] as const
const switches = {
  outdated: 'RA_TLS_ALLOW_OUTDATED_TCB_INSECURE',
  configuration: 'RA_TLS_ALLOW_HW_CONFIG_NEEDED',
  hardening: 'RA_TLS_ALLOW_SW_HARDENING_NEEDED',
  debug: 'RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE',
} as const
const known: readonly string[] = [...measured, ...Object.values(switches)]

type Variables = ReadonlyMap<string, string>

/** @param bytes lines of NAME=value, or what /proc/PID/environ holds */
export function importGramine(bytes: Uint8Array): Imported {
  const variables = readVariables(Buffer.from(bytes).toString())
  const notCarried: Left[] = []
  const enclaves = [enclaveOf(variables, notCarried)]
  const { tcb, states } = platformsOf(variables, notCarried)
  for (const [name, value] of variables) {
    if (!known.includes(name)) notCarried.push({ what: name, why: 'it has no counterpart in a policy' })
    else if (Object.values(switches).some(each => each === name) && value !== '1') {
      notCarried.push({ what: `${name}=${value}`, why: 'Gramine takes 1 alone for yes, so this is no' })
    }
  }
  if (states.includes('OutOfDate')) {
    const why = 'an outdated platform also excuses expired collateral there, and does not here'
    notCarried.push({ what: switches.outdated, why })
  }
  const debug = isOn(variables, switches.debug) ? { dangerAllowDebug: true as const } : {}
  return { peers: { app: { enclaves, tcb, ...debug } }, notCarried }
}

/** @throws Fault 'usage' for a variable with two values */
function readVariables(text: string): Variables {
  const found = new Map<string, string>()
  for (const line of text.split(text.includes('\0') ? '\0' : /\r?\n/)) {
    const [, name = '', value = ''] = /^(?:export\s+|declare -x\s+)?(RA_TLS_[A-Z0-9_]+)=(.*)$/.exec(line) ?? []
    if (name === '') continue
    const bare = /^(?:"([^"]*)"|'([^']*)')$/.exec(value)
    const plain = bare?.[1] ?? bare?.[2] ?? value
    if ((found.get(name) ?? plain) !== plain) throw new Fault('usage', `${name} is there twice, with two values`)
    found.set(name, plain)
  }
  if (found.size > 0) return found
  throw new Fault('usage', 'no RA_TLS_ variable in it; want lines such as RA_TLS_MRENCLAVE=<64 hex digits>')
}

function enclaveOf(variables: Variables, notCarried: Left[]): WrittenEnclave {
  const value = (name: (typeof measured)[number]): string | undefined => {
    const text = variables.get(name)
    if (text !== undefined) return text === 'any' ? undefined : text
    throw new Fault('usage', `${name} is not set, so Gramine accepts nobody; set it, to "any" where it may be anything`)
  }
  const [mrenclave, mrsigner, isvProdId, isvSvn] = [
    hash('RA_TLS_MRENCLAVE'),
    hash('RA_TLS_MRSIGNER'),
    u16('RA_TLS_ISV_PROD_ID'),
    u16('RA_TLS_ISV_SVN'),
  ]
  if (mrenclave !== undefined) {
    for (const name of measured.slice(1)) {
      if (value(name) === undefined) continue
      notCarried.push({
        what: name,
        why: 'a policy compares a measurement alone: it stands for one build, whoever signed it',
      })
    }
    return { mrenclave }
  }
  if (mrsigner === undefined)
    throw new Fault('usage', 'RA_TLS_MRENCLAVE and RA_TLS_MRSIGNER are "any": everybody would be accepted')
  if (isvProdId === undefined) {
    throw new Fault('usage', 'RA_TLS_ISV_PROD_ID is "any", and a policy names one product of a signer; set its number')
  }
  return { mrsigner, isvProdId, minIsvSvn: isvSvn ?? 0 }

  function hash(name: (typeof measured)[number]): string | undefined {
    const text = value(name)
    if (text === undefined || hex32.test(text)) return text?.toLowerCase()
    throw new Fault('usage', `${name}: want 64 hex digits or "any", got ${JSON.stringify(text)}`)
  }

  function u16(name: (typeof measured)[number]): number | undefined {
    const text = value(name)
    if (text === undefined) return undefined
    const number = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN
    if (number <= 0xffff) return number
    throw new Fault('usage', `${name}: want a number up to 65535 or "any", got ${JSON.stringify(text)}`)
  }
}

const isOn = (variables: Variables, name: string): boolean => variables.get(name) === '1'

function platformsOf(variables: Variables, notCarried: Left[]) {
  const on = (name: keyof typeof switches): boolean => isOn(variables, switches[name])
  const rows: readonly (readonly [accepted: boolean, state: string])[] = [
    [true, 'UpToDate'],
    [on('hardening'), 'SWHardeningNeeded'],
    [on('configuration'), 'ConfigurationNeeded'],
    [on('configuration') && on('hardening'), 'ConfigurationAndSWHardeningNeeded'],
    [on('outdated'), 'OutOfDate'],
    [on('outdated') && on('configuration'), 'OutOfDateConfigurationNeeded'],
  ]
  const states = rows.filter(([accepted]) => accepted).map(([, state]) => state)
  const { profile, left } = profileWithin(states)
  for (const state of left)
    notCarried.push({
      what: `platforms that are ${state}`,
      why: `no profile takes them without others; "${profile}" refuses them`,
    })
  if (profile === 'swHardeningOk') {
    const why = 'Gramine takes any; name those that may apply under tcb.advisories, such as INTEL-SA-00615'
    notCarried.push({ what: 'advisories of platforms that need software hardening', why })
  }
  return { tcb: { profile }, states }
}
