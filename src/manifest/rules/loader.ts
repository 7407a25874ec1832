// How the enclave is entered: arguments, environment, what it prints. Arguments and environment decide what Node does
// before our first line runs, so whatever the host can put there is code of the host.

import { requiredVariables, variables } from '../../config/variables.ts'
import { type Manifest, pathOf } from '../manifest.ts'
import { type Rule, told, when } from '../rule.ts'
import { isTable } from '../toml.ts'

/** What steers Node, the C library, OpenSSL or Gramine's own RA-TLS library: a prefix, or a whole name. */
const steering =
  /^(?:NODE_|LD_|GLIBC_|MALLOC_|UV_|V8_|SSL|OPENSSL|RA_TLS_|SECRET_PROVISION_|ICU_|GCONV_PATH$|LOCPATH$|TZDIR$|RES_OPTIONS$|LOCALDOMAIN$|HOSTALIASES$|PATH$|HOME$|TMPDIR$)/

/** Options of Node that load code, open a door or write memory to files. `-` stands for itself; values follow `=`. */
const dangerousOptions =
  /^(?:-[rCepi]|-pe|--(?:require|import|loader|experimental-loader|eval|print|interactive|env-file(?:-if-exists)?|conditions|inspect.*|debug.*|openssl-.*|use-openssl-ca|use-system-ca|tls-keylog|tls-min-v1\.[012]|tls-max-v1\.2|insecure-http-parser|heapsnapshot-.*|heap-prof.*|cpu-prof.*|prof.*|report-.*|diagnostic-dir|redirect-warnings|snapshot-blob|expose-internals|allow-natives-syntax|secure-heap.*|security-revert|watch.*|test.*|run))(?:=.*)?$/

/** Measured flags that take something away from an attacker, or keep Node within an enclave's memory. */
export const hardeningOptions = [
  '--disable-proto=delete',
  '--disallow-code-generation-from-strings',
  '--disable-sigusr1',
  '--no-addons',
  '--no-experimental-require-module',
] as const

/** Options of Node: those before the file that it runs. */
function nodeOptions({ argv }: Manifest): readonly string[] {
  const rest = argv.slice(1)
  const file = rest.findIndex(word => !word.startsWith('-'))
  return file < 0 ? rest : rest.slice(0, file)
}

/** The file that Node runs; undefined where argv names none. */
export function scriptOf({ argv }: Manifest): string | undefined {
  return argv.slice(1).find(word => !word.startsWith('-'))
}

/** The policy that argv names, as `--policy X` or `--policy=X`; the attesting CA's is called its options. */
export function policyOf(manifest: Manifest): string | undefined {
  return flagOf(manifest, '--policy') ?? flagOf(manifest, '--options')
}

export function flagOf({ argv }: Manifest, flag: string): string | undefined {
  const at = argv.indexOf(flag)
  return at >= 0 ? argv[at + 1] : argv.find(word => word.startsWith(`${flag}=`))?.slice(flag.length + 1)
}

/** Names a file of the host, as a URI. */
const srcFile = (key: string) => (manifest: Manifest) => {
  const uri = manifest.text(key)
  return when(uri !== '' && !manifest.trusts(pathOf(uri)), `${key} is ${told(uri)}, which is no trusted file`)
}

