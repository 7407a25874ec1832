// The CA's key in a file: nowhere but where both measured words say that it is sealed, and the same key for whoever comes
// back to it.

import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readCrl } from '../../src/attest/crl.ts'
import { systemClock } from '../../src/base/clock.ts'
import type { KeyPlace } from '../../src/config/provision.ts'
import { IssuingAuthority } from '../../src/provision/authority.ts'
import { keyFileOf, readKeyFile, writeKeyFile } from '../../src/provision/key-file.ts'
import { complaint } from '../support/outcome.ts'
import { call, json, makeOptions, startCa, unlock } from '../support/provision.ts'

const folder = '/var/lib/postern-ca'
const sealed: KeyPlace = { folder, sealedTo: 'mrenclave', dangerPlainFile: false }
const toSigner: KeyPlace = { ...sealed, sealedTo: 'mrsigner' }
const plain: KeyPlace = { ...sealed, dangerPlainFile: true }

t.test('a file is used where options, command line and enclave agree, and nowhere else', async t => {
  const file = `${folder}/ca.key`
  const cases: [
    name: string,
    place: KeyPlace | undefined,
    said: string | undefined,
    enclave: boolean,
    want: string | RegExp | undefined,
  ][] = [
    ['in memory', undefined, undefined, true, undefined],
    ['sealed for the measurement', sealed, `mrenclave:${folder}`, true, file],
    ['sealed for the signer', toSigner, `mrsigner:${folder}`, true, file],
    ['plain, by name of a danger', plain, undefined, false, file],
    ['no enclave', sealed, undefined, false, /this is no enclave: nothing seals \/var\/lib\/postern-ca here/],
    ['no enclave, whatever the command line says', sealed, `mrenclave:${folder}`, false, /this is no enclave/],
    [
      'a manifest that says nothing',
      sealed,
      undefined,
      true,
      /--sealed mrenclave:\/var\/lib\/postern-ca\), got nothing/,
    ],
    ['another folder', sealed, 'mrenclave:/data', true, /got mrenclave:\/data/],
    ['for the signer, where the options say the measurement', sealed, `mrsigner:${folder}`, true, /got mrsigner:/],
    ['a mount that nobody wants', undefined, `mrenclave:${folder}`, true, /want source "sealed"/],
    ['plain in an enclave', plain, `mrenclave:${folder}`, true, /dangerPlainFile: not in an enclave/],
  ]
  for (const [name, place, said, enclave, want] of cases) {
    if (want instanceof RegExp)
      t.match(
        complaint(() => keyFileOf(place, said, enclave)),
        want,
        name,
      )
    else t.equal(keyFileOf(place, said, enclave), want, name)
  }
})

const stored = () => ({
  pkcs8: Uint8Array.of(1, 2),
  certificate: Uint8Array.of(3),
  platformSalt: new Uint8Array(32).fill(4),
})

t.test('what is written comes back, for its owner alone, and is never written over', async t => {
  const path = join(t.testdir(), 'ca.key')
  t.equal(readKeyFile(path), undefined)
  writeKeyFile(path, stored())
  t.same(readKeyFile(path), stored())
  t.equal(statSync(path).mode & 0o777, 0o600)
  const before = readFileSync(path)
  t.match(
    complaint(() => writeKeyFile(path, { ...stored(), certificate: Uint8Array.of(9) })),
    /cannot be written \(EEXIST\)/,
  )
  t.same(readFileSync(path), before)
  t.match(
    complaint(() => writeKeyFile(join(path, 'below'), stored())),
    /cannot be written \(ENOTDIR\): mount a volume/,
  )
})

t.test('a file that cannot be used stops the start, and is not replaced', async t => {
  const folder = t.testdir({ junk: 'junk', long: 'x'.repeat(20_000), directory: {} })
  const path = (name: string): string => join(folder, name)
  writeKeyFile(path('salt'), { ...stored(), platformSalt: Uint8Array.of(4) })
  writeFileSync(path('two'), Buffer.from('a2014101024102', 'hex'))
  const other = await IssuingAuthority.create({ ...makeOptions(), clock: systemClock, keyFile: path('other') })
  writeKeyFile(path('mixed'), {
    ...(readKeyFile(path('other')) ?? stored()),
    certificate: (await IssuingAuthority.create({ ...makeOptions(), clock: systemClock })).certificate,
  })
  writeKeyFile(path('no-key'), { ...stored(), certificate: other.certificate })
  const cases: [name: string, why: RegExp][] = [
    ['junk', /junk: evidence|junk: credential-invalid/],
    ['long', /want at most 16384 bytes/],
    ['directory', /EISDIR; sealed by another enclave/],
    ['salt', /a salt of 32 bytes/],
    ['two', /want key, certificate and salt/],
    ['mixed', /want a certificate of the key that is in it/],
    ['no-key', /no-key: .*; where nothing brings it back, take it away/],
  ]
  for (const [name, message] of cases) {
    const before = name === 'directory' ? undefined : readFileSync(path(name))
    const opened = IssuingAuthority.create({ ...makeOptions(), clock: systemClock, keyFile: path(name) })
    await t.rejects(opened, { code: 'credential-invalid', message }, name)
    if (before) t.same(readFileSync(path(name)), before)
  }
  const renamed = { ...makeOptions(), trustDomain: 'c2.example.org', clock: systemClock, keyFile: path('other') }
  await t.rejects(IssuingAuthority.create(renamed), { message: /want the key of .* in spiffe:\/\/c2\.example\.org/ })
})

t.test('who comes back has the same key and root, is locked all the same, and its lists go on counting', async t => {
  const keyFile = join(t.testdir(), 'ca.key')
  const first = await startCa({ keyFile })
  const state = async (port: number) => json(await call(port, { method: 'GET', path: '/v1/state' }))
  const bundle = async (port: number) => (await call(port, { method: 'GET', path: '/v1/bundle' })).body.toString()
  t.equal((await unlock(first.port)).status, 204)
  const [was, root] = [await state(first.port), await bundle(first.port)]
  await first.drain()
  const second = await startCa({ keyFile })
  t.teardown(() => second.drain())
  const is = await state(second.port)
  t.match(is, { locked: true, ca: was['ca'] })
  t.not(is['boot'], was['boot'])
  t.equal(await bundle(second.port), root)
  const inMemory = await startCa()
  t.teardown(() => inMemory.drain())
  t.not((await state(inMemory.port))['ca'], was['ca'])
})

t.test('the numbers of its lists rise over a restart', async t => {
  const keyFile = join(t.testdir(), 'ca.key')
  const numberOf = async (at: number): Promise<bigint> => {
    const clock = { ...systemClock, now: () => at }
    const authority = await IssuingAuthority.create({ ...makeOptions(), clock, keyFile })
    await authority.revocationList([])
    return readCrl(await authority.revocationList([]), 'list').number
  }
  const at = Date.now()
  const before = await numberOf(at)
  t.ok((await numberOf(at + 5_000)) > before)
})

t.test('what tells machines apart stays what it was', async t => {
  const keyFile = join(t.testdir(), 'ca.key')
  const options = { ...makeOptions(), clock: systemClock, keyFile }
  const [first, second] = [await IssuingAuthority.create(options), await IssuingAuthority.create(options)]
  t.same(second.platformSalt, first.platformSalt)
  t.same(second.certificate, first.certificate)
  t.ok(existsSync(keyFile))
})
