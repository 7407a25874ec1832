import t from 'tap'
import type { JsonObject } from '../../src/base/json.ts'
import { proxyPorts, servedBy } from '../../src/inject/serving.ts'

const container = (name: string, ...ports: object[]): JsonObject => ({ name, ports: ports as JsonObject[] })
const web = { name: 'web', containerPort: 8080 }
const admin = { name: 'admin', containerPort: 8081 }

const served: [name: string, containers: JsonObject[], asked: string | undefined, want: object][] = [
  ['the only port', [container('a', web)], undefined, { container: 'a', port: 8080, h2c: false }],
  [
    'the only port among containers',
    [container('log'), container('a', web)],
    undefined,
    { container: 'a', port: 8080 },
  ],
  ['by name', [container('a', web, admin)], 'admin', { port: 8081 }],
  ['by number', [container('a', web, admin)], '8080', { port: 8080 }],
  ['in whichever container', [container('a', web), container('b', admin)], 'admin', { container: 'b', port: 8081 }],
  ['not declared, in the only container', [container('a')], '3000', { container: 'a', port: 3000, h2c: false }],
  ['another than those declared', [container('a', web)], '3000', { container: 'a', port: 3000 }],
  ['UDP is not served', [container('a', web, { containerPort: 53, protocol: 'UDP' })], undefined, { port: 8080 }],
  ['HTTP/2 by the name of the port', [container('a', { name: 'h2c', containerPort: 5000 })], undefined, { h2c: true }],
]
for (const [name, containers, asked, want] of served) {
  t.test(`served: ${name}`, async t => {
    const reasons: string[] = []
    t.match(servedBy(containers, asked, reasons), want)
    t.same(reasons, [])
  })
}

t.test('served: not declared, where the pod has its proxy and a container more', async t => {
  const reasons: string[] = []
  t.match(servedBy([container('a'), container('mesh', admin)], '3000', reasons, true), { port: 3000 })
  t.same(reasons, [])
})

const unclear = /^annotation postern\.dev\/port: want name or number of one port of one container, of these: /
const refused: [name: string, containers: JsonObject[], asked: string | undefined, reason: RegExp][] = [
  ['no port', [container('a')], undefined, /of these: none$/],
  ['two ports', [container('a', web, admin)], undefined, /of these: a web, a admin$/],
  ['two containers with a port', [container('a', web), container('b', admin)], undefined, unclear],
  ['a name that two have', [container('a', web), container('b', { ...web, containerPort: 1 })], 'web', unclear],
  ['a name that nobody has', [container('a', web)], 'http', unclear],
  ['a number that nobody has, in one of two', [container('a', web), container('b')], '3000', unclear],
  ['no port number', [container('a')], '65536', unclear],
  ['nobody', [], '80', unclear],
]
for (const [name, containers, asked, reason] of refused) {
  t.test(`refused: ${name}`, async t => {
    const reasons: string[] = []
    t.equal(servedBy(containers, asked, reasons), undefined)
    t.match(reasons, [reason])
  })
}

t.test("refused: the proxy's ports, whichever container declares them, or the pod asks for", async t => {
  for (const port of proxyPorts) {
    const reasons: string[] = []
    servedBy([container('a', web), container('b', { containerPort: port })], 'web', reasons)
    t.match(reasons, [new RegExp(`^b: port ${port}: the proxy's`)])
    const asked: string[] = []
    servedBy([container('a')], String(port), asked)
    t.match(asked, [/is the proxy's/])
  }
})

t.test('refused: a port of the node, which would lead past the proxy', async t => {
  const reasons: string[] = []
  servedBy([container('a', { ...web, hostPort: 80 })], undefined, reasons)
  t.match(reasons, [/^a: port 8080: hostPort leads past the proxy/])
})
