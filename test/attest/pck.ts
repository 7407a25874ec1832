import t from 'tap'
import { readCertificate } from '../../src/attest/certificate.ts'
import type { Platform } from '../../src/attest/evidence.ts'
import { readPlatform } from '../../src/attest/pck.ts'
import { parseQuote } from '../../src/attest/quote.ts'
import { der, ecKeys, makeCertificate, sgxExtension, sgxField, sgxFields } from '../support/certificates.ts'
import { realBytes, realEvidenceMissing, realQuotes } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const keys = ecKeys()
const certify = async (value: Uint8Array) =>
  readCertificate(await makeCertificate({ name: 'x', keys, extensions: [{ oid: sgxExtension().oid, value }] }))
const read = async (value: Uint8Array) => readPlatform(await certify(value))

t.test('a platform CA names everything', async t => {
  t.same(await read(sgxExtension({ fmspc: '00606a000000' }).value), {
    ppid: '50'.repeat(16),
    piid: '49'.repeat(16),
    fmspc: '00606a000000',
    pceId: '0000',
    sgxType: 'scalable',
    configuration: { dynamicPlatform: true, cachedKeys: true, smtEnabled: true },
    components: [7, 7, 7, 7, 7, 7, 7, 7, 0, 0, 0, 0, 0, 0, 0, 0],
    pceSvn: 13,
  } satisfies Platform)
})

t.test('a processor CA names no instance and no configuration', async t => {
  t.match(await read(sgxExtension({ processor: true }).value), { piid: undefined, configuration: undefined })
})

t.test('numbers are unsigned', async t => {
  const components = Array.from({ length: 16 }, (_, i) => (i % 2 === 0 ? 255 : 128))
  for (const pceSvn of [0, 127, 128, 255, 256, 0x7fff, 0x8000, 0xffff]) {
    t.match(await read(sgxExtension({ components, pceSvn }).value), { components, pceSvn })
  }
})

t.test('the three types of SGX, and no fourth', async t => {
  const names = ['standard', 'scalable', 'scalable-with-integrity']
  for (const [sgxType, name] of names.entries()) {
    t.equal((await read(sgxExtension({ sgxType }).value)).sgxType, name)
  }
  const odd = await certify(sgxExtension({ sgxType: 3 }).value)
  t.match(
    complaint(() => readPlatform(odd)),
    'SGX type: want 0 to 2, got 3',
  )
})

t.test('fields that Intel may add are skipped; a flag that is absent is off', async t => {
  const fields = sgxFields().slice(0, 6)
  const flags = sgxField([7], der(0x30, sgxField([7, 2], der(0x01, [0xff])), sgxField([7, 9], der(0x05))))
  const platform = await read(der(0x30, ...fields, flags, sgxField([8], der(0x05))))
  t.same(platform.configuration, { dynamicPlatform: false, cachedKeys: true, smtEnabled: false })
})

const all = sgxFields()
const without = (index: number) => der(0x30, ...all.filter((_, i) => i !== index))
const instead = (index: number, field: Uint8Array) => der(0x30, ...all.map((each, i) => (i === index ? field : each)))
const octets = (length: number) => der(0x04, new Uint8Array(length))
const tcb = (change: (fields: Uint8Array[]) => Uint8Array[]) => {
  const zero = Array.from({ length: 16 }, (_, i) => sgxField([2, i + 1], der(0x02, [0])))
  const fields = [...zero, sgxField([2, 17], der(0x02, [0])), sgxField([2, 18], octets(16))]
  return instead(1, sgxField([2], der(0x30, ...change(fields))))
}
const with_ = (at: number, field: Uint8Array) => (fields: Uint8Array[]) =>
  fields.map((each, i) => (i === at ? field : each))

