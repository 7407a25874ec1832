// The ValidatingAdmissionPolicy, its expressions evaluated over pods as an API server would.

import { Environment } from '@marcbachmann/cel-js'
import t from 'tap'
import { inject } from '../../src/inject/mutate.ts'
import { pick, readObjects } from '../support/deploy.ts'
import {
  askingPod,
  everyPlatform,
  options,
  pod,
  renderedMissing,
  renderedPods,
  sidecar,
  type Tree,
} from '../support/pods.ts'

const { spec } = pick(readObjects('deploy/components/require/policy.yaml'), 'ValidatingAdmissionPolicy')

/** Messages of the validations that a pod fails. */
function failed(object: Tree): string[] {
  const cel = new Environment({ unlistedVariablesAreDyn: true })
  const variables: Record<string, unknown> = {}
  const context = { object: numbers(object), variables }
  for (const { name, expression } of spec.variables) variables[name] = cel.evaluate(expression, context)
  return spec.validations
    .filter(({ expression }: Tree) => cel.evaluate(expression, context) !== true)
    .map(({ message }: Tree) => message)
}

/** Integers as CEL has them, objects with a prototype. */
function numbers(value: Tree): Tree {
  if (Array.isArray(value)) return value.map(numbers)
  if (typeof value === 'number' && Number.isInteger(value)) return BigInt(value)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, numbers(each)]))
}

const pods = (): (readonly [string, Tree])[] => [['our own', pod()], ...(renderedMissing ? [] : renderedPods())]

for (const [name, given] of pods()) {
  t.test(`${name}: refused as the controller makes it, taken as the injector makes it, on every platform`, async t => {
    t.match(failed(given), [/^this namespace wants enclaves/])
    for (const [platform, options] of everyPlatform) {
      const injection = inject(given, options)
      t.same(injection.outcome === 'patched' && failed(injection.pod), [], platform)
    }
  })
}

t.test('a pod that asks for a proxy is refused without one, and taken as the injector makes it', async t => {
  t.match(failed(askingPod()).join('\n'), /every pod that asks for one/)
  for (const [platform, { nri }] of everyPlatform) {
    const injection = inject(askingPod(), options({ platform, ...(nri && { nri }), sidecar }))
    t.same(injection.outcome === 'patched' && failed(injection.pod), [], platform)
  }
})

const bad: [name: string, given: Tree, message: RegExp][] = [
  ['opted out', pod({ annotations: { 'postern.dev/inject': 'false' } }), /was not injected/],
  ['a mark instead of a device', pod({ annotations: { 'postern.dev/injected': 'true' } }), /was not injected/],
  [
    'the container of the service alone has a device',
    pod({
      spec: {
        containers: [{ name: 'a', resources: { limits: { 'sgx.intel.com/epc': '1Mi' } } }, { name: 'queue-proxy' }],
      },
    }),
    /was not injected/,
  ],
  ['no queue-proxy', pod({ spec: { containers: [{ name: 'a' }] } }), /wants a queue-proxy/],
  [
    'privilege',
    pod({ proxy: { resources: { limits: { 'sgx.intel.com/epc': '1Mi' } }, securityContext: { privileged: true } } }),
    /neither privilege nor root/,
  ],
  [
    'root',
    pod({ proxy: { resources: { limits: { 'sgx.intel.com/epc': '1Mi' } }, securityContext: { runAsUser: 0 } } }),
    /neither privilege nor root/,
  ],
]
for (const [name, given, message] of bad) {
  t.test(`refused: ${name}`, async t => t.match(failed(given).join('\n'), message))
}

t.test('only pods that have or ask for a proxy, in namespaces that want it', async t => {
  const looked = (labels?: object): boolean => {
    const cel = new Environment({ unlistedVariablesAreDyn: true })
    return spec.matchConditions.every(
      ({ expression }: Tree) => cel.evaluate(expression, { object: numbers({ metadata: { labels } }) }) === true,
    )
  }
  t.ok(looked({ 'serving.knative.dev/revision': 'a' }))
  t.ok(looked({ 'postern.dev/inject': 'true' }))
  for (const labels of [{ 'postern.dev/inject': 'false' }, { app: 'a' }, {}, undefined]) t.notOk(looked(labels))
  const binding = pick(readObjects('deploy/components/require/policy.yaml'), 'ValidatingAdmissionPolicyBinding').spec
  t.match(binding, {
    policyName: 'postern-require',
    validationActions: ['Deny'],
    matchResources: { namespaceSelector: { matchLabels: { 'postern.dev/inject': 'required' } } },
  })
})
