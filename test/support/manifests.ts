// A manifest without a fault, as an object, and changes to it by dotted path.

import { requiredVariables } from '../../src/config/variables.ts'
import { type Finding, lint } from '../../src/manifest/lint.ts'
import { Manifest } from '../../src/manifest/manifest.ts'
import type { Rule } from '../../src/manifest/rule.ts'
import type { Table } from '../../src/manifest/toml.ts'

const sha256 = 'ab'.repeat(32)

export const cleanManifest: Table = {
  libos: { entrypoint: '/usr/bin/node' },
  loader: {
    entrypoint: { uri: 'file:/gramine/libsysdb.so', sha256 },
    log_level: 'error',
    argv: [
      'node',
      '--max-old-space-size=256',
      '--disable-proto=delete',
      '--disallow-code-generation-from-strings',
      '--disable-sigusr1',
      '--no-addons',
      '--no-experimental-require-module',
      '/app/enclave.js',
      '--policy',
      '/app/policy.json',
    ],
    env: {
      NODE_ENV: 'production',
      TZ: { value: 'UTC' },
      ...Object.fromEntries(requiredVariables.map(name => [name, { passthrough: true }])),
    },
    uid: 65532,
    gid: 65532,
  },
  fs: {
    root: { type: 'tmpfs', uri: 'unused' },
    start_dir: '/app',
    mounts: [
      { path: '/lib', uri: 'file:/gramine/lib' },
      { path: '/usr/bin/node', uri: 'file:/usr/bin/node' },
      { path: '/app', uri: 'file:/app' },
      { path: '/var/run/secrets/tokens', uri: 'file:/var/run/secrets/tokens' },
      { type: 'tmpfs', path: '/tmp' },
    ],
  },
  sys: {
    enable_sigterm_injection: true,
    disallow_subprocesses: true,
    stack: { size: '2M' },
    fds: { limit: 32768 },
  },
  sgx: {
    debug: false,
    edmm_enable: true,
    use_exinfo: true,
    remote_attestation: 'dcap',
    isvprodid: 1,
    trusted_files: ['/gramine/lib/libc.so.6', '/usr/bin/node', '/app/enclave.js', '/app/policy.json'].map(path => ({
      uri: `file:${path}`,
      sha256,
    })),
    allowed_files: ['file:/var/run/secrets/tokens/'],
  },
}

/** By dotted path; undefined takes away. */
export type Changes = Readonly<Record<string, unknown>>

export function changed(changes: Changes, manifest: Table = cleanManifest): Table {
  const copy = structuredClone(manifest) as Record<string, unknown>
  for (const [path, value] of Object.entries(changes)) {
    const keys = path.split('.')
    const last = keys.pop() ?? ''
    let table = copy
    for (const key of keys) {
      table[key] ??= {}
      table = table[key] as Record<string, unknown>
    }
    if (value === undefined) delete table[last]
    else table[last] = value
  }
  return copy
}

/** The array at a dotted path of the clean manifest, with more behind it. */
export function plus(path: string, ...more: readonly unknown[]): unknown[] {
  return [...new Manifest(cleanManifest).tables(path), ...more]
}

/** All findings about the clean manifest with these changes. */
export function findings(changes: Changes): readonly Finding[] {
  return lint(new Manifest(changed(changes)))
}

/** What one rule finds there. */
export function found(rules: readonly Rule[], id: string, changes: Changes): readonly string[] {
  const rule = rules.find(each => each.id === id)
  if (!rule) throw new Error(`no rule ${id}`)
  return rule.find(new Manifest(changed(changes)))
}

/** One planted failure of a rule: what is changed, and what the rule has to say. */
export type Planted = readonly [id: string, changes: Changes, messages: readonly (string | RegExp)[]]