const refused: [name: string, value: Uint8Array, message: string | RegExp][] = [
  ['nothing', new Uint8Array(), '1.2.840.113741.1.13.1: want 1 bytes'],
  ['no PPID', without(0), '.1 is missing'],
  ['no TCB', without(1), '.2 is missing'],
  ['no PCE id', without(2), '.3 is missing'],
  ['no FMSPC', without(3), '.4 is missing'],
  ['no SGX type', without(4), '.5 is missing'],
  ['a PPID of 15 bytes', instead(0, sgxField([1], octets(15))), 'PPID: want 16 bytes, got 15'],
  ['a PCE id of 3 bytes', instead(2, sgxField([3], octets(3))), 'PCE id: want 2 bytes'],
  ['an FMSPC of 7 bytes', instead(3, sgxField([4], octets(7))), 'FMSPC: want 6 bytes'],
  ['an instance of 0 bytes', instead(5, sgxField([6], octets(0))), 'platform instance id: want 16 bytes'],
  ['a PPID that is text', instead(0, sgxField([1], der(0x0c, octets(14)))), 'PPID: want tag 0x4'],
  ['a field twice', der(0x30, ...all, all[3] ?? octets(0)), '.4 is repeated'],
  ['a field of another arc', instead(0, der(0x30, der(0x06, [0x2a, 3]), octets(16))), 'does not belong there'],
  ['a field with two values', instead(0, sgxField([1], Buffer.concat([octets(16), octets(1)]))), 'trailing'],
  ['bytes behind', Buffer.concat([sgxExtension().value, octets(0)]), 'SGX extension: 2 trailing bytes'],
  ['16 components, one left out', tcb(fields => fields.slice(1)), '.2.1 is missing'],
  ['no PCE svn', tcb(fields => fields.filter((_, i) => i !== 16)), '.2.17 is missing'],
  ['no CPU svn', tcb(fields => fields.slice(0, 17)), '.2.18 is missing'],
  ['a component twice', tcb(fields => [...fields, fields[3] ?? octets(0)]), '.2.4 is repeated'],
  ['a component of 256', tcb(with_(2, sgxField([2, 3], der(0x02, [1, 0])))), /^component 3: want at most 255, got 256/],
  ['a negative component', tcb(with_(2, sgxField([2, 3], der(0x02, [0x80])))), /^component 3: want a non-negative/],
  ['a PCE svn of 65536', tcb(with_(16, sgxField([2, 17], der(0x02, [1, 0, 0])))), 'PCE svn: want at most 65535'],
  ['a CPU svn that says something else', tcb(with_(2, sgxField([2, 3], der(0x02, [1])))), 'not the components'],
  ['a flag of 1', instead(6, sgxField([7], der(0x30, sgxField([7, 1], der(0x01, [1]))))), 'want a boolean'],
]
for (const [name, value, message] of refused) {
  t.test(`${name}: refused`, async t => {
    const certificate = await certify(value)
    t.match(
      complaint(() => readPlatform(certificate)),
      message,
    )
    t.equal(
      outcome(() => readPlatform(certificate)),
      'certificate-malformed',
    )
  })
}

t.test('a certificate without the extension is of no platform', async t => {
  const certificate = readCertificate(await makeCertificate({ name: 'x', keys }))
  t.match(
    complaint(() => readPlatform(certificate)),
    'no SGX extension',
  )
})

t.test('real platforms', { skip: realEvidenceMissing }, async t => {
  for (const name of [...realQuotes, 'tdx-v4-phala-b0c06f']) {
    const want = JSON.parse(Buffer.from(realBytes(`${name}/expected.json`)).toString('utf8')).expected
    const platform = readPlatform(readCertificate(parseQuote(realBytes(`${name}/quote.bin`)).pckChain[0]))
    t.equal(platform.fmspc, want.fmspc)
    t.equal(platform.pceId, want.pceid)
    t.equal(platform.pceSvn, want.pck_pcesvn)
    t.equal(Buffer.from(platform.components).toString('hex'), want.pck_cpusvn)
    t.equal(platform.piid === undefined, want.pck_issuer === 'processor')
    t.equal(platform.sgxType, ['standard', 'scalable'][want.pck_sgx_type])
  }
})
