// The chart: its values are checked in any case, its templates rendered where Helm is installed.

import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { valuesSchema, valuesShape } from '../../deploy/values.ts'
import { type Complaint, told, unfit } from '../../src/config/shape.ts'
import { golden, helmMissing, objects, output, pick, readObjects } from '../support/deploy.ts'
import type { Tree } from '../support/pods.ts'
import { repository } from '../support/process.ts'

const values = (): Tree => readObjects('deploy/chart/values.yaml')[0]

function complaints(given: Tree): string[] {
  const found: Complaint[] = []
  const read = valuesShape.read(given, '', found)
  if ((read === unfit) !== found.length > 0) throw new Error('a complaint and a value')
  return found.map(told)
}

t.test('the schema is that of the shape', async t => {
  const published = JSON.parse(readFileSync(join(repository, 'deploy/chart/values.schema.json'), 'utf8'))
  t.same(
    published,
    JSON.parse(JSON.stringify(valuesSchema())),
    'stale: node deploy/values.ts > deploy/chart/values.schema.json',
  )
})

t.test('the values that ship fit', async t => t.same(complaints(values()), []))

const refused: [name: string, change: (values: Tree) => void, complaint: RegExp][] = [
  ['an unknown key', given => Object.assign(given, { replica: 1 }), /^\/replica: want no such key/],
  ['no replica', given => Object.assign(given, { replicas: 0 }), /^\/replicas/],
  [
    'a policy of failure that does not exist',
    given => Object.assign(given.webhook, { failurePolicy: 'Retry' }),
    /failurePolicy/,
  ],
  ['an unknown platform', given => Object.assign(given.options, { platform: 'sev' }), /^\/options\/platform/],
  ['a digest that is none', given => Object.assign(given.image, { digest: 'latest' }), /^\/image\/digest/],
  ['an option that is none', given => Object.assign(given.options, { epcs: {} }), /^\/options\/epcs/],
]
for (const [name, change, complaint] of refused) {
  t.test(`values are refused: ${name}`, async t => {
    const given = values()
    change(given)
    t.match(complaints(given), [complaint])
  })
}

t.test('every value is used, and every one that is used is there', async t => {
  const templates = globSync('deploy/chart/templates/**/*', { cwd: repository, withFileTypes: true })
    .filter(each => each.isFile())
    .map(each => readFileSync(join(each.parentPath, each.name), 'utf8'))
    .join('\n')
  const used = new Set([...templates.matchAll(/\.Values\.([A-Za-z.]+)/g)].map(([, path = '']) => path))
  const leaves = (tree: Tree, at: string): string[] =>
    Object.entries<Tree>(tree).flatMap(([key, each]) => {
      const path = at === '' ? key : `${at}.${key}`
      return used.has(path) || typeof each !== 'object' || Array.isArray(each) ? [path] : leaves(each, path)
    })
  const there = leaves(values(), '')
  t.same(
    there.filter(path => !used.has(path)),
    [],
  )
  const known = (path: string): boolean =>
    path.split('.').reduce<Tree>((schema, key) => schema?.properties?.[key], valuesSchema()) !== undefined
  t.same(
    [...used].filter(path => !known(path)),
    [],
  )
})

const render = (...flags: string[]): Tree[] =>
  objects(
    output('helm', [
      'template',
      'postern',
      'deploy/chart',
      '--namespace',
      'postern-system',
      '--kube-version',
      '1.34.0',
      ...flags,
    ]),
  )

/** Labels and names that each of the two gives in its own way. */
function bare(tree: Tree): Tree {
  const text = JSON.stringify(tree, (key, value) => {
    if (/^(?:labels|matchLabels|selector|annotations|podSelector)$/.test(key)) return undefined
    return value
  })
  return JSON.parse(text.replaceAll(/postern-inject-options-[a-z0-9]+/g, 'postern-inject-options'))
}

t.test('templates render as the golden file', { skip: helmMissing }, async t => {
  const cure = `stale: helm template postern deploy/chart --namespace postern-system --kube-version 1.34.0 > ${golden('chart')}`
  t.same(render(), readObjects(golden('chart')), cure)
})

