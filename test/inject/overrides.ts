import t from 'tap'
import { readOverrides } from '../../src/inject/overrides.ts'
import { options } from '../support/pods.ts'

const mi = 1024n * 1024n

function read(
  annotations: Record<string, unknown>,
  { containers = ['user-container', 'other'], ...changes }: { containers?: string[] } = {},
) {
  const reasons: string[] = []
  const settings = readOverrides(annotations as never, containers, options(changes), undefined, reasons)
  return { settings, reasons }
}

const policy = { policy: { configMap: 'usual', allow: ['strict'] } }
const aesm = { aesm: { userContainers: true } }

const followed: [name: string, annotations: Record<string, string>, changes: object, settings: object][] = [
  [
    'nothing asked',
    {},
    policy,
    { inject: true, epc: 256n * mi, memory: 512n * mi, policy: 'usual', aesmContainers: [] },
  ],
  ['memory', { 'postern.dev/epc': '1Gi', 'postern.dev/memory': '2Gi' }, {}, { epc: 1024n * mi, memory: 2048n * mi }],
  [
    'at the bounds',
    { 'postern.dev/epc': '128Mi', 'postern.dev/memory': '4Gi' },
    {},
    { epc: 128n * mi, memory: 4096n * mi },
  ],
  ['a policy of the list', { 'postern.dev/policy-configmap': 'strict' }, policy, { policy: 'strict' }],
  ['opting out', { 'postern.dev/inject': 'false' }, {}, { inject: false }],
  ['said as it is', { 'postern.dev/inject': 'true' }, { optOut: false }, { inject: true }],
  [
    'containers of its own',
    { 'postern.dev/aesm-containers': 'other, user-container,other' },
    aesm,
    { aesmContainers: ['other', 'user-container'] },
  ],
  ['a signed policy is for the proxy', { 'postern.dev/policy': 'eyJ' }, {}, { policy: undefined }],
  ["other people's annotations", { 'posterns/epc': '9', 'serving.knative.dev/creator': 'a' }, {}, { inject: true }],
]
for (const [name, annotations, changes, settings] of followed) {
  t.test(`followed: ${name}`, async t => {
    const found = read(annotations, changes)
    t.same(found.reasons, [])
    t.match(found.settings, settings)
  })
}

const refused: [name: string, annotations: Record<string, unknown>, changes: object, reason: RegExp][] = [
  [
    'less than allowed',
    { 'postern.dev/epc': '127Mi' },
    {},
    /^annotation postern\.dev\/epc: want a quantity from 128Mi to 2Gi, .*got "127Mi"$/,
  ],
  ['more than allowed', { 'postern.dev/memory': '5Gi' }, {}, /from 384Mi to 4Gi/],
  ['no quantity', { 'postern.dev/epc': 'lots' }, {}, /got "lots"/],
  ['no string', { 'postern.dev/epc': 5 }, {}, /want a string, got 5/],
  ['a typing error', { 'postern.dev/epcs': '1Gi' }, {}, /not known; did you mean postern\.dev\/epc\?/],
  ['neither true nor false', { 'postern.dev/inject': 'no' }, {}, /"true" or "false"/],
  ['opting out where nobody may', { 'postern.dev/inject': 'false' }, { optOut: false }, /lets nobody opt out/],
  ['a policy not on the list', { 'postern.dev/policy-configmap': 'mine' }, policy, /\(usual, strict\), got "mine"/],
  ['a policy where there is none', { 'postern.dev/policy-configmap': 'mine' }, {}, /\(none\)/],
  ['the socket where nobody may have it', { 'postern.dev/aesm-containers': 'other' }, {}, /operator allows none/],
  ['the socket without a service', { 'postern.dev/aesm-containers': 'other' }, { aesm: null }, /operator allows none/],
  [
    'the socket for more than a pod has use for',
    { 'postern.dev/aesm-containers': Array.from({ length: 33 }, (_, i) => `c${i}`).join() },
    { ...aesm, containers: Array.from({ length: 33 }, (_, i) => `c${i}`) },
    /at most 32 containers of this pod/,
  ],
  [
    'the socket for one container again and again, and then another',
    { 'postern.dev/aesm-containers': `${'other,'.repeat(33)}queue-proxy` },
    aesm,
    /at most 32 containers of this pod/,
  ],
  ['the socket for a stranger', { 'postern.dev/aesm-containers': 'queue-proxy' }, aesm, /containers of this pod/],
]
for (const [name, annotations, changes, reason] of refused) {
  t.test(`refused: ${name}`, async t => {
    const { reasons } = read(annotations, changes)
    t.equal(reasons.length, 1)
    t.match(reasons[0], reason)
  })
}

t.test('what Knative says of a revision, an annotation says of any other pod', async t => {
  const given = options({ sidecar: { image: 'a', concurrency: { default: 5 } } })
  const reasons: string[] = []
  const read = (annotations: object) =>
    readOverrides(annotations as never, [], given, given.sidecar ?? undefined, reasons)
  t.same(read({}).sidecar, { port: undefined, concurrency: 5, timeoutSeconds: 300 })
  const asked = { 'postern.dev/port': 'web', 'postern.dev/concurrency': '0', 'postern.dev/timeout-seconds': '600' }
  t.same(read(asked).sidecar, { port: 'web', concurrency: 0, timeoutSeconds: 600 })
  t.same(reasons, [])
  read({ 'postern.dev/concurrency': '1001', 'postern.dev/timeout-seconds': '-1', 'postern.dev/ports': '1' })
  t.match(reasons, [
    /not known; did you mean postern\.dev\/port\?/,
    /from 0 to 1000, .*"1001"/,
    /from 1 to 600, .*"-1"/,
  ])
})

t.test('every reason at once', async t => {
  t.equal(read({ 'postern.dev/epc': 'x', 'postern.dev/memory': 'y', 'postern.dev/z': 'z' }).reasons.length, 3)
})

t.test('what somebody writes at length is not repeated at length', async t => {
  t.match(read({ 'postern.dev/epc': 'x'.repeat(10_000) }).reasons, [/^.{1,200}$/])
  t.match(read({ [`postern.dev/${'x'.repeat(1_000_000)}`]: '' }).reasons, [
    /^annotation postern\.dev\/x{63}…: not known$/,
  ])
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`postern.dev/x${i}`, '']))
  t.equal(read(many).reasons.length, 20)
})
