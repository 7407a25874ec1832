import t from 'tap'
import { foreignAnnotations, table } from '../../src/inject/platforms.ts'
import { everyPlatform, options, sgxDevice } from '../support/pods.ts'

const epc = 256n * 1024n * 1024n

const rows: [platform: keyof typeof table, limits: object][] = [
  ['intel', { 'sgx.intel.com/enclave': '1', 'sgx.intel.com/epc': '256Mi' }],
  ['aks', { 'sgx.intel.com/epc': '256Mi' }],
  ['aks-legacy', { 'kubernetes.azure.com/sgx_epc_mem_in_MiB': '256' }],
  ['nri', {}],
  ['none', {}],
]

for (const [platform, limits] of rows) {
  t.test(`${platform}: resources by their names`, async t =>
    t.same(Object.fromEntries(table[platform].limits(epc)), limits),
  )
}

t.test('nri: devices and socket by annotations, under the prefix of the plugin that runs', async t => {
  for (const prefix of ['noderesource.dev', 'nri.io']) {
    const given = options({ platform: 'nri', nri: { prefix, devices: [sgxDevice] } })
    t.same(table.nri.devices('queue-proxy', given), [
      [`devices.${prefix}/container.queue-proxy`, '[{"path":"/dev/sgx_enclave","type":"c","major":10,"minor":125}]'],
    ])
    t.same(table.nri.socket('queue-proxy', '/run/aesm', given), [
      [
        `mounts.${prefix}/container.queue-proxy`,
        '[{"source":"/run/aesm","destination":"/var/run/aesmd","type":"bind","options":["bind","ro"]}]',
      ],
    ])
  }
})

t.test('nobody is given the provisioning key', async t => {
  for (const [name, given] of everyPlatform) {
    const row = table[given.platform]
    t.notMatch(JSON.stringify([row.limits(epc), row.devices('queue-proxy', given)]), /provision/, name)
  }
})

const annotations: [key: string, obeyed: boolean][] = [
  // Each that the plugin reads, in each of its forms (plugins/device-injector/device-injector.go, getAnnotation).
  ...[
    ...['devices', 'cdi-devices', 'mounts', 'network-devices', 'sysctl'],
    ...['memory-policy', 'scheduling-policy', 'io-priority'],
  ].flatMap(what =>
    ['noderesource.dev', 'nri.io'].flatMap(domain =>
      ['', '/pod', '/container.user-container', '/container.queue-proxy'].map((form): [string, boolean] => [
        `${what}.${domain}${form}`,
        true,
      ]),
    ),
  ),
  ['my-devices.noderesource.dev/pod', false],
  ['devices.noderesource.dev.example/pod', false],
  ['devices.noderesource.device/pod', false],
  ['example/devices.noderesource.dev', false],
  ['required-plugins.noderesource.dev/pod', false],
  ['autoscaling.knative.dev/min-scale', false],
]
for (const [key, obeyed] of annotations) {
  t.test(`${obeyed ? "refused, the operator's" : 'nobody is asked about'}: ${key}`, async t => {
    const found = foreignAnnotations({ [key]: '[]' }, [])
    t.same(found, obeyed ? [`annotation ${key}: the operator's alone; take it out of the pod's template`] : [])
    t.same(foreignAnnotations({ [key]: '[]' }, [[key, '[]']]), [], 'as the injector sets it')
    t.same(foreignAnnotations({ [key]: '[1]' }, [[key, '[]']]).length, obeyed ? 1 : 0, 'with another value')
  })
}
