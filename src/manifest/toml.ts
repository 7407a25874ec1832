// The door to the TOML parser. A manifest that is not TOML is a Fault that names the place, never a stack.

import { parse, TomlError } from 'smol-toml'
import { Fault } from '../base/errors.ts'

/** As parsed: strings, numbers (bigint beyond 2^53), booleans, dates, arrays, tables. */
export type Table = Readonly<Record<string, unknown>>

/** Far above a manifest with thousands of hashes. */
const maxBytes = 16 * 1024 * 1024

/** @throws Fault 'manifest-malformed' with line and column */
export function readToml(bytes: Uint8Array): Table {
  if (bytes.length > maxBytes) throw malformed(`want at most ${maxBytes} bytes, got ${bytes.length}`)
  let text: string
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw malformed('not UTF-8; want the manifest as text')
  }
  try {
    return parse(text, { integersAsBigInt: 'asNeeded' })
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    const [what = ''] = error.message.split('\n')
    const template = /\{[{%]/.test(text) ? '; it is a template, so render it first' : ''
    throw malformed(`line ${error.line}, column ${error.column}: ${what}${template}`)
  }
}

export function isTable(value: unknown): value is Table {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}

function malformed(what: string): Fault {
  return new Fault('manifest-malformed', `manifest: ${what}`)
}
