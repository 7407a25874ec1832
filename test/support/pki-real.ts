// Real evidence and collateral beside the checkout, as files in memory, and the mutations that its table describes.

import { readdirSync, readFileSync } from 'node:fs'
import { collateralFiles } from '../../src/attest/directory.ts'
import type { IntelCollateral } from '../../src/attest/evidence.ts'
import { realBytes } from './evidence.ts'

const folder = new URL('../../../shared/attestation/data/', import.meta.url)

export type Files = Readonly<Record<string, Uint8Array>>

interface Operation {
  readonly file?: string
  readonly xor?: readonly (readonly [offset: number, mask: number])[]
  readonly truncate?: number
  readonly append_hex?: string
  readonly write_u16le?: readonly [offset: number, value: number]
  readonly write_u32le?: readonly [offset: number, value: number]
  readonly copy_from?: string
  readonly replace?: readonly [from: string, to: string]
  readonly json_pretty?: true
  readonly reverse_pems?: true
  readonly drop_pem?: number
  readonly time?: string
}

export interface Mutation {
  readonly id: string
  readonly base: string
  readonly expect: 'accept' | 'reject' | 'policy'
  readonly reason: string
  readonly ops: readonly Operation[]
}

/** Folders that hold a quote with its whole collateral. */
export function realCases(): string[] {
  return readdirSync(folder).filter(name => {
    try {
      return readdirSync(new URL(`${name}/`, folder)).includes(collateralFiles.tcbInfo)
    } catch {
      return false
    }
  })
}

export function realMutations(): readonly Mutation[] {
  return JSON.parse(readFileSync(new URL('mutations.json', folder), 'utf8')).mutations
}

export function readFiles(name: string): Files {
  const names = ['quote.bin', ...Object.values(collateralFiles)]
  return Object.fromEntries(names.map(file => [file, realBytes(`${name}/${file}`)]))
}

export function toCollateral(files: Files): IntelCollateral {
  const members = Object.entries(collateralFiles).map(([member, file]) => [member, files[file] ?? new Uint8Array()])
  return { kind: 'intel', ...Object.fromEntries(members) }
}

/** A case with the changes of one row of the table. */
export function applied(mutation: Mutation): { readonly files: Files; readonly time: string | undefined } {
  const files: Record<string, Uint8Array> = { ...readFiles(mutation.base) }
  let time: string | undefined
  for (const operation of mutation.ops) {
    if (operation.time !== undefined) time = operation.time
    if (operation.file === undefined) continue
    files[operation.file] = changed(files[operation.file] ?? new Uint8Array(), operation)
  }
  return { files, time }
}

function changed(before: Uint8Array, operation: Operation): Uint8Array {
  let bytes = Buffer.from(before)
  for (const [offset, mask] of operation.xor ?? []) {
    const at = offset < 0 ? bytes.length + offset : offset
    bytes[at] = (bytes[at] ?? 0) ^ mask
  }
  if (operation.truncate !== undefined) bytes = bytes.subarray(0, operation.truncate)
  if (operation.append_hex !== undefined) bytes = Buffer.concat([bytes, Buffer.from(operation.append_hex, 'hex')])
  if (operation.write_u16le) bytes.writeUInt16LE(operation.write_u16le[1], operation.write_u16le[0])
  if (operation.write_u32le) bytes.writeUInt32LE(operation.write_u32le[1], operation.write_u32le[0])
  if (operation.copy_from !== undefined) bytes = Buffer.from(realBytes(operation.copy_from))
  if (operation.replace) {
    const text = bytes.toString('latin1')
    if (!text.includes(operation.replace[0])) throw new Error(`no ${operation.replace[0]} to replace`)
    bytes = Buffer.from(text.replace(operation.replace[0], operation.replace[1]), 'latin1')
  }
  if (operation.json_pretty) bytes = Buffer.from(JSON.stringify(JSON.parse(bytes.toString()), null, 2))
  if (operation.reverse_pems || operation.drop_pem !== undefined) {
    const blocks =
      bytes.toString('latin1').match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----\n?/g) ?? []
    if (operation.reverse_pems) blocks.reverse()
    else blocks.splice(operation.drop_pem ?? 0, 1)
    bytes = Buffer.from(blocks.join(''), 'latin1')
  }
  return bytes
}
