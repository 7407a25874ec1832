// What can be said about deploy/ without rendering it, and about what the golden files hold.

import { existsSync, globSync, readFileSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { readInjectOptions } from '../../src/config/inject.ts'
import { askedLabel } from '../../src/inject/adopt.ts'
import { revisionLabel } from '../../src/inject/mutate.ts'
import { reviewPath } from '../../src/inject/server.ts'
import { deployFiles, golden, pick, readObjects, variants } from '../support/deploy.ts'
import { restricted, type Tree } from '../support/pods.ts'
import { repository } from '../support/process.ts'

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true
const kustomizations = deployFiles().filter(path => path.endsWith('kustomization.yaml'))

/** Paths that a kustomization names, below the repository. */
function named(path: string): string[] {
  const [kustomization] = readObjects(path)
  const patches = (kustomization.patches ?? []).map((patch: Tree) => patch.path)
  const generated = (kustomization.configMapGenerator ?? []).flatMap((generator: Tree) => generator.files)
  const all = [...(kustomization.resources ?? []), ...(kustomization.components ?? []), ...patches, ...generated]
  return all.filter(each => each !== undefined).map(each => join(dirname(path), each))
}

t.test('every file that a kustomization names is there', async t => {
  t.ok(kustomizations.length > 10)
  for (const path of kustomizations) {
    for (const each of named(path)) {
      t.ok(isFile(join(repository, each)) || isFile(join(repository, each, 'kustomization.yaml')), `${path}: ${each}`)
    }
  }
})

/** What nobody names, because it is applied by itself or read by another program. */
const alone = [/^deploy\/chart\//, /\/kustomization\.yaml$/, /^deploy\/knative\/confidential\/trust-bundle\.yaml$/]

t.test('every file is named by a kustomization', async t => {
  const all = new Set(kustomizations.flatMap(named))
  t.same(
    deployFiles().filter(path => !all.has(path) && !alone.some(pattern => pattern.test(path))),
    [],
  )
})

t.test('every options file can be used, and each platform has one', async t => {
  const files = deployFiles().filter(path => path.endsWith('options.json'))
  const found = files.map(path => readInjectOptions(readFileSync(join(repository, path)), path).platform)
  t.same([...new Set(found)].sort(), ['aks', 'aks-legacy', 'intel', 'none', 'nri'])
})

/** A LabelSelector, as far as ours go. */
function selects({ matchLabels = {}, matchExpressions = [] }: Tree, labels: Tree): boolean {
  const there = (key: string): boolean => Object.hasOwn(labels, key)
  return (
    Object.entries(matchLabels).every(([key, value]) => labels[key] === value) &&
    matchExpressions.every(({ key, operator }: Tree) => there(key) === (operator === 'Exists'))
  )
}

/** Kinds by the version that Kubernetes 1.30 and later serve, and those of operators. */
const served: Readonly<Record<string, readonly string[]>> = {
  v1: ['ConfigMap', 'Namespace', 'PersistentVolumeClaim', 'Service', 'ServiceAccount'],
  'apps/v1': ['Deployment'],
  'policy/v1': ['PodDisruptionBudget'],
  'networking.k8s.io/v1': ['NetworkPolicy'],
  'admissionregistration.k8s.io/v1': [
    'MutatingWebhookConfiguration',
    'ValidatingAdmissionPolicy',
    'ValidatingAdmissionPolicyBinding',
  ],
  'cert-manager.io/v1': ['Certificate', 'Issuer'],
  'monitoring.coreos.com/v1': ['PodMonitor', 'PrometheusRule'],
}

for (const name of Object.keys(variants)) {
  const rendered = readObjects(golden(name))

  t.test(`${name}: objects of versions that are served, each once`, async t => {
    const keys = rendered.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`)
    t.equal(new Set(keys).size, keys.length)
    for (const { apiVersion, kind } of rendered) t.ok(served[apiVersion]?.includes(kind), `${apiVersion} ${kind}`)
  })

  const deployment = pick(rendered, 'Deployment', 'postern-inject')
  if (deployment === undefined) continue

  t.test(`${name}: the injector itself is restricted, without an exception`, async t => {
    const { template } = deployment.spec
    const [container] = template.spec.containers
    const broken = restricted.filter(([, find]) => find(template, container).length > 0)
    t.same(
      broken.map(([control]) => control),
      [],
    )
    t.equal(template.spec.automountServiceAccountToken, false)
  })

  t.test(`${name}: what belongs together fits`, async t => {
    const { template, selector } = deployment.spec
    const [container] = template.spec.containers
    const ports = Object.fromEntries(container.ports.map((port: Tree) => [port.name, port.containerPort]))
    t.same(ports, { https: 8443, http: 8080 })
    const service = pick(rendered, 'Service')
    for (const wanted of [
      service.spec.selector,
      selector.matchLabels,
      pick(rendered, 'NetworkPolicy').spec.podSelector.matchLabels,
    ]) {
      t.match(template.metadata.labels, wanted)
      t.ok(Object.keys(wanted).length > 0, 'a selector of nothing selects everything')
    }
    const { name: serviceName, namespace } = service.metadata
    for (const webhook of pick(rendered, 'MutatingWebhookConfiguration').webhooks) {
      t.match(webhook.clientConfig.service, {
        name: serviceName,
        namespace,
        path: reviewPath,
        port: service.spec.ports[0].port,
      })
      t.ok(webhook.namespaceSelector.matchExpressions[0].values.includes(namespace), 'it does not wait for itself')
      t.equal(webhook.failurePolicy, 'Fail')
    }
    t.equal(service.spec.ports[0].targetPort, 'https')
    const options = pick(rendered, 'ConfigMap', 'postern-inject-options')
    readInjectOptions(Buffer.from(options.data['options.json']), name)
    t.ok(template.spec.volumes.some((volume: Tree) => volume.configMap?.name === options.metadata.name))
  })

  t.test(
    `${name}: a pod is sent to one webhook at most, and to one whenever the injector has something to do`,
    async t => {
      const { webhooks } = pick(rendered, 'MutatingWebhookConfiguration')
      const called = (labels: Tree): string[] =>
        webhooks.filter(({ objectSelector }: Tree) => selects(objectSelector, labels)).map((each: Tree) => each.name)
      t.same(called({ [revisionLabel]: 'a' }), ['queue-proxy.inject.postern'])
      t.same(called({ [revisionLabel]: 'a', [askedLabel]: 'true' }), ['queue-proxy.inject.postern'])
      t.same(called({ [askedLabel]: 'true' }), ['sidecar.inject.postern'])
      for (const labels of [{}, { app: 'a' }, { [askedLabel]: 'false' }]) t.same(called(labels), [])
    },
  )

  const certificate = pick(rendered, 'Certificate', 'postern-inject')
  if (certificate === undefined) continue
  t.test(`${name}: the certificate is for the service, where the injector looks for it`, async t => {
    const leaf = rendered.find(each => each.kind === 'Certificate' && each.spec.isCA !== true)
    const service = pick(rendered, 'Service').metadata
    t.same(leaf.spec.dnsNames, [`${service.name}.${service.namespace}.svc`])
    const { volumes } = deployment.spec.template.spec
    t.ok(volumes.some((volume: Tree) => volume.secret?.secretName === leaf.spec.secretName))
    const { annotations } = pick(rendered, 'MutatingWebhookConfiguration').metadata
    t.equal(annotations['cert-manager.io/inject-ca-from'], `${leaf.metadata.namespace}/${leaf.metadata.name}`)
  })
}

/** Where the CA's pod leaves the restricted profile: the socket of AESM lies on the host. */
const socketOnHost = ['HostPath Volumes', 'Volume Types']
for (const [name, exceptions] of [
  ['provision', socketOnHost],
  ['provision-aks', socketOnHost],
  ['provision-sealed', socketOnHost],
  ['provision-nri', []],
] as const) {
  const rendered = readObjects(golden(name))
  const { spec, metadata } = pick(rendered, 'Deployment', 'provision')
  const [container] = spec.template.spec.containers

  t.test(`${name}: the CA is restricted but for the listed, and its namespace lets that in`, async t => {
    const broken = restricted.filter(([, find]) => find(spec.template, container).length > 0)
    t.same(
      broken.map(([control]) => control),
      exceptions,
    )
    const { name: namespace, labels } = pick(rendered, 'Namespace').metadata
    t.equal(namespace, metadata.namespace)
    const enforced = exceptions.length === 0 ? 'restricted' : 'privileged'
    t.equal(labels['pod-security.kubernetes.io/enforce'], enforced)
  })

  t.test(`${name}: one process, that has its device, its port and whoever may ask`, async t => {
    t.same([spec.replicas, spec.strategy], [1, { type: 'Recreate' }])
    t.strictSame([container.command, container.args], [undefined, undefined], 'what it is told is measured')
    const { labels, annotations = {} } = spec.template.metadata
    const given = [...Object.keys(container.resources.limits), ...Object.keys(annotations)]
    t.ok(given.some(each => /^sgx\.intel\.com\/epc$|^devices\.noderesource\.dev\/container\.ca$/.test(each)))
    t.notOk(
      given.some(each => /provision/.test(each)),
      'quotes are made out of process',
    )
    const service = pick(rendered, 'Service')
    const { host, port } = provisionUrl()
    t.equal(host, `${service.metadata.name}.${service.metadata.namespace}.svc`)
    t.equal(port, service.spec.ports[0].port)
    const policy = pick(rendered, 'NetworkPolicy').spec
    for (const selector of [service.spec.selector, spec.selector.matchLabels, policy.podSelector.matchLabels]) {
      t.match(labels, selector)
      t.ok(Object.keys(selector).length > 0)
    }
    t.same(
      policy.ingress.map((rule: Tree) => rule.ports.map((each: Tree) => each.port)),
      [['https'], ['http']],
    )
    for (const rule of policy.ingress) t.ok(rule.from.length > 0, 'no port is open to everybody')
  })
}

/** Where the guide's policy looks for it. */
function provisionUrl(): { host: string; port: number } {
  const guide = readFileSync(join(repository, 'docs/provision.md'), 'utf8')
  const url = new URL(/"url": "([^"]+)"/.exec(guide)?.[1] ?? '')
  return { host: url.hostname, port: Number(url.port) }
}

const reached: [name: string, ports: number[][]][] = [
  ['postern-revisions', [[8012, 8013, 8112], [9090], [9091]]],
  ['postern-sidecars', [[8012, 8013, 8112], [9091]]],
]
for (const [name, ports] of reached) {
  t.test(`${name} are reached where it has to be, and nowhere else`, async t => {
    const { spec } = pick(readObjects(golden('network')), 'NetworkPolicy', name)
    t.same(
      spec.ingress.map((rule: Tree) => rule.ports.map((port: Tree) => port.port)),
      ports,
    )
    for (const rule of spec.ingress) t.ok(rule.from.length > 0, 'no port is open to everybody')
  })
}

t.test('every alert has its entry in the runbooks', async t => {
  const rules = pick(readObjects(golden('everything')), 'PrometheusRule').spec.groups.flatMap(
    (group: Tree) => group.rules,
  )
  const text = readFileSync(join(repository, 'docs/runbooks.md'), 'utf8')
  t.ok(rules.length >= 9)
  for (const { alert, annotations } of rules) {
    t.equal(annotations.runbook, `docs/runbooks.md#${alert.toLowerCase()}`)
    t.match(text, new RegExp(`^### ${alert}$`, 'm'))
  }
})

t.test('every series in an alert is one that we make', async t => {
  const source = globSync('src/observe/*.ts', { cwd: repository })
    .map(path => readFileSync(join(repository, path), 'utf8'))
    .join()
  const rules = readFileSync(join(repository, 'deploy/components/prometheus/rules.yaml'), 'utf8')
  // Gauges of the attesting CA are named behind their common beginning.
  const made = (name: string): boolean =>
    source.includes(`'${name}'`) || new RegExp(`gauge\\(\\s*'${name.replace('postern_provision_', '')}'`).test(source)
  for (const [name] of rules.matchAll(/\bpostern_[a-z_]+/g)) t.ok(made(name), name)
})

t.test('paths that the documents name are there', async t => {
  for (const document of [
    ...globSync('docs/*.md', { cwd: repository }),
    'deploy/README.md',
    'README.md',
    'gramine/README.md',
  ]) {
    const text = readFileSync(join(repository, document), 'utf8')
    for (const [, target = ''] of text.matchAll(/\]\((?!https?:)([^)#\s]+)(?:#[^)]*)?\)/g)) {
      t.ok(existsSync(join(repository, dirname(document), target)), `${document}: ${target}`)
    }
  }
})
