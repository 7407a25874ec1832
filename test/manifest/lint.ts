import t from 'tap'
import { lint, rules } from '../../src/manifest/lint.ts'
import { Manifest } from '../../src/manifest/manifest.ts'
import { readToml } from '../../src/manifest/toml.ts'
import { findings } from '../support/manifests.ts'

t.test('nothing is found in a clean manifest, and no id stands twice', async t => {
  t.same(findings({}), [])
  t.equal(new Set(rules.map(({ id }) => id)).size, rules.length)
})

t.test('the worst comes first, with its cure', async t => {
  const all = findings({
    'sgx.debug': true,
    'loader.uid': 0,
    'sgx.trusted_files': ['file:/app/', 'file:/usr/bin/node'],
  })
  t.same(
    all.map(({ id, severity }) => [severity, id]),
    [
      ['error', 'debug-enclave'],
      ['warning', 'root-user'],
      ['note', 'trusted-unhashed'],
    ],
  )
  t.match(all[0], { message: /^sgx\.debug/, cure: /^sgx\.debug = false/ })
})

t.test('an empty manifest fails, and no rule falls over it', async t => {
  const ids = lint(new Manifest({})).filter(({ severity }) => severity === 'error')
  t.ok(ids.length >= 9, ids.map(({ id }) => id).join())
})

// A queue-proxy that was put into an enclave before this one: the settings that it was started with, written anew.
// Source: dennisfInf/serving on GitHub, 2023.
const earlier = `
loader.entrypoint = "file:/gramine/libsysdb.so"
libos.entrypoint = "/ko-app/queue"
loader.log_level = "debug"
loader.insecure__use_cmdline_argv = true
loader.insecure__use_host_env = true
fs.mounts = [
  { path = "/lib", uri = "file:/gramine/lib" },
  { path = "/etc", uri = "file:/etc" },
  { path = "/ko-app", uri = "file:/ko-app" },
]
sys.insecure__allow_eventfd = true
sgx.debug = true
sgx.enclave_size = "1G"
sgx.thread_num = 32
sgx.rpc_thread_num = 20
sgx.file_check_policy = "allow_all_but_log"
sgx.trusted_files = [ "file:/gramine/lib/", "file:/usr/lib/" ]
sgx.allowed_files = [
  "file:/ko-app/queue",
  "file:/etc/resolv.conf",
  "file:/etc/ssl/certs/",
  "file:/var/run/secrets/kubernetes.io/serviceaccount/",
]
`

t.test('every weakness of the earlier enclave is found', async t => {
  const found = new Set(lint(new Manifest(readToml(Buffer.from(earlier)))).map(({ id }) => id))
  const expected = [
    'argv-from-host',
    'env-from-host',
    'allowed-code',
    'allowed-trust',
    'allowed-names',
    'debug-enclave',
    'exitless',
    'sigterm',
    'stack-small',
    'attestation-missing',
    'eventfd-host',
    'file-policy',
    'fd-limit',
    'root-on-host',
    'tmp-missing',
    'log-level',
    'program-unmeasured',
    'enclave-size',
    'threads',
    'key-unknown',
    'trusted-wholesale',
    'mount-wholesale',
    'subprocesses',
    'root-user',
    'product-unset',
  ]
  t.same(
    expected.filter(id => !found.has(id)),
    [],
  )
})
