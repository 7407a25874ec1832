import { fileRules } from '../../../src/manifest/rules/files.ts'
import { testRules } from '../../support/manifest-rules.ts'
import { type Changes, plus } from '../../support/manifests.ts'

const allowed = (...paths: string[]): Changes => ({ 'sgx.allowed_files': paths.map(path => `file:${path}`) })
const mount = (entry: object): Changes => ({ 'fs.mounts': plus('fs.mounts', entry) })
const trusted = (...entries: unknown[]): Changes => ({ 'sgx.trusted_files': plus('sgx.trusted_files', ...entries) })
const argv = (...words: string[]): Changes => ({ 'loader.argv': ['node', ...words] })

const sealed = (said: string, entry?: object): Changes => ({
  ...argv('/app/enclave.js', '--options', '/app/policy.json', '--sealed', said),
  ...(entry && mount(entry)),
})
const encrypted = { type: 'encrypted', path: '/ca', uri: 'file:/data', key_name: '_sgx_mrenclave' }

testRules(fileRules, [
  ['sealed-plain', sealed('mrenclave:/ca', encrypted), []],
  ['sealed-plain', sealed('mrenclave:/ca'), ['--sealed mrenclave:/ca, and the mount there is tmpfs']],
  ['sealed-plain', sealed('mrenclave:/ca', { path: '/ca', uri: 'file:/data' }), [/the mount there is chroot$/]],
  ['sealed-plain', sealed('mrsigner:/ca', encrypted), [/the mount there is encrypted by _sgx_mrenclave$/]],
  [
    'sealed-plain',
    sealed('mrenclave:/ca', { ...encrypted, key_name: undefined }),
    [/encrypted by (?:default|undefined)$/],
  ],
  ['sealed-plain', sealed('/ca', encrypted), ['--sealed /ca: want mrenclave:FOLDER or mrsigner:FOLDER']],
  ['entrypoint-missing', { 'libos.entrypoint': undefined }, ['libos.entrypoint is not set']],
  ['program-unmeasured', { 'libos.entrypoint': '/bin/node' }, ['libos.entrypoint, /bin/node, is no trusted file']],
  [
    'program-unmeasured',
    argv('/tmp/x.js', '--policy', '/app/mine.json'),
    ['the script, /tmp/x.js, is no trusted file', 'the policy, /app/mine.json, is no trusted file'],
  ],
  ['program-unmeasured', argv('enclave.js', '--policy', 'policy.json'), []],
  ['program-unmeasured', argv('/app/enclave.js', '--policy', 'confidential'), []],
  ['program-unmeasured', { 'libos.entrypoint': undefined, 'loader.argv': ['node'] }, []],
  ['policy-unmeasured', argv('/app/enclave.js', '--quiet'), ['loader.argv names no policy']],
  ['policy-unmeasured', { 'loader.argv': ['node'] }, []],
  ['policy-unmeasured', argv('/app/enclave.js', '--options', '/app/policy.json'), []],
  [
    'allowed-code',
    allowed('/app/', '/usr/lib/libx.so.6', '/data/plugin.mjs', '/usr/bin/node', '/'),
    [/^\/app\/ is allowed/, /libx/, /plugin/, /node/, /^\/ is allowed/],
  ],
  ['allowed-code', { ...allowed('/gramine/'), ...trusted() }, ['/gramine/ is allowed, and code or above code']],
  ['allowed-code', allowed('/data/'), []],
  [
    'allowed-trust',
    allowed('/etc/ssl/certs/', '/etc/', '/data/ca.crt'),
    [/^\/etc\/ssl\/certs\/ is allowed, and holds trust anchors$/, /^\/etc\/ /, /ca\.crt/],
  ],
  [
    'allowed-trust',
    allowed('/var/lib/knative/certs/tls.crt', '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'),
    [],
  ],
  [
    'allowed-names',
    allowed('/etc/resolv.conf', '/etc/hosts'),
    ['the host writes /etc/resolv.conf', 'the host writes /etc/hosts'],
  ],
  [
    'allowed-other',
    allowed('/data/', '/etc/podinfo/', '/var/run/secrets/'),
    ['the host writes /data/', 'the host writes /var/run/secrets/'],
  ],
  ['file-policy', { 'sgx.file_check_policy': 'allow_all_but_log' }, [/^sgx\.file_check_policy is "allow_all_but_log"/]],
  ['file-policy', { 'sgx.file_check_policy': 'strict' }, []],
  ['trusted-missing', { 'sgx.trusted_files': undefined }, [/^sgx\.trusted_files is empty/]],
  ['trusted-missing', { 'sgx.trusted_files': { libc: 'file:/libc.so.6' } }, [/in a syntax that Gramine has given up$/]],
  ['trusted-hash', trusted({ uri: 'file:/x', sha256: 'abc' }), ['the hash of /x is not a SHA-256']],
  ['trusted-unhashed', trusted('file:/x', { uri: 'file:/y' }), ['2 of 6 trusted files have no hash yet']],
  [
    'trusted-wholesale',
    trusted('file:/usr/lib/x86_64-linux-gnu/', 'file:/opt/x/'),
    ['everything below /usr/lib/x86_64-linux-gnu/ is trusted'],
  ],
  ['root-on-host', { 'fs.root': undefined }, [/^fs\.root is "chroot"/]],
  ['root-on-host', { 'fs.root': { type: 'chroot', uri: 'file:/' } }, [/^fs\.root is "chroot"/]],
  ['mount-wholesale', mount({ path: '/etc', uri: 'file:/etc' }), ['/etc of the host is mounted at /etc']],
  [
    'mount-wholesale',
    mount({ path: '/x', uri: 'file:/var/', type: 'chroot' }),
    [/^\/var\/ of the host is mounted at \/x$/],
  ],
  ['mount-wholesale', mount({ path: '/tmp', type: 'tmpfs' }), []],
  [
    'mount-pseudo',
    mount({ path: '/dev/attestation', uri: 'file:/mine' }),
    ["/mine hides Gramine's own /dev/attestation"],
  ],
  ['mount-pseudo', mount({ path: '/device', uri: 'file:/mine' }), []],
  ['mount-shared', mount({ path: '/shm', uri: 'dev:/dev/shm', type: 'untrusted_shm' }), ['/shm is untrusted_shm']],
  [
    'tmp-missing',
    { 'fs.mounts': [], 'fs.root': { type: 'chroot', uri: 'file:/' } },
    ['/tmp is "chroot", so it is the host\'s'],
  ],
  ['tmp-missing', mount({ path: '/tmp', uri: 'file:/tmp' }), [/^\/tmp is "chroot"/]],
  ['tmp-missing', mount({ path: '/tmp', uri: 'file:/enc', type: 'encrypted' }), []],
])