t.test('chart and kustomize make the same of the injector', async t => {
  const chart = readObjects(golden('chart'))
  const overlay = readObjects(golden('intel'))
  const kinds = [
    'Deployment',
    'Service',
    'PodDisruptionBudget',
    'NetworkPolicy',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ]
  for (const kind of kinds) {
    const [ours, theirs] = [chart, overlay].map(list => bare(pick(list, kind)).spec)
    for (const spec of [ours, theirs])
      for (const each of spec?.template?.spec?.containers ?? []) delete each.imagePullPolicy
    t.same(ours, theirs, kind)
  }
  const webhooks = [chart, overlay].map(list => bare(pick(list, 'MutatingWebhookConfiguration')).webhooks)
  t.equal(webhooks[0].length, 2)
  t.same(webhooks[0], webhooks[1])
  const certificates = [chart, overlay].map(list =>
    list.filter(({ kind }) => kind === 'Certificate').map(({ metadata, spec }) => [metadata.name, spec]),
  )
  t.same(Object.fromEntries(certificates[0] ?? []), Object.fromEntries(certificates[1] ?? []))
})

const caPlatforms: [platform: string, golden: string, flags: string[]][] = [
  ['intel', 'provision', []],
  ['aks', 'provision-aks', ['--set', 'options.platform=aks']],
  ['sealed', 'provision-sealed', ['--set', 'provision.keyClaim=provision-key']],
  [
    'nri',
    'provision-nri',
    [
      '--set-json',
      'options={"version":1,"platform":"nri","nri":{"devices":[{"path":"/dev/sgx_enclave","major":10,"minor":125}]}}',
    ],
  ],
]
for (const [platform, name, flags] of caPlatforms) {
  t.test(`${platform}: chart and kustomize make the same of the attesting CA`, { skip: helmMissing }, async t => {
    const chart = render('--set', 'provision.enabled=true', ...flags)
    const overlay = readObjects(golden(name))
    for (const kind of ['Deployment', 'Service', 'NetworkPolicy', 'ServiceAccount']) {
      const [ours, theirs] = [chart, overlay].map(list => bare(pick(list, kind, 'provision')))
      t.same(ours?.spec, theirs?.spec, kind)
      t.equal(ours?.automountServiceAccountToken, theirs?.automountServiceAccountToken)
    }
    const [ours = {}, theirs = {}] = [chart, overlay].map(
      list => pick(list, 'Deployment', 'provision').spec.template.metadata.annotations,
    )
    t.same(Object.keys(ours), Object.keys(theirs))
    for (const [key, value] of Object.entries<string>(theirs)) t.same(JSON.parse(ours[key]), JSON.parse(value), key)
  })
}

t.test('the attesting CA on nodes of the older name, and on those without SGX', { skip: helmMissing }, async t => {
  const legacy = render('--set', 'provision.enabled=true,provision.epcMiB=512,options.platform=aks-legacy')
  const [{ resources }] = pick(legacy, 'Deployment', 'provision').spec.template.spec.containers
  t.same(resources.limits, { memory: '512Mi', 'kubernetes.azure.com/sgx_epc_mem_in_MiB': '512' })
  const none = ['--set-json', 'options={"version":1,"platform":"none","aesm":null}']
  t.throws(() => render('--set', 'provision.enabled=true', ...none), /want a platform other than none/)
  t.equal(pick(render(...none), 'Deployment', 'provision'), undefined, 'it is not there unless asked for')
})

t.test('other values', { skip: helmMissing }, async t => {
  t.throws(() => render('--set', 'tls.certManager=false'), /tls\.caBundle: without cert-manager/)
  t.throws(() => render('--set', 'options.platform=sev'), /platform/)
  const own = render(
    '--set',
    'tls.certManager=false,tls.caBundle=QUJD,require=false,networkPolicy=false,istio=true,podMonitor=true',
  )
  for (const { clientConfig } of pick(own, 'MutatingWebhookConfiguration').webhooks)
    t.equal(clientConfig.caBundle, 'QUJD')
  for (const kind of ['Certificate', 'ValidatingAdmissionPolicy', 'NetworkPolicy'])
    t.equal(pick(own, kind), undefined, kind)
  t.equal(pick(own, 'Deployment').spec.template.metadata.labels['sidecar.istio.io/inject'], 'false')
  t.ok(pick(own, 'PodMonitor'))
  const digest = `sha256:${'a'.repeat(64)}`
  const [container] = pick(render('--set', `image.digest=${digest}`), 'Deployment').spec.template.spec.containers
  t.equal(container.image, `registry.example/postern@${digest}`)
})
