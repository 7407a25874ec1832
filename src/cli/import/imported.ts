// What an importer makes of somebody else's policy: sets of enclaves, and everything that it could not carry over. Where
// two formats differ, what is written accepts no more than what was read, and what is narrower by that is listed. Debug
// enclaves aside: a policy that takes them takes others too, which prove more.

import { type TcbProfile, takes, tcbProfiles } from '../../attest/tcb-policy.ts'
import { Fault } from '../../base/errors.ts'
import { type Json, JsonError, type JsonObject, readJson } from '../../base/json.ts'

/** An entry of a policy's `peers`, as it is written there. */
export interface WrittenPeer {
  readonly enclaves: readonly WrittenEnclave[]
  readonly tcb?: { readonly profile: TcbProfile; readonly advisories?: readonly string[] }
  readonly dangerAllowDebug?: true
}

export type WrittenEnclave =
  | { readonly mrenclave: string }
  | { readonly mrsigner: string; readonly isvProdId: number; readonly minIsvSvn: number }

export interface Left {
  readonly what: string
  readonly why: string
}

export interface Imported {
  readonly peers: Readonly<Record<string, WrittenPeer>>
  readonly notCarried: readonly Left[]
}

/** @throws Fault 'usage' where the file is not what it was said to be */
export type Importer = (bytes: Uint8Array) => Imported

export const hex32 = /^[0-9a-fA-F]{64}$/

/** The widest profile that accepts none but these states, by Intel's names, and the states that it leaves out. */
export function profileWithin(states: readonly string[]): { profile: TcbProfile; left: readonly string[] } {
  const within = (each: TcbProfile): boolean => [...takes[each]].every(state => states.includes(state))
  const profile = tcbProfiles.findLast(within) ?? 'strict'
  const accepted: ReadonlySet<string> = takes[profile]
  return { profile, left: states.filter(state => !accepted.has(state)) }
}

/** @throws Fault 'usage' */
export function jsonOf(bytes: Uint8Array): Json {
  try {
    return readJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw new Fault('usage', cause instanceof JsonError ? `not JSON: ${cause.message}` : 'not UTF-8', { cause })
  }
}

export function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The strings of an array; none where there is no array. */
export function texts(value: Json | undefined): readonly string[] {
  return Array.isArray(value) ? value.filter((each: Json) => typeof each === 'string') : []
}
