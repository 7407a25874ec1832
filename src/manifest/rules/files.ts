// Which bytes get in: the root, mounts, trusted files (hashed, measured) and allowed files (whatever the host gives).

import { shipped } from '../../config/policies.ts'
import { type Manifest, within } from '../manifest.ts'
import { type Rule, told, when } from '../rule.ts'
import { flagOf, policyOf, scriptOf } from './loader.ts'

/** What Kubernetes and Knative mount into the pod, and postern reads as the host's word. */
export const kubernetesMounts = [
  '/etc/podinfo/',
  '/etc/postern/',
  '/var/lib/knative/certs/',
  '/var/run/secrets/tokens/',
  '/var/run/secrets/kubernetes.io/serviceaccount/',
] as const

const codeFolders = ['/app', '/bin', '/lib', '/lib64', '/opt', '/sbin', '/usr']
const codeFile = /\.(?:[cm]?js|node|wasm|sh|so(?:\.[0-9.]+)?)$/
const trustFile =
  /^\/etc\/(?:ssl|pki|ca-certificates)(?:\/|$)|^\/etc\/$|^\/usr\/(?:local\/)?share\/ca-certificates(?:\/|$)|\.(?:pem|crt|cer)$/
const nameFile = /^\/etc\/(?:resolv\.conf|hosts|nsswitch\.conf|host\.conf|gai\.conf|passwd|group)$/
/** Folders of a distribution or of the host, rather than of this program. */
const wholesale = new Set([
  '/',
  '.',
  './',
  '/etc',
  '/usr',
  '/usr/lib',
  '/usr/lib/x86_64-linux-gnu',
  '/lib',
  '/lib/x86_64-linux-gnu',
  '/lib64',
  '/home',
  '/root',
  '/var',
  '/run',
  '/var/run',
  '/proc',
  '/sys',
  '/dev',
  '/opt',
  '/tmp',
])
/** What Gramine makes itself, inside. */
const pseudoFolders = ['/dev', '/proc', '/sys']
const bare = (path: string): string => (path.length > 1 && path.endsWith('/') ? path.slice(0, -1) : path)

/** Files inside the enclave whose bytes decide what it does. */
function programFiles(manifest: Manifest): readonly (readonly [what: string, path: string])[] {
  const policy = policyOf(manifest)
  const script = scriptOf(manifest)
  return [
    ['libos.entrypoint', manifest.text('libos.entrypoint')] as const,
    ...(script === undefined ? [] : [['the script', script] as const]),
    // A shipped policy is part of the script.
    ...(policy === undefined || Object.hasOwn(shipped, policy) ? [] : [['the policy', policy] as const]),
  ].filter(([, path]) => path !== '')
}

/** True where the host may give any bytes for `host`: allowed as it is, or by a folder above it. */
const covers = (allowed: string, host: string): boolean =>
  allowed === host || (allowed.endsWith('/') && within(host, allowed))

function isCode(manifest: Manifest, allowed: string): boolean {
  const program = programFiles(manifest).map(([, path]) => manifest.hostPath(path) ?? path)
  const measured = manifest.trusted.map(file => file.host)
  return (
    codeFile.test(allowed) ||
    codeFolders.some(folder => within(bare(allowed), folder)) ||
    [...program, ...measured].some(path => covers(allowed, path))
  )
}

const isExpected = (allowed: string): boolean => kubernetesMounts.some(mount => within(bare(allowed), bare(mount)))

