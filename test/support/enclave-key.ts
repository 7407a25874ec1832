// What the attesting CA does with its key's file, as a program for an enclave: /sealed is an encrypted mount, and /plain the
// same folder as the host has it.

import { readFileSync, writeFileSync } from 'node:fs'
import { describe } from '../../src/base/errors.ts'
import { readKeyFile, writeKeyFile } from '../../src/provision/key-file.ts'

const secret = 'a key that nobody else reads'
const [sealed, plain] = ['/sealed/ca.key', '/plain/ca.key']

const attempt = (run: () => unknown): unknown => {
  try {
    return run()
  } catch (error) {
    return describe(error)
  }
}
const read = (): string | undefined => {
  const stored = readKeyFile(sealed)
  return stored && Buffer.from(stored.pkcs8).toString()
}
const write = (): void =>
  writeKeyFile(sealed, {
    pkcs8: new Uint8Array(Buffer.from(secret)),
    certificate: Uint8Array.of(1),
    platformSalt: new Uint8Array(32),
  })

const before = attempt(read)
attempt(write)
const after = attempt(read)
const again = attempt(write)
const seen = readFileSync(plain)
const told = { before, after, again, magic: seen.subarray(0, 8).toString(), open: seen.includes(secret) }
seen.writeUInt8(seen.readUInt8(200) ^ 1, 200)
writeFileSync(plain, seen)
process.stdout.write(`${JSON.stringify({ ...told, changed: attempt(read) })}\n`)
