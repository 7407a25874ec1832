import t from 'tap'
import { type JsonObject, readJson } from '../../src/base/json.ts'
import { forbidden, harden } from '../../src/inject/security.ts'

const object = (value: object): JsonObject => readJson(JSON.stringify(value)) as JsonObject

const whole = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
}

const refused: [name: string, container: object, pod: object, what: string][] = [
  ['privileged', { privileged: true }, {}, 'privileged'],
  ['escalation', { allowPrivilegeEscalation: true }, {}, 'allowPrivilegeEscalation'],
  ['a root that can be written', { readOnlyRootFilesystem: false }, {}, 'readOnlyRootFilesystem'],
  ['root by permission', { runAsNonRoot: false }, {}, 'runAsNonRoot'],
  ['root by number', { runAsUser: 0 }, {}, 'runAsUser'],
  ['root by the pod', {}, { runAsUser: 0 }, 'runAsUser'],
  ['a capability', { capabilities: { add: ['SYS_RAWIO'], drop: ['ALL'] } }, {}, 'capabilities.add'],
  ['no filter of system calls', { seccompProfile: { type: 'Unconfined' } }, {}, 'seccompProfile.type'],
  ['no AppArmor', { appArmorProfile: { type: 'Unconfined' } }, {}, 'appArmorProfile.type'],
  ['no AppArmor, by the pod', {}, { appArmorProfile: { type: 'Unconfined' } }, 'appArmorProfile.type'],
  ['an open /proc', { procMount: 'Unmasked' }, {}, 'procMount'],
]
for (const [name, container, pod, what] of refused) {
  t.test(`refused: ${name}`, async t => {
    const reasons = forbidden(object({ securityContext: container }), object(pod))
    t.equal(reasons.length, 1)
    t.match(reasons[0], `securityContext.${what}:`)
  })
}

const hardened: [name: string, container: object, pod: object, result: object][] = [
  ['nothing said', {}, {}, whole],
  ['all said', whole, {}, whole],
  ['what is said besides stays', { ...whole, runAsUser: 1000 }, {}, { ...whole, runAsUser: 1000 }],
  [
    'some dropped',
    { ...whole, capabilities: { drop: ['KILL'] } },
    {},
    { ...whole, capabilities: { drop: ['KILL', 'ALL'] } },
  ],
  [
    'a profile of the node',
    { ...whole, seccompProfile: { type: 'Localhost', localhostProfile: 'a' } },
    {},
    { ...whole, seccompProfile: { type: 'Localhost', localhostProfile: 'a' } },
  ],
  ['the pod opened seccomp', {}, { seccompProfile: { type: 'Unconfined' } }, whole],
]
for (const [name, container, pod, result] of hardened) {
  t.test(`hardened: ${name}`, async t => {
    const given = object({ securityContext: container })
    t.same(forbidden(given, object(pod)), [])
    t.same(harden(given, object(pod))['securityContext'], result)
  })
}

t.test("the pod's own word is enough", async t => {
  const pod = object({ runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } })
  const { runAsNonRoot: _, seccompProfile: __, ...rest } = whole
  t.same(harden(object({}), pod)['securityContext'], rest)
})

t.test('refused: the provisioning key, since quotes are made out of process', async t => {
  const resources = { limits: { 'sgx.intel.com/provision': '1' } }
  t.match(forbidden(object({ resources, securityContext: whole }), object({})), [/sgx\.intel\.com\/provision/])
})
