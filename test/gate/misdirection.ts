import t from 'tap'
import type { RequestHead } from '../../src/gate/contract.ts'
import { misdirection } from '../../src/gate/misdirection.ts'

const service = { namespace: 'shop', name: 'cart' }
const hosts = ['cart.example', 'cart.shop.svc.cluster.local']

function head(fields: Record<string, string>, target = '/'): RequestHead {
  const from = { address: '10.0.0.1', secure: true }
  return { method: 'GET', target, version: '1.1', from, upgrade: false, header: name => fields[name] }
}

const rows: [name: string, fields: Record<string, string>, ours: boolean, target?: string][] = [
  ['a host of ours', { host: 'cart.example' }, true],
  ['a host of ours, with a port and in capitals', { host: 'CART.example:8443' }, true],
  ['a host of somebody else', { host: 'other.example' }, false],
  ['no host', {}, false],
  ['an original host of ours', { host: 'cart.example', 'k-original-host': 'cart.shop.svc.cluster.local' }, true],
  ['an original host of somebody else', { host: 'cart.example', 'k-original-host': 'other.example' }, false],
  ['an absolute form to somebody else', { host: 'cart.example' }, false, 'http://other.example/'],
  ['an absolute form to us', { host: 'other.example' }, true, 'http://cart.example/'],
  ['our namespace', { host: 'cart.example', 'knative-serving-namespace': 'shop' }, true],
  ['another namespace', { host: 'cart.example', 'knative-serving-namespace': 'bank' }, false],
  ['a revision of ours', { host: 'cart.example', 'knative-serving-revision': 'cart-00012' }, true],
  ['a revision of another service', { host: 'cart.example', 'knative-serving-revision': 'carts-00012' }, false],
]

for (const [name, fields, ours, target] of rows) {
  t.test(`${name} is ${ours ? 'ours' : 'answered 421'}`, async t => {
    const reply = misdirection({ service, hosts })?.(head(fields, target))
    t.equal(reply?.status, ours ? undefined : 421)
    t.equal(reply?.close ?? false, !ours)
  })
}

t.test('without a service in the policy only hosts are compared', async t => {
  const rule = misdirection({ service: undefined, hosts })
  t.equal(rule?.(head({ host: 'cart.example', 'knative-serving-namespace': 'bank' })), undefined)
  t.equal(rule?.(head({ host: 'x' }))?.status, 421)
})

t.test('without hosts any host is ours', async t => {
  const rule = misdirection({ service, hosts: [] })
  t.equal(rule?.(head({ host: 'x', 'knative-serving-namespace': 'shop' })), undefined)
})

t.test('a policy that says neither has no rule', async t => {
  t.equal(misdirection({ service: undefined, hosts: [] }), undefined)
})
