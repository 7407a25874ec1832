import t from 'tap'
import { importGramine } from '../../../src/cli/import/gramine.ts'

const hex = 'ab'.repeat(32)
const other = 'cd'.repeat(32)
const good = {
  RA_TLS_MRENCLAVE: 'any',
  RA_TLS_MRSIGNER: hex.toUpperCase(),
  RA_TLS_ISV_PROD_ID: '7',
  RA_TLS_ISV_SVN: '3',
}
const bytesOf = (variables: Record<string, string | undefined>) =>
  Buffer.from(
    Object.entries(variables)
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => `${name}=${value}\n`)
      .join(''),
  )
const read = (changes: Record<string, string | undefined> = {}) => importGramine(bytesOf({ ...good, ...changes }))
const left = (changes: Record<string, string | undefined>) => read(changes).notCarried.map(({ what }) => what)

t.test('a product of a signer', async t => {
  t.same(read(), {
    peers: { app: { enclaves: [{ mrsigner: hex, isvProdId: 7, minIsvSvn: 3 }], tcb: { profile: 'strict' } } },
    notCarried: [],
  })
  t.match(read({ RA_TLS_ISV_SVN: 'any' }).peers, { app: { enclaves: [{ minIsvSvn: 0 }] } })
})

t.test('a measurement, whoever signed it', async t => {
  const { peers, notCarried } = read({ RA_TLS_MRENCLAVE: other })
  t.match(peers, { app: { enclaves: [{ mrenclave: other }] } })
  t.match(notCarried, [
    { what: 'RA_TLS_MRSIGNER', why: /compares a measurement alone/ },
    { what: 'RA_TLS_ISV_PROD_ID' },
    { what: 'RA_TLS_ISV_SVN' },
  ])
  const any = { RA_TLS_MRSIGNER: 'any', RA_TLS_ISV_PROD_ID: 'any', RA_TLS_ISV_SVN: 'any' }
  t.same(left({ RA_TLS_MRENCLAVE: other, ...any }), [])
})

t.test('platforms: no more than Gramine accepts', async t => {
  const [outdated, configuration, hardening] = [
    'RA_TLS_ALLOW_OUTDATED_TCB_INSECURE',
    'RA_TLS_ALLOW_HW_CONFIG_NEEDED',
    'RA_TLS_ALLOW_SW_HARDENING_NEEDED',
  ]
  const rows: [on: string[], profile: string, left: (string | RegExp)[]][] = [
    [[hardening], 'swHardeningOk', ['advisories of platforms that need software hardening']],
    [[configuration], 'strict', ['platforms that are ConfigurationNeeded']],
    [[outdated], 'strict', ['platforms that are OutOfDate', outdated]],
    [
      [configuration, hardening],
      'swHardeningOk',
      ['platforms that are ConfigurationNeeded', 'platforms that are ConfigurationAndSWHardeningNeeded', /^advisories/],
    ],
    [[outdated, configuration, hardening], 'dangerOutOfDate', [outdated]],
  ]
  for (const [on, profile, notCarried] of rows) {
    const changes = Object.fromEntries(on.map(name => [name, '1']))
    t.match(read(changes).peers, { app: { tcb: { profile } } })
    t.match(left(changes), notCarried)
    t.equal(left(changes).length, notCarried.length)
  }
  t.match(left({ [hardening]: 'true' }), [`${hardening}=true`])
  t.match(read({ [hardening]: 'true' }).peers, { app: { tcb: { profile: 'strict' } } })
})

t.test('debug enclaves are a danger by name', async t => {
  t.match(read({ RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE: '1' }).peers, { app: { dangerAllowDebug: true } })
  t.equal(read({ RA_TLS_ALLOW_DEBUG_ENCLAVE_INSECURE: '0' }).peers['app']?.dangerAllowDebug, undefined)
})

t.test('variables of no counterpart are listed', async t => {
  t.same(left({ RA_TLS_CERT_TIMESTAMP_NOT_AFTER: '20301231235959' }), ['RA_TLS_CERT_TIMESTAMP_NOT_AFTER'])
})

t.test('dumps of every kind', async t => {
  const whole = read()
  const lines = Object.entries(good)
  const dumps: [name: string, text: string][] = [
    ['env', `PATH=/bin\n${lines.map(([name, value]) => `${name}=${value}`).join('\n')}\nHOME=/\n`],
    ['/proc/PID/environ', `PATH=/bin\0${lines.map(([name, value]) => `${name}=${value}`).join('\0')}\0`],
    ['export -p', lines.map(([name, value]) => `declare -x ${name}="${value}"`).join('\n')],
    ['a script', `#!/bin/sh\n${lines.map(([name, value]) => `export ${name}='${value}'`).join('\r\n')}`],
    ['the same twice', [...lines, ...lines].map(([name, value]) => `${name}=${value}`).join('\n')],
  ]
  for (const [name, text] of dumps) t.same(importGramine(Buffer.from(text)), whole, name)
})

const refused: [name: string, changes: Record<string, string | undefined>, message: RegExp][] = [
  [
    'a measurement that is not set',
    { RA_TLS_MRENCLAVE: undefined },
    /^RA_TLS_MRENCLAVE is not set, so Gramine accepts nobody; set it/,
  ],
  ['a version that is not set', { RA_TLS_ISV_SVN: undefined }, /^RA_TLS_ISV_SVN is not set/],
  ['everybody', { RA_TLS_MRSIGNER: 'any' }, /"any": everybody would be accepted/],
  [
    'every product of a signer',
    { RA_TLS_ISV_PROD_ID: 'any' },
    /^RA_TLS_ISV_PROD_ID is "any", and a policy names one product/,
  ],
  ['half a measurement', { RA_TLS_MRENCLAVE: 'ab' }, /^RA_TLS_MRENCLAVE: want 64 hex digits or "any", got "ab"/],
  ['a product that is none', { RA_TLS_ISV_PROD_ID: '0x1' }, /^RA_TLS_ISV_PROD_ID: want a number up to 65535/],
  ['a version too high', { RA_TLS_ISV_SVN: '65536' }, /^RA_TLS_ISV_SVN: want a number up to 65535/],
]
for (const [name, changes, message] of refused) {
  t.test(`${name}: refused, with the way out`, async t => t.throws(() => read(changes), { code: 'usage', message }))
}
t.test('what is no dump', async t => {
  t.throws(() => importGramine(Buffer.from('{}')), { code: 'usage', message: /^no RA_TLS_ variable in it/ })
  const two = Buffer.concat([bytesOf(good), bytesOf({ RA_TLS_ISV_SVN: '1' })])
  t.throws(() => importGramine(two), { message: 'RA_TLS_ISV_SVN is there twice, with two values' })
})
