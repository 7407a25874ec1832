// An operator's own manifest: the template filled with what is known before there is an image. Pure.
//
// The result passes through gramine-manifest, whose template language has the same braces: nothing that comes from the
// policy may bring any.

import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { posix } from 'node:path'
import { Fault } from '../src/base/errors.ts'
import type { CollateralRules } from '../src/collateral/open.ts'
import { policyDigest, readPolicy } from '../src/config/policy.ts'
import { type KeyPlace, readProvisionOptions } from '../src/config/provision.ts'
import { variables } from '../src/config/variables.ts'
import { lint } from '../src/manifest/lint.ts'
import { Manifest } from '../src/manifest/manifest.ts'
import { kubernetesMounts } from '../src/manifest/rules/files.ts'
import { readToml } from '../src/manifest/toml.ts'

/** By role, so that who accepts by signer cannot take one for the other. */
export const products = { proxy: 1, provision: 2 } as const
export type Role = keyof typeof products

export interface RenderInput {
  readonly template: string
  /** The lines about memory and threads. */
  readonly profile: string
  readonly role: Role
  /** Security version, 0 to 65535. */
  readonly svn: number
  /** Options of Node, in their order. */
  readonly nodeFlags: readonly string[]
  /** The policy of a proxy, the options of the attesting CA. */
  readonly policy: Uint8Array
  /** Its path, for messages. */
  readonly policyFile: string
  readonly bundle: Uint8Array
}

/** Where the image has Gramine's C library and the compiler's libraries. */
const libraries = '/usr/lib/x86_64-linux-gnu'
const runtime = `${libraries}/gramine/runtime/glibc`

/**
 * The manifest to give to gramine-manifest.
 * @throws Fault 'policy-invalid' for a policy that no enclave should have, or that asks for files which the host must not write
 */
export function renderManifest(input: RenderInput): string {
  const policy = measured(input)
  if (policy.dangerSyntheticRoot) {
    throw new Fault('policy-invalid', `policy ${input.policyFile}: dangerSyntheticRoot: not in an enclave; take it out`)
  }
  const { sources } = policy.collateral
  const collateral = sources.flatMap(source => (source.kind === 'directory' ? [folderOf(source.at)] : []))
  const folders = [...new Set([...kubernetesMounts.map(withoutSlash), ...collateral])]
  const digest = Buffer.from(policyDigest(input.policy)).toString('hex')
  const text = fill(input.template, {
    banner: `# The enclave of policy "${policy.name}", digest ${digest}. Made by npm run manifest.`,
    argv: [...argvOf(input, policy.key)].map(word => `  ${quoted(word)},`).join('\n'),
    environment: [...(input.role === 'proxy' ? variables : [])]
      .sort()
      .map(name => `loader.env.${name} = { passthrough = true }`)
      .join('\n'),
    runtime,
    libraries,
    hostMounts: [
      ...folders.map(path => `  { path = ${quoted(path)}, uri = ${quoted(`file:${path}`)} },`),
      ...sealedMount(policy.key),
    ].join('\n'),
    hostNames: String(
      policy.looksUp ||
        sources.some(source => source.kind !== 'stapled' && source.kind !== 'directory' && !isAddress(source.at)),
    ),
    allowed: folders.map(path => `  ${quoted(`file:${path}/`)},`).join('\n'),
    bundleHash: sha256(input.bundle),
    policyHash: sha256(input.policy),
    product: String(products[input.role]),
    svn: String(input.svn),
    profile: input.profile.trim(),
  })
  const errors = lint(new Manifest(readToml(Buffer.from(text)))).filter(({ severity }) => severity === 'error')
  if (errors.length > 0) {
    const told = errors.map(({ id, message, cure }) => `${id}: ${message}; ${cure}`).join('\n')
    throw new Fault('policy-invalid', `policy ${input.policyFile}: its enclave would not be sound:\n${told}`)
  }
  return text
}

interface Measured {
  readonly name: string
  readonly collateral: CollateralRules
  readonly dangerSyntheticRoot: Uint8Array | undefined
  /** Where the attesting CA keeps its key; undefined: nowhere. */
  readonly key?: KeyPlace | undefined
  /** True where it names a host that somebody has to look up, besides sources of collateral. */
  readonly looksUp: boolean
}

/** What is measured beside the program, whatever the role calls it. */
function measured({ role, policy: bytes, policyFile }: RenderInput): Measured {
  if (role === 'provision') return { ...readProvisionOptions(bytes, policyFile), looksUp: false }
  const policy = readPolicy(bytes, policyFile, { kind: 'later' })
  const { issuer } = policy.identity
  return { ...policy, looksUp: issuer !== undefined && isIP(issuer.host) === 0 }
}

/** The measured command line. */
function argvOf({ nodeFlags, role }: RenderInput, key: KeyPlace | undefined): readonly string[] {
  const file = role === 'provision' ? '--options' : '--policy'
  const sealed = key ? ['--sealed', `${key.sealedTo}:${key.folder}`] : []
  return ['node', ...nodeFlags, '/app/enclave.js', file, '/app/policy.json', ...sealed]
}

/** Below it the host sees ciphertext, under a key of this machine's processor for this enclave or its signer. */
function sealedMount(key: KeyPlace | undefined): readonly string[] {
  if (key === undefined) return []
  const [path, uri, name] = [key.folder, `file:${key.folder}`, `_sgx_${key.sealedTo}`].map(quoted)
  return [`  { type = "encrypted", path = ${path}, uri = ${uri}, key_name = ${name} },`]
}

/** A folder that the policy names, absolute. It stands in TOML and passes a template language, so few letters may be in it. */
function folderOf(path: string): string {
  const absolute = posix.resolve('/app', path)
  if (/^[A-Za-z0-9._/-]+$/.test(absolute)) return absolute
  throw new Fault(
    'policy-invalid',
    `/collateral/sources: ${quoted(path)}: an enclave wants a path of letters, digits, ".", "_" and "-"`,
  )
}

/** True where a URL names no host that somebody would have to look up. */
function isAddress(url: string): boolean {
  return isIP(new URL(url).hostname.replace(/^\[|\]$/g, '')) > 0
}

/** Replaces each `{{ name }}`. @throws Error for one without a value, and for a value without a place */
function fill(template: string, values: Readonly<Record<string, string>>): string {
  const used = new Set<string>()
  const text = template.replace(/\{\{ (\w+) \}\}/g, (_, name: string) => {
    const value = values[name]
    if (value === undefined) throw new Error(`template: nothing is known about {{ ${name} }}`)
    used.add(name)
    return value
  })
  const idle = Object.keys(values).filter(name => !used.has(name))
  if (idle.length > 0) throw new Error(`template: no place for ${idle.join(', ')}`)
  return text
}

const quoted = (text: string): string => JSON.stringify(text)
const withoutSlash = (path: string): string => path.replace(/\/$/, '')
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
