// What a fuzz target finds is an error that says what was expected; its seed is told by who ran it.

import { isDeepStrictEqual } from 'node:util'

export class Finding extends Error {}

const show = (value: unknown): string => JSON.stringify(value)?.slice(0, 1500)

export function mustEqual(what: string, found: unknown, wanted: unknown, input?: unknown): void {
  if (isDeepStrictEqual(found, wanted)) return
  const shown = input === undefined ? '' : `\n  input   ${show(input)}`
  throw new Finding(`${what}:\n  found   ${show(found)}\n  wanted  ${show(wanted)}${shown}`)
}

export function must(what: string, holds: boolean, input?: unknown): void {
  if (!holds) throw new Finding(input === undefined ? what : `${what}\n  input   ${show(input)}`)
}
