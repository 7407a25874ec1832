// `npm run manifest -- --policy FILE`: writes what an operator's own enclave is made from into a folder: the policy, the
// program, the manifest, and the commands that measure and sign it where Gramine is.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describe, Fault } from '../src/base/errors.ts'
import { products, type Role, renderManifest } from './render.ts'

const usage = `usage: npm run manifest -- --policy FILE [--out DIR] [--no-edmm] [--svn N] [--role NAME] [--bundle FILE]

  --policy FILE  whom the enclave trusts (the options of the attesting CA); becomes /app/policy.json in it
  --out DIR      where the files go (default dist/enclave)
  --no-edmm      for SGX1, or Linux before 6.0: 2 GiB, all of it added at the start (default: --edmm)
  --svn N        security version, from 0 to 65535 (default 1)
  --role NAME    proxy (the default) or provision, the attesting CA
  --bundle FILE  the program, /app/enclave.js in it (default dist/enclave.js or dist/enclave-provision.js, by role)
`

const bundles: Readonly<Record<Role, string>> = {
  proxy: 'dist/enclave.js',
  provision: 'dist/enclave-provision.js',
}

const here = new URL('.', import.meta.url)
const text = (name: string): string => readFileSync(new URL(name, here), 'utf8')

/** What measures and signs, in the image that runs: the hashes of its libraries and of Gramine itself go in. */
const commands = `#!/bin/sh
# Measures and signs the enclave: sh sign.sh KEY.pem, an RSA-3072 key with exponent 3 (openssl genrsa -3 3072).
# Run it where Gramine and the files of the manifest are, in a stage that is not published: the key stays there.
set -eu
cd "$(dirname "$0")"
gramine-manifest postern.manifest.toml postern.manifest
# Without a date the same files and the same key give the same bytes again.
gramine-sgx-sign --manifest postern.manifest --output postern.manifest.sgx --sigfile postern.sig \\
  --date 0000-00-00 --key "$1"
`

/** @returns the lines to print. @throws Fault 'usage', and those of renderManifest */
export function writeEnclave(argv: readonly string[]): string {
  const { values } = parsed(argv)
  if (values.help) return usage
  const policyFile = values.policy
  if (policyFile === undefined) throw wrong('--policy FILE is missing')
  const svn = Number(values.svn)
  if (!/^[0-9]{1,5}$/.test(values.svn) || svn > 0xffff)
    throw wrong(`--svn ${values.svn}: want a number from 0 to 65535`)
  if (!Object.hasOwn(products, values.role))
    throw wrong(`--role ${values.role}: want ${Object.keys(products).join(', ')}`)
  const policy = read(policyFile, 'want a policy as a file')
  const bundle = read(values.bundle ?? bundles[values.role as Role], 'npm run build makes dist/enclave.js')
  const manifest = renderManifest({
    template: text('postern.manifest.template'),
    profile: text(values.edmm ? 'profile-edmm.toml' : 'profile-no-edmm.toml'),
    role: values.role as Role,
    svn,
    nodeFlags: JSON.parse(text('../build/node-flags.json')),
    policy,
    policyFile,
    bundle,
  })
  // The program lies beside the manifest that has its hash, so that nobody lays out another role's.
  const files = {
    'postern.manifest.toml': manifest,
    'policy.json': policy,
    'enclave.js': bundle,
    'sign.sh': commands,
  }
  mkdirSync(values.out, { recursive: true })
  return Object.entries(files)
    .map(([name, bytes]) => {
      writeFileSync(join(values.out, name), bytes)
      return `${join(values.out, name)}\n`
    })
    .join('')
}

function parsed(argv: readonly string[]) {
  try {
    return parseArgs({
      args: [...argv],
      allowNegative: true,
      options: {
        policy: { type: 'string' },
        out: { type: 'string', default: 'dist/enclave' },
        edmm: { type: 'boolean', default: true },
        svn: { type: 'string', default: '1' },
        role: { type: 'string', default: 'proxy' },
        bundle: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
  } catch (error) {
    throw wrong(error instanceof Error ? error.message : String(error))
  }
}

function read(file: string, cure: string): Uint8Array {
  try {
    return readFileSync(file)
  } catch (error) {
    throw wrong(`${file}: ${describe(error)}; ${cure}`)
  }
}

function wrong(what: string): Fault {
  return new Fault('usage', `manifest: ${what}\n\n${usage}`)
}

if (import.meta.main) {
  try {
    process.stdout.write(writeEnclave(process.argv.slice(2)))
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    process.stderr.write(`${error.message.trimEnd()}\n`)
    process.exitCode = error.code === 'usage' ? 64 : 1
  }
}
