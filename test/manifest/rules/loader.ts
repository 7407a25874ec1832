import t from 'tap'
import { Manifest } from '../../../src/manifest/manifest.ts'
import { loaderRules, policyOf, scriptOf } from '../../../src/manifest/rules/loader.ts'
import { testRules } from '../../support/manifest-rules.ts'
import { type Changes, changed } from '../../support/manifests.ts'

const argv = (...words: string[]): Changes => ({ 'loader.argv': ['node', ...words] })
const from = { passthrough: true }

testRules(loaderRules, [
  ['argv-from-host', { 'loader.insecure__use_cmdline_argv': true }, ['the host writes the command line']],
  ['argv-from-host', { 'loader.insecure__use_cmdline_argv': false }, []],
  ['argv-missing', { 'loader.argv': undefined }, ['loader.argv names nothing to run']],
  ['argv-missing', { 'loader.argv': undefined, 'loader.argv_src_file': 'file:/app/argv' }, []],
  [
    'argv-file',
    { 'loader.argv_src_file': 'file:/tmp/argv' },
    ['loader.argv_src_file is "file:/tmp/argv", which is no trusted file'],
  ],
  ['argv-file', { 'loader.argv_src_file': 'file:/app/policy.json' }, []],
  ...[
    '--inspect',
    '--inspect-brk=0.0.0.0:9229',
    '-r',
    '--require=/x.js',
    '--import=/x.js',
    '--env-file=/etc/env',
    '-e',
    '--eval=1',
    '--tls-keylog=/k',
    '--heapsnapshot-signal=SIGTERM',
    '--report-on-signal',
    '--openssl-config=/c',
    '--use-openssl-ca',
    '--insecure-http-parser',
    '--tls-min-v1.0',
    '--cpu-prof',
  ].map(option => ['argv-dangerous', argv(option, '/app/enclave.js'), [`loader.argv has ${option}`]] as const),
  ['argv-dangerous', argv('--no-addons', '/app/enclave.js', '-r', '--inspect'), []],
  [
    'argv-hardening',
    argv('--no-addons', '--disable-sigusr1', '/app/enclave.js'),
    [/lacks --disable-proto=delete --disallow-code-gen.* --no-experimental-require-module$/],
  ],
  ['heap-limit', argv('/app/enclave.js'), ['loader.argv sets no limit for the heap']],
  ['jitless', argv('--jitless', '/app/enclave.js'), [/^loader.argv has --jitless/]],
  ['env-from-host', { 'loader.insecure__use_host_env': true }, [/^the host writes the environment/]],
  [
    'env-file',
    { 'loader.env_src_file': 'file:/var/run/secrets/tokens/env' },
    [/^loader.env_src_file is .*, which is no trusted file$/],
  ],
  ...[
    'NODE_OPTIONS',
    'NODE_EXTRA_CA_CERTS',
    'NODE_TLS_REJECT_UNAUTHORIZED',
    'LD_PRELOAD',
    'UV_THREADPOOL_SIZE',
    'MALLOC_ARENA_MAX',
    'SSL_CERT_FILE',
    'SSLKEYLOGFILE',
    'OPENSSL_CONF',
    'RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE',
    'SECRET_PROVISION_CA_CHAIN_PATH',
    'PATH',
  ].map(name => ['env-steering', { [`loader.env.${name}`]: from }, [`the host sets ${name}`]] as const),
  ['env-steering', { 'loader.env.NODE_OPTIONS': '--no-addons' }, []],
  [
    'env-unread',
    { 'loader.env.MY_SETTING': from, 'loader.env.NODE_OPTIONS': from },
    ['the host sets MY_SETTING, which postern does not read'],
  ],
  ['env-unread', { 'loader.env.POSTERN_ADMIN_PORT': from }, []],
  [
    'env-missing',
    { 'loader.env.USER_PORT': undefined, 'loader.env.SERVING_POD': undefined },
    ['loader.env keeps out SERVING_POD, USER_PORT'],
  ],
  ['env-missing', { 'loader.env.USER_PORT': '8080', 'loader.env.SERVING_POD': { value: 'x' } }, []],
  [
    'env-missing',
    { 'loader.env': undefined, 'loader.argv': ['node', '/app/enclave.js', '--options=/app/policy.json'] },
    [],
  ],
  ['env-missing', { 'loader.env': undefined, 'loader.insecure__use_host_env': true }, []],
  ['env-missing', { 'loader.env': undefined, 'loader.env_src_file': 'file:/app/policy.json' }, []],
  [
    'env-malformed',
    { 'loader.env.A': { passthrough: false }, 'loader.env.B': 5 },
    ['loader.env.A is neither a value nor passed through', /env\.B/],
  ],
  ['env-malformed', { 'loader.env': undefined }, []],
  ...['warning', 'debug', 'trace', 'all'].map(
    level => ['log-level', { 'loader.log_level': level }, [/shows the host/]] as const,
  ),
  ['log-level', { 'loader.log_level': undefined }, []],
  ['log-level', { 'loader.log_level': 'none' }, []],
  ['log-file', { 'loader.log_file': '/log' }, ['Gramine writes its log to "/log" of the host']],
  ['aslr-off', { 'loader.insecure__disable_aslr': true }, [/^addresses/]],
  [
    'root-user',
    { 'loader.uid': undefined, 'loader.gid': 0 },
    ['loader.uid and loader.gid is 0, also where it is not set'],
  ],
  ['root-user', { 'loader.gid': 0 }, ['loader.gid is 0, also where it is not set']],
])

t.test('which script and which policy argv names', async t => {
  const of = (...words: string[]): Manifest => new Manifest(changed(argv(...words)))
  t.equal(scriptOf(of('--no-addons', '/app/a.js', 'b')), '/app/a.js')
  t.equal(scriptOf(of('--version')), undefined)
  t.equal(policyOf(of('/app/a.js', '--policy', '/p')), '/p')
  t.equal(policyOf(of('/app/a.js', '--policy=/p')), '/p')
  t.equal(policyOf(of('/app/a.js')), undefined)
})
