// Loaded before the program: notes every private key that is made and every write that is not to stdout or stderr, and
// says both on file descriptor 3 when the process gets SIGUSR2.

import crypto from 'node:crypto'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

const keys = []
const writes = []
const { writeSync } = fs

const make = crypto.generateKeyPairSync
crypto.generateKeyPairSync = (...args) => {
  const pair = make(...args)
  keys.push(pair.privateKey.export({ format: 'jwk' }).d)
  return pair
}

/** Wraps functions of an object; `what` is undefined where a call writes nothing that lasts. */
function watch(object, names, what) {
  for (const name of names) {
    const real = object[name]
    object[name] = (...args) => {
      const found = what(args)
      if (found !== undefined) writes.push(`${name} ${found}`)
      return real(...args)
    }
  }
}

const toFile = ([target]) => (target === 1 || target === 2 ? undefined : String(target))
const forWriting = ([path, flags = 'r']) => (flags === 'r' || flags === 0 ? undefined : String(path))
const made = ([path]) => String(path)
watch(
  fs,
  ['write', 'writeSync', 'writev', 'writevSync', 'writeFile', 'writeFileSync', 'appendFile', 'appendFileSync'],
  toFile,
)
watch(fs, ['open', 'openSync', 'createWriteStream'], forWriting)
watch(fs.promises, ['open'], forWriting)
watch(fs.promises, ['writeFile', 'appendFile'], made)
watch(fs, ['mkdtempSync', 'mkdirSync', 'copyFileSync', 'renameSync'], made)
syncBuiltinESMExports()

process.on('SIGUSR2', () => writeSync(3, `${JSON.stringify({ keys, writes })}\n`))
