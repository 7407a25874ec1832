// Keys by name: insecure ones that no other rule speaks about, and such as Gramine 1.9 does not know. Source: the schema
// that gramine-manifest checks by, python/graminelibos/manifest_check.py of v1.9.

import type { Manifest } from '../manifest.ts'
import { type Rule, told } from '../rule.ts'
import { isTable } from '../toml.ts'

/** Dotted; `*` stands for any name, and below a listed key anything may stand. */
const known = [
  'fs.mounts',
  'fs.root',
  'fs.start_dir',
  'fs.insecure__keys.*',
  'libos.entrypoint',
  'libos.check_invalid_pointers',
  'loader.entrypoint.uri',
  'loader.entrypoint.sha256',
  ...['argv', 'argv_src_file', 'env', 'env_src_file', 'gid', 'uid', 'log_file', 'log_level'].map(
    key => `loader.${key}`,
  ),
  ...['use_cmdline_argv', 'use_host_env', 'disable_aslr'].map(key => `loader.insecure__${key}`),
  ...['allowed_files', 'cpu_features', 'debug', 'edmm_enable', 'enable_stats', 'enclave_size'].map(key => `sgx.${key}`),
  ...['file_check_policy', 'isvprodid', 'isvsvn', 'max_threads', 'preheat_enclave', 'profile'].map(key => `sgx.${key}`),
  ...['remote_attestation', 'seal_key', 'trusted_files', 'use_exinfo', 'vtune_profile'].map(key => `sgx.${key}`),
  'sgx.insecure__allow_memfaults_without_exinfo',
  'sgx.insecure__rpc_thread_num',
  ...['allowed_ioctls', 'brk.max_size', 'disallow_subprocesses', 'enable_sigterm_injection'].map(key => `sys.${key}`),
  ...['enable_extra_runtime_domain_names_conf', 'experimental__enable_flock', 'ioctl_structs'].map(key => `sys.${key}`),
  ...['debug__mock_syscalls', 'stack.size', 'fds.limit', 'insecure__allow_eventfd'].map(key => `sys.${key}`),
].map(key => key.split('.'))

/** Insecure keys that have a rule of their own. */
const ruled = new Set([
  'loader.insecure__use_cmdline_argv',
  'loader.insecure__use_host_env',
  'loader.insecure__disable_aslr',
  'sgx.insecure__rpc_thread_num',
  'sys.insecure__allow_eventfd',
])

const fits = (path: readonly string[], key: readonly string[]): boolean =>
  key.every((name, i) => i >= path.length || name === '*' || name === path[i])

/** Dotted paths of all keys, down to what is listed as known. */
function paths(manifest: Manifest, above: readonly string[] = []): string[][] {
  const path = above.join('.')
  return manifest.keys(path).flatMap(name => {
    const here = [...above, name]
    const deeper =
      isTable(manifest.get(here.join('.'))) && known.some(key => key.length > here.length && fits(here, key))
    return deeper ? paths(manifest, here) : [here]
  })
}

const harmless = (value: unknown): boolean =>
  value === false || value === 0 || value === '' || (isTable(value) && Object.keys(value).length === 0)

export const keyRules: readonly Rule[] = [
  {
    id: 'insecure-key',
    severity: 'error',
    cure: 'take it out; Gramine marks by this word what breaks its own promises',
    find: m =>
      paths(m)
        .map(path => path.join('.'))
        .filter(path => path.includes('insecure__') && !ruled.has(path) && !harmless(m.get(path)))
        .map(path => `${path} is set`),
  },
  {
    id: 'key-unknown',
    severity: 'error',
    cure: 'take it out; it is misspelt, or of another version of Gramine (this knows 1.9)',
    find: m =>
      paths(m)
        .filter(path => !known.some(key => fits(path, key)))
        .map(path => `${path.join('.')} = ${told(m.get(path.join('.')))} is no key of a manifest`),
  },
]