export const fileRules: readonly Rule[] = [
  {
    id: 'entrypoint-missing',
    severity: 'error',
    cure: 'libos.entrypoint = "/usr/bin/node"',
    find: m => when(m.text('libos.entrypoint') === '', 'libos.entrypoint is not set'),
  },
  {
    id: 'program-unmeasured',
    severity: 'error',
    cure: 'mount it from the host and list it in sgx.trusted_files',
    find: m =>
      programFiles(m)
        .filter(([, path]) => !m.isTrusted(path))
        .map(([what, path]) => `${what}, ${path}, is no trusted file`),
  },
  {
    id: 'policy-unmeasured',
    severity: 'error',
    cure: 'put "--policy", "/app/policy.json" into loader.argv: whom to trust has to be part of MRENCLAVE',
    find: m => when(scriptOf(m) !== undefined && policyOf(m) === undefined, 'loader.argv names no policy'),
  },
  {
    id: 'allowed-code',
    severity: 'error',
    cure: 'move it to sgx.trusted_files: the host can give any bytes for an allowed file',
    find: m => m.allowed.filter(path => isCode(m, path)).map(path => `${path} is allowed, and code or above code`),
  },
  {
    id: 'allowed-trust',
    severity: 'error',
    cure: 'name CAs in the policy; a bundle that the host writes lets the host choose whom to trust',
    find: m =>
      m.allowed
        .filter(path => trustFile.test(path) && !isExpected(path) && !isCode(m, path))
        .map(path => `${path} is allowed, and holds trust anchors`),
  },
  {
    id: 'allowed-names',
    severity: 'warning',
    cure: 'mount an /etc of your own as trusted files; the container is on 127.0.0.1 and needs no DNS',
    find: m => m.allowed.filter(path => nameFile.test(path)).map(path => `the host writes ${path}`),
  },
  {
    id: 'allowed-other',
    severity: 'warning',
    cure: `allow what Kubernetes mounts (${kubernetesMounts.join(' ')}), and beyond it only what is verified by its reader, as Intel's collateral is`,
    find: m =>
      m.allowed
        .filter(path => !isExpected(path) && !isCode(m, path) && !trustFile.test(path) && !nameFile.test(path))
        .map(path => `the host writes ${path}`),
  },
  {
    id: 'file-policy',
    severity: 'error',
    cure: 'take it out; the default is "strict"',
    find: m => {
      const policy = m.get('sgx.file_check_policy') ?? 'strict'
      return when(policy !== 'strict', `sgx.file_check_policy is ${told(policy)}: unlisted files of the host are read`)
    },
  },
  {
    id: 'trusted-missing',
    severity: 'error',
    cure: 'list each file that the program reads',
    find: m => when(m.trusted.length === 0, 'sgx.trusted_files is empty or in a syntax that Gramine has given up'),
  },
  {
    id: 'trusted-hash',
    severity: 'error',
    cure: 'leave the hash to gramine-manifest, or write 64 hex digits',
    find: m =>
      m.trusted
        .filter(({ sha256 }) => sha256 !== undefined && !/^[0-9a-fA-F]{64}$/.test(sha256))
        .map(({ host }) => `the hash of ${host} is not a SHA-256`),
  },
  {
    id: 'trusted-unhashed',
    severity: 'note',
    cure: 'gramine-manifest writes the hashes; sign what comes out of it',
    find: m => {
      const bare = m.trusted.filter(({ sha256 }) => sha256 === undefined).length
      return when(bare > 0, `${bare} of ${m.trusted.length} trusted files have no hash yet`)
    },
  },
  {
    id: 'trusted-wholesale',
    severity: 'warning',
    cure: 'list single files: each one lengthens the measured manifest, and changes it with every update of the image',
    find: m =>
      m.trusted
        .filter(({ host }) => wholesale.has(bare(host)))
        .map(({ host }) => `everything below ${host} is trusted`),
  },
  {
    id: 'root-on-host',
    severity: 'error',
    cure: 'fs.root = { type = "tmpfs", uri = "unused" }',
    find: m => {
      const type = m.mounts[0]?.type
      return when(
        type !== 'tmpfs',
        `fs.root is ${told(type)}; without one it is the folder in which the host starts Gramine`,
      )
    },
  },
  {
    id: 'mount-wholesale',
    severity: 'warning',
    cure: 'mount what is used: single files, or folders of your own',
    find: m =>
      m.mounts
        .slice(1)
        .filter(({ type, host }) => type === 'chroot' && wholesale.has(bare(host)))
        .map(({ host, path }) => `${host} of the host is mounted at ${path}`),
  },
  {
    id: 'mount-pseudo',
    severity: 'error',
    cure: 'take it out: Gramine makes these itself, and quotes, keys and randomness come from there',
    find: m =>
      m.mounts
        .slice(1)
        .filter(({ path }) => pseudoFolders.some(folder => within(path, folder)))
        .map(({ path, host }) => `${host} hides Gramine's own ${path}`),
  },
  {
    id: 'mount-shared',
    severity: 'error',
    cure: 'take it out: it is memory that the host reads and writes',
    find: m => m.mounts.filter(({ type }) => type === 'untrusted_shm').map(({ path }) => `${path} is untrusted_shm`),
  },
  {
    id: 'sealed-plain',
    severity: 'error',
    cure: '{ type = "encrypted", path = FOLDER, uri = "file:FOLDER", key_name = "_sgx_mrenclave" }, or "_sgx_mrsigner", as --sealed says',
    find: m => {
      const said = flagOf(m, '--sealed')
      if (said === undefined) return []
      const [, to = '', folder = ''] = /^(mrenclave|mrsigner):(\/.+)$/.exec(said) ?? []
      if (folder === '') return [`--sealed ${said}: want mrenclave:FOLDER or mrsigner:FOLDER`]
      const { type, keyName } = m.mountOf(`${folder}/ca.key`)
      const sound = type === 'encrypted' && keyName === `_sgx_${to}`
      return when(
        !sound,
        `--sealed ${said}, and the mount there is ${type}${type === 'encrypted' ? ` by ${keyName}` : ''}`,
      )
    },
  },
  {
    id: 'tmp-missing',
    severity: 'warning',
    cure: '{ type = "tmpfs", path = "/tmp" }, which is memory of the enclave',
    find: m => {
      const mount = m.mounts.filter(({ path }) => within('/tmp', path)).at(-1)
      return when(
        mount?.type !== 'tmpfs' && mount?.type !== 'encrypted',
        `/tmp is ${told(mount?.type)}, so it is the host's`,
      )
    },
  },
]
