import { writeFileSync } from 'node:fs'
import t from 'tap'
import { measure } from '../../src/cli/measure.ts'
import { readPolicy } from '../../src/config/policy.ts'
import { command } from '../support/cli.ts'
import { at, authorKey, gramineSigstruct, makeSigstruct, signerOf } from '../support/sigstruct.ts'

const key = authorKey()
const { mrenclave, mrsigner } = gramineSigstruct

/** Files of a folder, by name. */
function files(folder: string, contents: Readonly<Record<string, Uint8Array>>): (name: string) => string {
  for (const [name, bytes] of Object.entries(contents)) writeFileSync(`${folder}/${name}`, bytes)
  return name => `${folder}/${name}`
}

t.test('as text, as JSON, as the entries of a policy', async t => {
  const of = files(t.testdir(), { sig: gramineSigstruct.bytes })
  const text = await command(['measure', of('sig')])
  t.equal(text.code, 0)
  t.equal(
    text.text,
    `Enclave
    MRENCLAVE:    ${mrenclave}
    MRSIGNER:     ${mrsigner}
    Product:      1, security version 3
    Attributes:   MODE64, mask 0xffffffffffffffff
    XFRM:         0x3, mask 0xfffffffffff9ff1b
    Misc select:  0x1, mask 0xffffffff
    Vendor:       other
    Date:         2026-03-14

Signed by the key with this MRSIGNER.
`,
  )
  const json = await command(['measure', of('sig'), '--json'])
  t.same(JSON.parse(json.text), {
    mrenclave,
    mrsigner,
    isvProdId: 1,
    isvSvn: 3,
    debug: false,
    attributes: { flags: '0x4', flagsMask: '0xffffffffffffffff', xfrm: '0x3', xfrmMask: '0xfffffffffff9ff1b' },
    miscSelect: '0x1',
    miscMask: '0xffffffff',
    cetAttributes: '0x0',
    cetMask: '0x0',
    isvFamilyId: '0'.repeat(32),
    isvExtProdId: '0'.repeat(32),
    vendor: 'other',
    swDefined: 0,
    date: '2026-03-14',
  })
  const entries = JSON.parse((await command(['measure', of('sig'), '--policy'])).text)
  t.same(entries, [{ mrenclave }, { mrsigner, isvProdId: 1, minIsvSvn: 3 }])
  const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
  const policy = { version: 1, name: 'mine', upstream, peers: { app: { enclaves: entries } } }
  t.match(readPolicy(Buffer.from(JSON.stringify(policy)), 'mine').upstream, { accepted: { enclaves: entries } })
})

t.test('what is not usual is shown where it is', async t => {
  const bytes = makeSigstruct(key, [
    [at.attributes, [0x86]],
    [at.cetAttributes, [1]],
    [at.isvFamilyId, [0xfa]],
    [at.isvExtProdId, [0xe0]],
  ])
  const of = files(t.testdir(), { sig: bytes })
  const { text } = await command(['measure', of('sig')])
  t.match(text, /Attributes: +DEBUG MODE64 KSS,/)
  t.match(text, /CET attributes: +0x1\n/)
  t.match(text, /Family id: +fa0/)
  t.match(text, /Ext\. product id: +e00/)
  t.match(text, /\nDEBUG: its host reads its memory\. Signed by/)
  t.match(await command(['measure', of('sig'), '--policy']), { code: 1, text: /DEBUG, .*; no policy entry for it$/ })
})

t.test('two of them', async t => {
  const of = files(t.testdir(), {
    sig: gramineSigstruct.bytes,
    again: gramineSigstruct.bytes,
    resigned: makeSigstruct(key),
    next: makeSigstruct(key, [
      [at.enclaveHash, [0xff]],
      [at.isvSvn, [4]],
      [at.attributesMask, [0]],
    ]),
  })
  const same = await command(['measure', of('sig'), of('again')])
  t.same(same, { code: 0, text: `The same: MRENCLAVE ${mrenclave}, MRSIGNER ${mrsigner}\n` })
  t.same(JSON.parse((await command(['measure', of('sig'), of('again'), '--json'])).text), {
    equal: true,
    differences: [],
  })
  const resigned = await command(['measure', of('sig'), of('resigned'), '--json'])
  t.equal(resigned.code, 1)
  t.same(JSON.parse(resigned.text), {
    equal: false,
    differences: [{ name: 'mrsigner', first: mrsigner, second: signerOf(key) }],
  })
  const next = await command(['measure', of('resigned'), of('next')])
  t.equal(next.code, 1)
  t.match(next.text, /^\S+resigned and \S+next differ in\n/)
  t.same(next.text.match(/^ {4}[a-zA-Z.]+:/gm), ['    mrenclave:', '    isvSvn:', '    attributes.flagsMask:'])
})

t.test('what is no SIGSTRUCT is refused by the name of its file', async t => {
  const broken = gramineSigstruct.bytes.slice()
  broken[at.enclaveHash] = 0
  const of = files(t.testdir(), { sig: gramineSigstruct.bytes, broken, short: new Uint8Array(3) })
  t.match(await command(['measure', of('broken')]), { code: 1, text: /broken: signature: does not verify/ })
  t.match(await command(['measure', of('sig'), of('short')]), { code: 1, text: /short: SIGSTRUCT: want 1808 bytes/ })
  t.match(await command(['measure', of('none')]), { code: 64, text: /none: ENOENT/ })
  t.match(await command(['measure']), { code: 64, text: /SIGSTRUCT is missing/ })
  t.match(await command(['measure', 'a', 'b', 'c']), { code: 64, text: /Unexpected argument 'c'/ })
  t.match(await command(['measure', 'a', '--json', '--policy']), { code: 64, text: /exclude each other/ })
  t.match(await command(['measure', 'a', 'b', '--policy']), { code: 64, text: /about one SIGSTRUCT/ })
})

t.test('an error of ours is no refusal', async t => {
  const io = { readFile: () => undefined as unknown as Uint8Array, write: () => {}, warn: () => {}, now: () => 0 }
  t.throws(() => measure({ verb: '', values: {}, positionals: ['x'] }, io), TypeError)
})
