import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Parsed } from '../../src/cli/args.ts'
import { dryRun, port } from '../../src/cli/inject.ts'
import { readYaml } from '../../src/cli/yaml.ts'
import { askingPod, pod, proxyOf, type Tree } from '../support/pods.ts'

function run(input: unknown, values: Parsed['values'] = {}): { code: number; text: string } {
  let text = ''
  const io = {
    readFile: (path: string) => readFileSync(path),
    write: (more: string) => {
      text += more
    },
  }
  const bytes = Buffer.from(typeof input === 'string' ? input : JSON.stringify(input))
  return { code: dryRun({ verb: 'inject', values, positionals: [] }, bytes, io), text }
}

const file = (t: Test, options: object): string => {
  const path = join(t.testdir({}), 'options.json')
  writeFileSync(path, JSON.stringify({ version: 1, ...options }))
  return path
}

t.test('the pod as injected is YAML, with the difference behind it', async t => {
  const { code, text } = run(pod())
  t.equal(code, 0)
  const [wanted] = readYaml(Buffer.from(text), 'output')
  t.equal(proxyOf(wanted ?? null).resources.limits['sgx.intel.com/enclave'], '1')
  t.match(text, /^# hello-00001-deployment-5f7c-: patched, 3 operations\n# --- as given\n# \+\+\+ as injected\n/m)
  t.match(text, /^# \+ +sgx\.intel\.com\/epc: 256Mi$/m)
  t.match(run(text), { code: 0, text: '# hello-00001-deployment-5f7c-: unchanged, everything is there\n' })
})

t.test('what is skipped or denied says so', async t => {
  t.match(run(pod({ labels: {} })), { code: 0, text: /: skipped, / })
  t.match(run(pod({ annotations: { 'postern.dev/epc': 'x' } })), {
    code: 1,
    text: /: denied\n# {3}annotation postern\.dev\/epc/,
  })
})

t.test("the operator's options", async t => {
  const { text } = run(pod(), { config: file(t, { platform: 'aks-legacy' }) })
  t.match(text, /kubernetes\.azure\.com\/sgx_epc_mem_in_MiB: "256"/)
  t.throws(() => run(pod(), { config: file(t, { platform: 'x' }) }), { code: 'options-invalid' })
  t.throws(() => run(pod(), { config: join(t.testdirName, 'nothing') }), { code: 'usage' })
})

t.test('a Deployment is printed whole, to be applied as it is; what makes no pods is passed over', async t => {
  const { metadata, spec } = askingPod() as Tree
  const deployment = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'cart' },
    spec: { replicas: 2, template: { metadata, spec } },
  }
  const { code, text } = run(`${JSON.stringify(deployment)}\n---\nkind: Service\n`)
  t.equal(code, 0)
  const [wanted, ...others] = readYaml(Buffer.from(text), 'output') as Tree[]
  t.same(others, [])
  t.match(wanted, { apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 2, template: { metadata } } })
  t.strictSame(Object.keys(wanted.spec.template), ['metadata', 'spec'])
  t.ok(proxyOf(wanted.spec.template).env.length > 15)
  t.match(text, /^# cart: patched, \d+ operations$/m)
  t.match(run(text).text, '# cart: unchanged')
})

t.test('lists, and what has a template, give their pods; as JSON too', async t => {
  const { metadata, spec } = pod() as Tree
  const deployment = { apiVersion: 'apps/v1', kind: 'Deployment', metadata: {}, spec: { template: { metadata, spec } } }
  const { text } = run({ kind: 'List', items: [pod(), deployment] }, { json: true })
  t.match(JSON.parse(text), [{ outcome: 'patched' }, { outcome: 'patched' }])
})

const refused: [name: string, input: unknown, message: RegExp][] = [
  ['nothing', '', /got nothing/],
  ['no object', '[1]', /want Kubernetes objects/],
  ['a service alone', { kind: 'Service', metadata: { name: 'a' }, spec: {} }, /or what makes some; got Service a/],
  ['no template', { kind: 'ConfigMap', data: {} }, /got ConfigMap/],
]
for (const [name, input, message] of refused) {
  t.test(`refused: ${name}`, async t => t.throws(() => run(input), { code: 'usage', message }))
}

t.test('ports', async t => {
  t.equal(port({}, 'port', 8443), 8443)
  t.equal(port({ port: '0' }, 'port', 8443), 0)
  for (const text of ['65536', '-1', 'x', '']) t.throws(() => port({ port: text }, 'port', 1), { code: 'usage' }, text)
})
