import t from 'tap'
import { brokeOff, hostNames, isProbe, maxWords, methodOf, methods, routeTags } from '../../src/observe/labels.ts'
import { head } from '../support/gate.ts'
import { refused, serving, summaryOf } from './summary.js'

const probes: [name: string, fields: string[], expected: boolean][] = [
  ['the kubelet', ['User-Agent', 'kube-probe/1.34'], true],
  ['whoever says that the kubelet probes', ['K-Kubelet-Probe', 'x'], true],
  ['any network probe', ['K-Network-Probe', 'x'], true],
  ['an empty field is none', ['K-Network-Probe', '', 'K-Kubelet-Probe', ''], false],
  ['the autoscaler without its header', ['User-Agent', 'Knative-Autoscaling-Probe'], false],
  ['nobody', [], false],
]
for (const [name, fields, expected] of probes) {
  t.test(`a probe: ${name}`, async t => t.equal(isProbe(head({ fields })), expected))
}

t.test('a method is one of nine, or another', async t => {
  const of = (method: string) => methods[methodOf(head({ method }))]
  t.same(['GET', 'get', 'PATCH', 'PROPFIND', ''].map(of), ['GET', 'GET', 'PATCH', '_OTHER', '_OTHER'])
})

t.test('a host is a name of ours, or another', async t => {
  const hosts = hostNames(serving, ['Shop.Example'])
  const of = (host: string) => hosts.words[hosts.of(head({ fields: ['Host', host] }))]
  t.same(
    ['cart.shop', 'CART.shop.svc:8080', 'cart-00001.shop.svc.cluster.local', 'shop.example:', 'evil', '', 'cart'].map(
      of,
    ),
    ['cart.shop', 'cart.shop.svc', 'cart-00001.shop.svc.cluster.local', 'shop.example', '_other', '_other', '_other'],
  )
  t.equal(hosts.words[hosts.of(head())], '_other')
  t.equal(hostNames({ ...serving, service: '' }, []).words.length, 4)
})

const names = { disabled: 'off', byDefault: 'default', undefined: 'undefined' }
const tagged = (tag: string | undefined, byDefault?: string) =>
  head({
    fields: [
      ...(tag === undefined ? [] : ['Knative-Serving-Tag', tag]),
      ...(byDefault === undefined ? [] : ['Knative-Serving-Default-Route', byDefault]),
    ],
  })

const tags: [name: string, tag: string | undefined, byDefault: string | undefined, free: string, closed: string][] = [
  ['no tag', undefined, undefined, 'off', 'off'],
  ['an empty tag', '', '', 'off', 'off'],
  ['the default route', undefined, 'true', 'default', 'default'],
  ['the default route, whatever it says', '', 'x', 'default', 'default'],
  ['a tag that fell back', 'blue', 'true', 'undefined', 'undefined'],
  ['a tag', 'blue', 'false', 'blue', '_other'],
  ['a tag alone', 'green', undefined, 'green', '_other'],
]
for (const [name, tag, byDefault, free, closed] of tags) {
  t.test(`the route: ${name}`, async t => {
    for (const [words, expected] of [
      [routeTags(names, true), free],
      [routeTags(names, false), closed],
    ] as const) {
      t.equal(words.words[words.of(tagged(tag, byDefault))], expected)
      t.equal(words.words[words.of(tagged(tag, byDefault))], expected, 'again')
    }
  })
}

t.test('tags beyond a number are others', async t => {
  const words = routeTags(names, true)
  const numbers = Array.from({ length: 100 }, (_, i) => words.of(tagged(`t${i}`)))
  t.equal(words.words.length, maxWords)
  t.equal(Math.max(...numbers), maxWords - 1)
  t.equal(numbers.at(-1), 0)
  t.equal(words.of(tagged('t0')), numbers[0])
})

t.test('a response that broke off is one that had begun', async t => {
  t.equal(brokeOff(summaryOf({ end: 'upstream-failed' })), true)
  t.equal(brokeOff(summaryOf({ end: 'cut' })), true)
  t.equal(brokeOff(summaryOf({ end: 'cut', status: 101 })), false, 'a tunnel ends as it ends')
  t.equal(brokeOff(summaryOf({ end: 'client-left' })), false)
  t.equal(brokeOff(summaryOf({ ...refused, end: 'upstream-failed' })), false)
  t.equal(brokeOff(summaryOf()), false)
})
