// What may not be in the enclave's one file: what Gramine cannot do, what would let other code in, what trusts nobody's
// hardware. Rules about text are crude on purpose: a word that is only in a string is better said otherwise.
//
// Gramine: no WebAssembly (its memory reserves more than an enclave has), no child processes, no inotify, no getrusage,
// no netlink, no IP_TOS, no sockets in the host's file system.

import type { Bundle } from './budget.ts'

export interface BundleRule {
  readonly name: string
  /** What breaks it, as it stands there. */
  readonly find: (bundle: Bundle) => readonly string[]
}

/** Of everything that is installed, only these; a new one is a decision. */
const packages = new Set([
  'prom-client',
  '@peculiar/x509',
  'pkijs',
  // What the last two need.
  '@noble/hashes',
  '@peculiar/asn1-cms',
  '@peculiar/asn1-csr',
  '@peculiar/asn1-asym-key',
  '@peculiar/asn1-ecc',
  '@peculiar/asn1-pfx',
  '@peculiar/asn1-pkcs8',
  '@peculiar/asn1-pkcs9',
  '@peculiar/asn1-rsa',
  '@peculiar/asn1-schema',
  '@peculiar/asn1-x509',
  '@peculiar/asn1-x509-attr',
  '@peculiar/asn1-x509-post-quantum',
  '@peculiar/utils',
  'asn1js',
  'bytestreamjs',
  'pvtsutils',
  'pvutils',
  'reflect-metadata',
  'tslib',
  'tsyringe',
])

const builtins = new Set(
  ['crypto', 'fs', 'fs/promises', 'http', 'http2', 'https', 'net', 'path', 'perf_hooks', 'tls', 'util', 'zlib'].flatMap(
    name => [name, `node:${name}`],
  ),
)

/** Rooms and files of ours that stay outside. */
const outside = /^src\/(?:demo|cli|inject|engine\/undici|main\.ts|config\/policies\.ts)/

const words: readonly (readonly [name: string, word: RegExp])[] = [
  ['no WebAssembly', /\bWebAssembly\b/g],
  ['no undici', /undici|\bfetch\(/g],
  ['no other process', /child_process|\bcluster\.(?:fork|isPrimary|isMaster|on)\b|\bnew Worker\(/g],
  ['files are polled, not watched', /\bfs[\w.]*\.watch\b|\bwatch\(["'`]|\{[^{}]*\bwatch\b[^{}]*\}=?\s*require\(/g],
  ['no getrusage', /\b(?:cpuUsage|threadCpuUsage|resourceUsage)\b/g],
  ['no netlink, no accounts', /\b(?:networkInterfaces|userInfo)\b/g],
  [
    'no memory for others to read',
    /\bprocess\.report\b|\bwriteHeapSnapshot\b|\bgetHeapSnapshot\b|['"]keylog['"]|\benableTrace\b/g,
  ],
  ['no type of service', /\bsetTypeOfService\b/g],
  ['no sockets in a file system', /\bsocketPath\b|\b(?:connect|listen|createConnection)\(\{\s*path\b/g],
  ['no code from strings', /\beval\b(?=\s*\)?\s*\()|\bFunction\(|\bvm\.(?:Script|run\w+)\b/g],
  // A method may be called `import`.
  [
    'no code from files',
    /(?<!\.)\bimport\((?!\w+,\w+\)\{)|\bcreateRequire\b|\bdlopen\b|\bprocess\.binding\b|\bimport\.meta\b/g,
  ],
  ['nothing synthetic', /SYNTHETIC SGX|MIIBizCCATGgAwIBAgIBATAKBggqhkjOPQQDAjA7MSowKAYDVQQDEyFTWU5USEVU/g],
  ['no policy but the file', /"name": ?"(?:demo|compatible|confidential)"/g],
  ['no place of this machine', /file:\/\/\/|(?:^|["'`\s(=])\/(?:home|root|Users|tmp|build|work)\//gm],
]

export const rules: readonly BundleRule[] = [
  {
    name: 'packages that were decided on',
    find: ({ inputs }) =>
      inputs
        .map(({ path }) => /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1])
        .filter(name => name !== undefined)
        .filter((name, i, all) => !packages.has(name) && all.indexOf(name) === i),
  },
  {
    name: 'rooms that belong in an enclave',
    find: ({ inputs }) => inputs.map(({ path }) => path).filter(path => outside.test(path) || path.startsWith('..')),
  },
  {
    name: "Node's modules that work under Gramine",
    find: ({ text }) =>
      [...text.matchAll(/\b(?:require|getBuiltinModule)\(([^)]*)\)/g)]
        .map(([, name = '']) => name.replaceAll(/^["'`]|["'`]$/g, ''))
        .filter(name => !builtins.has(name)),
  },
  ...words.map(([name, word]): BundleRule => ({ name, find: ({ text }) => text.match(word) ?? [] })),
]

/** Every rule that the bundle breaks, in sentences. */
export function broken(bundle: Bundle): string[] {
  return rules.flatMap(({ name, find }) => {
    const found = find(bundle)
    return found.length === 0 ? [] : [`${name}: ${found.slice(0, 5).join(', ')}`]
  })
}
