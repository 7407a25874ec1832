import t from 'tap'
import { Fault } from '../../../src/base/errors.ts'
import { findSigned } from '../../../src/config/signed/channels.ts'

const token = 'aaa.bbb-_9.ccc'
const all = ['podinfo', 'rootCa', 'configMap'] as const

interface Given {
  readonly rootCa?: string
  readonly annotations?: string
  readonly configMap?: string
}

function host({ rootCa, annotations, configMap }: Given, asked: [string, number?][] = []) {
  return {
    get: (name: string) => {
      asked.push([name])
      return name === 'ROOT_CA' ? rootCa : undefined
    },
    readFile: (path: string, most: number) => {
      asked.push([path, most])
      const text = path === '/etc/podinfo/annotations' ? annotations : configMap
      return text === undefined ? undefined : new Uint8Array(Buffer.from(text))
    },
  }
}

// As Kubernetes writes the file: sorted, a line each, values as strconv.Quote has them.
const annotations = (value: string) =>
  [
    'autoscaling.knative.dev/class="kpa.autoscaling.knative.dev"',
    'kubernetes.io/config.seen="2026-03-01T12:00:00Z"',
    `postern.dev/policy=${value}`,
    'serving.knative.dev/creator="a\\nb \\"postern.dev/policy=\\""',
    '',
  ].join('\n')

t.test('each channel gives its token, bare', async t => {
  const rows: [given: Given, from: string][] = [
    [{ annotations: annotations(`"${token}"`) }, 'the annotation postern.dev/policy'],
    [{ rootCa: `postern-policy:${token}` }, 'ROOT_CA'],
    [{ configMap: `${token}\n` }, '/etc/postern/policy.jws'],
    [{ configMap: token }, '/etc/postern/policy.jws'],
  ]
  for (const [given, from] of rows) t.same(findSigned(all, host(given)), { token, from })
})

t.test('only the channels that the base policy names are looked at', async t => {
  const everywhere = { annotations: annotations(`"${token}"`), rootCa: `postern-policy:${token}`, configMap: token }
  const names: Record<(typeof all)[number], [string, number?]> = {
    podinfo: ['/etc/podinfo/annotations', 2 * 1024 * 1024],
    rootCa: ['ROOT_CA'],
    configMap: ['/etc/postern/policy.jws', 65_537],
  }
  for (const channel of all) {
    const asked: [string, number?][] = []
    t.equal(findSigned([channel], host(everywhere, asked))?.token, token)
    t.same(asked, [names[channel]])
  }
  const asked: [string, number?][] = []
  t.equal(findSigned([], host(everywhere, asked)), undefined)
  t.same(asked, [])
})

t.test('nothing is there', async t => {
  const rows: [name: string, given: Given][] = [
    ['no file, no variable', {}],
    ['a certificate in ROOT_CA', { rootCa: '-----BEGIN CERTIFICATE-----' }],
    ['an empty ROOT_CA', { rootCa: '' }],
    ['a prefix in the midst', { rootCa: `x postern-policy:${token}` }],
    ['an empty file of annotations', { annotations: '' }],
    ['no annotation of ours', { annotations: annotations('"x"').replace('postern.dev/policy', 'postern.dev/other') }],
    ['ours within another', { annotations: 'a="\\npostern.dev/policy=\\"x\\""\n' }],
    ['ours as the end of another', { annotations: `x-postern.dev/policy="${token}"\n` }],
  ]
  for (const [name, given] of rows) t.equal(findSigned(all, host(given)), undefined, name)
})

t.test('what was delivered is not repaired', async t => {
  t.same(findSigned(all, host({ rootCa: `postern-policy: ${token}\n` })), { token: ` ${token}\n`, from: 'ROOT_CA' })
  t.same(findSigned(all, host({ configMap: `${token}\n\n` }))?.token, `${token}\n`)
  t.same(findSigned(all, host({ configMap: '' }))?.token, '')
  t.same(findSigned(all, host({ annotations: annotations('""') }))?.token, '')
})

const refused: [name: string, value: string, reason: RegExp][] = [
  ['without quotes', token, /^\/etc\/podinfo\/annotations: want the bare token as the value of postern\.dev\/policy$/],
  ['with a line end', `"${token}\\n"`, /it has a line end in it$/],
  ['with an escape', `"\\x61${token}"`, /want the bare token/],
  ['with a space', `" ${token}"`, /want the bare token/],
  ['with more behind', `"${token}" `, /want the bare token/],
  ['not ended', `"${token}`, /want the bare token/],
  ['twice', `"${token}"\npostern.dev/policy="${token}"`, /postern\.dev\/policy stands there twice$/],
]
for (const [name, value, reason] of refused) {
  t.test(`an annotation ${name}: refused`, async t => {
    const given = host({ annotations: annotations(value) })
    t.throws(() => findSigned(all, given), { code: 'policy-invalid', message: reason })
  })
}

t.test('two of them, even the same: refused', async t => {
  const both = { rootCa: `postern-policy:${token}`, configMap: token }
  t.throws(() => findSigned(all, host(both)), {
    code: 'policy-invalid',
    message: 'there is a signed policy in ROOT_CA and in /etc/postern/policy.jws: want one',
  })
  t.equal(findSigned(['rootCa', 'rootCa'], host(both))?.token, token, 'a channel named twice is one')
})

t.test('a file that cannot be read is no absent one', async t => {
  const broken = (error: Error) => ({
    get: () => undefined,
    readFile: () => {
      throw error
    },
  })
  const denied = Object.assign(new Error('secret'), { code: 'EACCES' })
  t.throws(() => findSigned(['podinfo'], broken(denied)), {
    code: 'policy-invalid',
    message: '/etc/podinfo/annotations: EACCES',
  })
  const long = new Fault('policy-invalid', 'want at most 65537 bytes, got more')
  t.throws(() => findSigned(['configMap'], broken(long)), {
    message: '/etc/postern/policy.jws: want at most 65537 bytes, got more',
  })
})