export const loaderRules: readonly Rule[] = [
  {
    id: 'argv-from-host',
    severity: 'error',
    cure: 'write loader.argv; the policy and the options of Node are measured only there',
    find: m => when(m.get('loader.insecure__use_cmdline_argv') === true, 'the host writes the command line'),
  },
  {
    id: 'argv-missing',
    severity: 'error',
    cure: 'loader.argv = ["node", …, "/app/enclave.js", "--policy", "/app/policy.json"]',
    find: m => when(m.argv.length < 2 && m.text('loader.argv_src_file') === '', 'loader.argv names nothing to run'),
  },
  {
    id: 'argv-file',
    severity: 'error',
    cure: 'list the file in sgx.trusted_files, or write loader.argv',
    find: srcFile('loader.argv_src_file'),
  },
  {
    id: 'argv-dangerous',
    severity: 'error',
    cure: 'take it out; an enclave runs one measured file, without a debugger, and writes no memory to files',
    find: m =>
      nodeOptions(m)
        .filter(word => dangerousOptions.test(word))
        .map(word => `loader.argv has ${word}`),
  },
  {
    id: 'argv-hardening',
    severity: 'warning',
    cure: `put them before the script; they take away what an attacker would use`,
    find: m => {
      const missing = hardeningOptions.filter(option => !m.argv.includes(option))
      return when(m.argv.length > 1 && missing.length > 0, `loader.argv lacks ${missing.join(' ')}`)
    },
  },
  {
    id: 'heap-limit',
    severity: 'warning',
    cure: '--max-old-space-size=256: Node asks cgroups, finds none in an enclave, and guesses',
    find: m => {
      const set = m.argv.some(word => word.startsWith('--max-old-space-size='))
      return when(m.argv.length > 1 && !set, 'loader.argv sets no limit for the heap')
    },
  },
  {
    id: 'jitless',
    severity: 'warning',
    cure: 'take it out, and give the enclave the memory that it saves (sgx.enclave_size = "2G")',
    find: m => when(m.argv.includes('--jitless'), 'loader.argv has --jitless, which costs three times the CPU time'),
  },
  {
    id: 'env-from-host',
    severity: 'error',
    cure: 'one loader.env line for each variable: a constant, or { passthrough = true }',
    find: m =>
      when(m.get('loader.insecure__use_host_env') === true, 'the host writes the environment, NODE_OPTIONS too'),
  },
  {
    id: 'env-file',
    severity: 'error',
    cure: 'list the file in sgx.trusted_files, or write loader.env lines',
    find: srcFile('loader.env_src_file'),
  },
  {
    id: 'env-steering',
    severity: 'error',
    cure: 'give it a measured value, or none',
    find: m => m.passthrough.filter(name => steering.test(name)).map(name => `the host sets ${name}`),
  },
  {
    id: 'env-unread',
    severity: 'warning',
    cure: 'take it out: what nobody reads need not come in',
    find: m => {
      const known = new Set<string>(variables)
      const idle = m.passthrough.filter(name => !known.has(name) && !steering.test(name))
      return idle.map(name => `the host sets ${name}, which postern does not read`)
    },
  },
  {
    id: 'env-missing',
    severity: 'error',
    cure: 'NAME = { passthrough = true }; without them the proxy does not start',
    find: m => {
      if (m.get('loader.insecure__use_host_env') === true || m.text('loader.env_src_file') !== '') return []
      // The attesting CA reads none.
      if (flagOf(m, '--options') !== undefined) return []
      const missing = requiredVariables.filter(name => !m.passthrough.includes(name) && !m.constants.has(name))
      return when(missing.length > 0, `loader.env keeps out ${missing.join(', ')}`)
    },
  },
  {
    id: 'env-malformed',
    severity: 'error',
    cure: 'NAME = "value", NAME = { value = "value" } or NAME = { passthrough = true }',
    find: m => {
      const env = m.get('loader.env')
      const names = isTable(env) ? Object.keys(env) : []
      return names
        .filter(name => !m.constants.has(name) && !m.passthrough.includes(name))
        .map(name => `loader.env.${name} is neither a value nor passed through`)
    },
  },
  {
    id: 'log-level',
    severity: 'error',
    cure: 'loader.log_level = "error" or "none"',
    find: m => {
      const level = m.get('loader.log_level') ?? 'error'
      return when(
        level !== 'error' && level !== 'none',
        `loader.log_level ${told(level)} shows the host what happens inside`,
      )
    },
  },
  {
    id: 'log-file',
    severity: 'warning',
    cure: 'take it out; errors go to stderr',
    find: m =>
      when(m.text('loader.log_file') !== '', `Gramine writes its log to ${told(m.get('loader.log_file'))} of the host`),
  },
  {
    id: 'aslr-off',
    severity: 'error',
    cure: 'take it out',
    find: m => when(m.get('loader.insecure__disable_aslr') === true, 'addresses inside are the same at every start'),
  },
  {
    id: 'root-user',
    severity: 'warning',
    cure: 'loader.uid = 65532 and loader.gid = 65532',
    find: m => {
      const roots = ['loader.uid', 'loader.gid'].filter(key => (m.get(key) ?? 0) === 0)
      return when(roots.length > 0, `${roots.join(' and ')} is 0, also where it is not set`)
    },
  },
]
