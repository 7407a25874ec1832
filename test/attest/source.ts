import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { bindClaims } from '../../src/attest/bind.ts'
import { openQuoteSource, realTeePresent, timedQuoteSource } from '../../src/attest/source.ts'
import { measurement } from '../../src/demo/tee.ts'
import { makeTee, mrenclave, refusingTee } from '../support/evidence.ts'
import { complaint, outcome } from '../support/outcome.ts'

const code = 'tee-unavailable'
const data = bindClaims(Uint8Array.of(1))
const quote = await makeTee().quote(data)

/** A folder that stands in for Gramine's; a file is left out where its content is undefined. */
function stand(folder: string, files: Record<string, Uint8Array | string | undefined> = {}): string {
  const info = new Uint8Array(512)
  info.set(mrenclave)
  const all = { attestation_type: 'dcap', my_target_info: info, user_report_data: '', quote, ...files }
  for (const [name, content] of Object.entries(all)) {
    if (content !== undefined) writeFileSync(join(folder, name), content)
  }
  return folder
}

t.test('report data is written, the quote read and compared', async t => {
  const folder = stand(t.testdir())
  t.equal(realTeePresent(folder), true)
  const source = openQuoteSource(folder)
  t.equal(source.synthetic, false)
  t.same(source.mrenclave, mrenclave)
  t.same(await source.quote(data), quote)
  t.same(new Uint8Array(readFileSync(join(folder, 'user_report_data'))), new Uint8Array(data))
})

const closed: [name: string, files: Record<string, Uint8Array | string | undefined>, message: string][] = [
  ['no attestation at all', { attestation_type: undefined }, 'attestation_type: ENOENT'],
  ['attestation switched off', { attestation_type: 'none' }, 'attestation_type: want dcap, got "none"'],
  ['another kind', { attestation_type: 'dcap\n' }, 'want dcap'],
  ['no target info', { my_target_info: undefined }, 'my_target_info: ENOENT'],
  ['a short target info', { my_target_info: new Uint8Array(32) }, 'my_target_info: want 512 bytes, got 32'],
]
for (const [name, files, message] of closed) {
  t.test(`${name}: the source does not open`, async t => {
    const folder = stand(t.testdir(), files)
    t.equal(
      outcome(() => openQuoteSource(folder)),
      code,
    )
    t.match(
      complaint(() => openQuoteSource(folder)),
      message,
    )
    t.equal(realTeePresent(folder), 'my_target_info' in files)
  })
}

const lies: [name: string, files: Record<string, Uint8Array | string | undefined>, message: string][] = [
  ['no quote', { quote: undefined }, 'quote: ENOENT'],
  ['an empty quote', { quote: '' }, 'quote: quote-malformed'],
  ['a quote that is none', { quote: new Uint8Array(5000) }, 'quote: quote-malformed'],
  ['a quote beyond 8192 bytes', { quote: new Uint8Array(8193) }, 'want at most 8192 bytes, got 8193'],
  [
    'a quote for other report data',
    { quote: await makeTee().quote(bindClaims(Uint8Array.of(2))) },
    'other report data',
  ],
  [
    'a quote of another enclave',
    { quote: await makeTee({ mrenclave: measurement('x') }).quote(data) },
    'another enclave',
  ],
]
for (const [name, files, message] of lies) {
  t.test(`${name}: refused`, async t => {
    const source = openQuoteSource(stand(t.testdir(), files))
    await t.rejects(source.quote(data), { code, message: new RegExp(message) })
  })
}

t.test('report data that cannot be written, or not at once, is no report data', async t => {
  const folder = stand(t.testdir(), { user_report_data: undefined })
  mkdirSync(join(folder, 'user_report_data'))
  await t.rejects(openQuoteSource(folder).quote(data), { code, message: /user_report_data: EISDIR/ })
})

t.test("Gramine's own folder is the default", async t => {
  t.equal(realTeePresent(), false)
  t.equal(
    outcome(() => openQuoteSource()),
    code,
  )
})

t.test('a source remembers when it last gave a quote, and only then', async t => {
  let now = 1000
  const tee = makeTee()
  const source = timedQuoteSource(tee, () => now)
  t.match(source, { tee: 'sgx', synthetic: true, mrenclave: tee.mrenclave })
  t.equal(source.quotedAt(), undefined)
  t.match((await source.quote(data)).subarray(0, 2), Uint8Array.of(3, 0))
  t.equal(source.quotedAt(), 1000)
  now = 2000
  t.equal(source.quotedAt(), 1000)
  await source.quote(data)
  t.equal(source.quotedAt(), 2000)
  const refusing = timedQuoteSource(refusingTee('no'), () => now)
  await t.rejects(refusing.quote(data), { code })
  t.equal(refusing.quotedAt(), undefined)
})

t.test('of a long word in the place of dcap only the beginning is told', async t => {
  const folder = stand(t.testdir(), { attestation_type: 'x'.repeat(100) })
  t.match(
    complaint(() => openQuoteSource(folder)),
    new RegExp(`got "${'x'.repeat(16)}"$`),
  )
})

t.test('a quote of 8192 bytes is taken', async t => {
  const padded = Buffer.concat([quote, new Uint8Array(8192 - quote.length)])
  t.equal((await openQuoteSource(stand(t.testdir(), { quote: padded })).quote(data)).length, 8192)
})

t.test('no file stays open', { skip: !existsSync('/proc/self/fd') && 'no /proc here' }, async t => {
  const source = openQuoteSource(stand(t.testdir()))
  await source.quote(data)
  const before = readdirSync('/proc/self/fd').length
  for (let i = 0; i < 5; i++) await source.quote(data)
  t.equal(readdirSync('/proc/self/fd').length, before)
})
