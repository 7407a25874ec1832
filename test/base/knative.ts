import t from 'tap'
import { header, isHealthCheck, isKubeletProbe } from '../../src/base/knative.ts'

const checks: [userAgent: string | undefined, expected: boolean][] = [
  ['kube-probe/1.34', true],
  ['kube-probe/', true],
  ['kube-probe', false],
  ['Kube-Probe/1.34', false],
  ['Knative-Activator-Probe', true],
  ['Knative-Activator-Probe/2', true],
  ['knative-activator-probe', false],
  ['Knative-Autoscaling-Probe', true],
  ['Knative-Ingress-Probe', false],
  ['Knative-Queue-Proxy-Probe', false],
  [' kube-probe/1', false],
  ['curl/8', false],
  ['', false],
  [undefined, false],
]
for (const [userAgent, expected] of checks) {
  t.test(`the user agent ${JSON.stringify(userAgent)} is ${expected ? 'a' : 'no'} health check`, async t => {
    t.equal(isHealthCheck(userAgent), expected)
  })
}

const probes: [name: string, userAgent: string | undefined, kubeletProbe: string | undefined, expected: boolean][] = [
  ['the kubelet itself', 'kube-probe/1.34', undefined, true],
  ['the header with anything in it', 'curl/8', 'x', true],
  ['the header, empty', 'curl/8', '', false],
  ['the activator', 'Knative-Activator-Probe', undefined, false],
  ['neither', undefined, undefined, false],
]
for (const [name, userAgent, kubeletProbe, expected] of probes) {
  t.test(`${name} is ${expected ? 'a' : 'no'} kubelet probe`, async t => {
    t.equal(isKubeletProbe(userAgent, kubeletProbe), expected)
  })
}

t.test('field names are spelled as lookups need them', async t => {
  for (const name of Object.values(header)) t.equal(name, name.toLowerCase())
})
