import t from 'tap'
import { readOverrides } from '../../src/inject/overrides.ts'
import { options } from '../support/pods.ts'

const mi = 1024n * 1024n

function read(annotations: Record<string, unknown>, changes: object = {}) {
  const reasons: string[] = []
  const settings = readOverrides(annotations as never, ['user-container', 'other'], options(changes), reasons)
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
  ['memory', { 'postern/epc': '1Gi', 'postern/memory': '2Gi' }, {}, { epc: 1024n * mi, memory: 2048n * mi }],
  ['at the bounds', { 'postern/epc': '128Mi', 'postern/memory': '4Gi' }, {}, { epc: 128n * mi, memory: 4096n * mi }],
  ['a policy of the list', { 'postern/policy': 'strict' }, policy, { policy: 'strict' }],
  ['opting out', { 'postern/inject': 'false' }, {}, { inject: false }],
  ['said as it is', { 'postern/inject': 'true' }, { optOut: false }, { inject: true }],
  [
    'containers of its own',
    { 'postern/aesm-containers': 'other, user-container,other' },
    aesm,
    { aesmContainers: ['other', 'user-container'] },
  ],
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
    { 'postern/epc': '127Mi' },
    {},
    /^annotation postern\/epc: want a quantity from 128Mi to 2Gi, .*got "127Mi"$/,
  ],
  ['more than allowed', { 'postern/memory': '5Gi' }, {}, /from 384Mi to 4Gi/],
  ['no quantity', { 'postern/epc': 'lots' }, {}, /got "lots"/],
  ['no string', { 'postern/epc': 5 }, {}, /want a string, got 5/],
  ['a typing error', { 'postern/epcs': '1Gi' }, {}, /not known; did you mean postern\/epc\?/],
  ['neither true nor false', { 'postern/inject': 'no' }, {}, /"true" or "false"/],
  ['opting out where nobody may', { 'postern/inject': 'false' }, { optOut: false }, /lets nobody opt out/],
  ['a policy not on the list', { 'postern/policy': 'mine' }, policy, /\(usual, strict\), got "mine"/],
  ['a policy where there is none', { 'postern/policy': 'mine' }, {}, /\(none\)/],
  ['the socket where nobody may have it', { 'postern/aesm-containers': 'other' }, {}, /operator allows none/],
  ['the socket without a service', { 'postern/aesm-containers': 'other' }, { aesm: null }, /operator allows none/],
  ['the socket for a stranger', { 'postern/aesm-containers': 'queue-proxy' }, aesm, /containers of this pod/],
]
for (const [name, annotations, changes, reason] of refused) {
  t.test(`refused: ${name}`, async t => {
    const { reasons } = read(annotations, changes)
    t.equal(reasons.length, 1)
    t.match(reasons[0], reason)
  })
}

t.test('every reason at once', async t => {
  t.equal(read({ 'postern/epc': 'x', 'postern/memory': 'y', 'postern/z': 'z' }).reasons.length, 3)
})

t.test('what somebody writes at length is not repeated at length', async t => {
  t.match(read({ 'postern/epc': 'x'.repeat(10_000) }).reasons, [/^.{1,200}$/])
  t.match(read({ [`postern/${'x'.repeat(1_000_000)}`]: '' }).reasons, [/^annotation postern\/x{63}…: not known$/])
  const many = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`postern/x${i}`, '']))
  t.equal(read(many).reasons.length, 20)
})
