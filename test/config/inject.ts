import t from 'tap'
import { readInjectOptions } from '../../src/config/inject.ts'
import { options, sgxDevice } from '../support/pods.ts'

const refused: [name: string, changes: object, message: RegExp][] = [
  ['an unknown platform', { platform: 'sev' }, /\/platform: want one of intel, aks, aks-legacy, nri, none/],
  ['an unknown key', { epcs: 1 }, /\/epcs: want no such key/],
  [
    'bounds that do not rise',
    { epc: { least: '1Gi' } },
    /\/epc: want least, default and most in rising order, got 1Gi, 256Mi, 2Gi/,
  ],
  ['no quantity', { memory: { most: '-1' } }, /\/memory\/most: want a quantity/],
  ['nri without devices', { platform: 'nri', nri: { devices: [] } }, /\/nri\/devices: want at least one/],
  ['nri without a word about it', { platform: 'nri' }, /\/nri\/devices: want at least one/],
  ['nri for another platform', { nri: { devices: [sgxDevice] } }, /\/nri: want no such key/],
  ['another device', { platform: 'nri', nri: { devices: [{ ...sgxDevice, path: '/dev/kmem' }] } }, /an SGX device/],
  ['the group of root', { supplementalGroups: [0] }, /from 1 to/],
  ['a mount over the program', { mounts: [{ configMap: 'a', path: '/app' }] }, /below \/etc\/postern/],
  ['a mount with dots', { mounts: [{ configMap: 'a', path: '/etc/postern/../../app' }] }, /below \/etc\/postern/],
  [
    'a path twice',
    {
      mounts: [
        { configMap: 'a', path: '/etc/postern/a' },
        { configMap: 'b', path: '/etc/postern/a' },
      ],
    },
    /each path once/,
  ],
  [
    'the path of the policy again',
    { policy: { configMap: 'p' }, mounts: [{ configMap: 'a', path: '/etc/postern' }] },
    /each path once/,
  ],
  [
    'a path inside of another',
    { policy: { configMap: 'p' }, mounts: [{ configMap: 'a', path: '/etc/postern/collateral' }] },
    /none inside of another, got "?\/etc\/postern\/collateral/,
  ],
  ['a socket where there is no SGX', { platform: 'none' }, /\/aesm: want null, for platform "none"/],
  ['a proxy without an image', { sidecar: {} }, /\/sidecar\/image: want/],
  ['no image', { sidecar: { image: 'a b' } }, /\/sidecar\/image: want an image/],
  [
    'bounds of the proxy that do not rise',
    { sidecar: { image: 'a', concurrency: { least: 5 } } },
    /\/sidecar\/concurrency: want least, default and most in rising order, got 5, 0, 1000/,
  ],
  ['a socket that is no absolute path', { aesm: { folder: '../run' } }, /an absolute path/],
]

for (const [name, changes, message] of refused) {
  t.test(`refused: ${name}`, async t => t.throws(() => options(changes), { code: 'options-invalid', message }))
}

t.test('refused: what is no JSON, not UTF-8, or too long', async t => {
  const read = (bytes: Uint8Array) => () => readInjectOptions(bytes, 'file')
  t.throws(read(Buffer.from('{')), { code: 'options-invalid', message: /^options file: not JSON: line 1/ })
  t.throws(read(Buffer.from([0xff])), { code: 'options-invalid', message: /not valid UTF-8/ })
  t.throws(read(Buffer.alloc(256 * 1024 + 1, ' ')), { code: 'options-invalid', message: /at most/ })
})

t.test('what is read is frozen', async t => {
  t.ok(Object.isFrozen(options().epc))
})
