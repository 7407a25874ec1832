import { spawnSync } from 'node:child_process'
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { type Credential, chainPem } from '../../../src/identity/credential.ts'
import { files, filesPresent, knativeFolder, readCredential } from '../../../src/identity/sources/files.ts'
import { generateKey, issue } from '../../../src/identity/x509.ts'
import { dates, eventually, FakeClock, makeCredential, makeRoot } from '../../support/identity.ts'

const keyPem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' })

async function write(folder: string, credential: Credential, key: KeyObject = credential.key): Promise<void> {
  await writeFile(join(folder, 'tls.crt'), chainPem(credential.chain))
  await writeFile(join(folder, 'tls.key'), keyPem(key))
}

/** Follows a folder; tick() lets one interval pass and waits until that look has ended. */
function follow(folder: string, intervalMs?: number, clock = new FakeClock()) {
  const stop = new AbortController()
  const got: Credential[] = []
  const faults: string[] = []
  const source = files({ folder, clock, ...(intervalMs === undefined ? {} : { intervalMs }) })
  const consume = async (): Promise<void> => {
    for await (const credential of source.credentials(stop.signal, fault => faults.push(fault.message)))
      got.push(credential)
  }
  const done = consume()
  const looked = () => eventually(() => clock.pending === 1)
  const tick = async (ms = 60_000) => {
    await clock.advance(ms)
    await looked()
  }
  const end = async () => {
    stop.abort()
    await done
    t.equal(clock.pending, 0)
  }
  return { clock, got, faults, looked, tick, end, source }
}

t.test('the pair of the moment is read for whoever shows it to somebody else', async t => {
  const folder = t.testdir({})
  const credential = await makeCredential()
  await write(folder, credential)
  const read = readCredential(folder, new FakeClock().now())
  t.same(read.chain.map(Buffer.from), credential.chain.map(Buffer.from))
  t.equal(read.keyOrigin, 'file')
  t.throws(() => readCredential(join(folder, 'nowhere'), 0), { code: 'credential-invalid' })
})

t.test('both files or nothing', async t => {
  const folder = t.testdir({})
  t.equal(filesPresent(folder), false)
  t.equal(filesPresent(join(folder, 'nowhere')), false)
  await writeFile(join(folder, 'tls.crt'), '')
  t.equal(filesPresent(folder), false)
  await writeFile(join(folder, 'tls.key'), '')
  t.equal(filesPresent(folder), true)
  await rm(join(folder, 'tls.key'))
  await mkdir(join(folder, 'tls.key'))
  t.throws(() => filesPresent(folder), { code: 'credential-invalid' }, 'what is there but cannot be read is no absence')
  t.equal(knativeFolder, '/var/lib/knative/certs')
})

t.test('the pair now, and again only when its content changes', async t => {
  const folder = t.testdir({})
  const first = await makeCredential()
  await write(folder, first)
  const run = follow(folder)
  await run.looked()
  t.equal(run.source.name, 'files')
  t.equal(run.got.length, 1)
  t.match(run.got[0], { keyOrigin: 'file', notBefore: dates.notBefore, notAfter: dates.notAfter })
  t.ok(run.got[0]?.key.equals(first.key))
  await run.tick()
  await write(folder, first)
  await run.tick()
  t.equal(run.got.length, 1, 'written again, but the same')
  await write(folder, await makeCredential())
  await run.tick(59_999)
  t.equal(run.got.length, 1)
  await run.tick(1)
  t.equal(run.got.length, 2)
  t.strictSame(run.faults, [])
  await run.end()
})

t.test('the interval is a parameter', async t => {
  const folder = t.testdir({})
  await write(folder, await makeCredential())
  const run = follow(folder, 5)
  await run.looked()
  await write(folder, await makeCredential())
  await run.tick(5)
  t.equal(run.got.length, 2)
  await run.end()
})

t.test('a bad or half-written pair keeps the old one and is reported once; its repair ends the trouble', async t => {
  const folder = t.testdir({})
  const good = await makeCredential()
  const run = follow(folder)
  await run.looked()
  t.match(run.faults, [/ENOENT/], 'not there yet')
  await write(folder, good)
  await run.tick()
  t.equal(run.got.length, 1)

  const bad: [name: string, make: () => Promise<void>, message: RegExp][] = [
    ['key of another', () => write(folder, good, generateKey().privateKey), /key does not fit/],
    ['half a key', () => writeFile(join(folder, 'tls.key'), keyPem(good.key).slice(0, 99)), /no private key/],
    [
      'half a certificate',
      () => writeFile(join(folder, 'tls.crt'), chainPem(good.chain).slice(0, 99)),
      /no certificate/,
    ],
    [
      'not base64 of a certificate',
      () => writeFile(join(folder, 'tls.crt'), chainPem([Buffer.of(1, 2)])),
      /not a cert/,
    ],
    ['empty', () => writeFile(join(folder, 'tls.crt'), ''), /no certificate/],
    ['too large', () => writeFile(join(folder, 'tls.crt'), Buffer.alloc(65_537)), /more than 65536 bytes/],
    ['gone', () => rm(join(folder, 'tls.crt')), /ENOENT/],
  ]
  for (const [name, make, message] of bad) {
    await write(folder, good)
    await run.tick()
    const [before, delivered] = [run.faults.length, run.got.length]
    await make()
    await run.tick()
    await run.tick()
    t.equal(run.faults.length, before + 1, `${name}: once`)
    t.match(run.faults.at(-1), message, name)
    t.equal(run.got.length, delivered, `${name}: nothing delivered`)
  }
  await write(folder, good)
  await run.tick()
  t.ok(run.got.at(-1)?.key.equals(good.key), 'the old pair, back again, is delivered anew')
  await run.end()
})

t.test("the kubelet's symlink swap is followed", async t => {
  const folder = t.testdir({ one: {}, two: {} })
  const [one, two] = [await makeCredential(), await makeCredential()]
  await write(join(folder, 'one'), one)
  await write(join(folder, 'two'), two)
  await symlink('one', join(folder, '..data'))
  await symlink('..data/tls.crt', join(folder, 'tls.crt'))
  await symlink('..data/tls.key', join(folder, 'tls.key'))
  t.equal(filesPresent(folder), true)
  const run = follow(folder)
  await run.looked()
  await symlink('two', join(folder, '..data_tmp'))
  await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  await run.tick()
  t.strictSame(
    run.got.map(({ key }) => [key.equals(one.key), key.equals(two.key)]),
    [
      [true, false],
      [false, true],
    ],
  )
  await run.end()
})

t.test('swapped all the time, certificate and key still come from one generation', async t => {
  const folder = t.testdir({ a: {}, b: {} })
  await write(join(folder, 'a'), await makeCredential())
  await write(join(folder, 'b'), await makeCredential())
  await symlink('a', join(folder, '..data'))
  await symlink('..data/tls.crt', join(folder, 'tls.crt'))
  await symlink('..data/tls.key', join(folder, 'tls.key'))
  const run = follow(folder, 1)
  await run.looked()
  for (let swaps = 0; swaps < 40; swaps += 1) {
    const advancing = run.tick(1)
    await symlink(swaps % 2 === 0 ? 'b' : 'a', join(folder, '..tmp'))
    await rename(join(folder, '..tmp'), join(folder, '..data'))
    await advancing
  }
  await run.tick(1)
  t.ok(run.got.length > 10)
  t.strictSame(run.faults, [])
  await run.end()
})

t.test('the chain comes in file order, comments between blocks aside', async t => {
  const folder = t.testdir({})
  const root = await makeRoot()
  const key = generateKey()
  const leaf = await issue({ ...dates, subject: { commonName: 'leaf' }, issuer: root, publicKey: key.publicKey })
  const text = `# leaf\r\n${chainPem([leaf]).replaceAll('\n', '\r\n')}\n# root\n${chainPem([root.certificate])}`
  await writeFile(join(folder, 'tls.crt'), text)
  await writeFile(join(folder, 'tls.key'), key.privateKey.export({ type: 'sec1', format: 'pem' }))
  const run = follow(folder)
  await run.looked()
  t.strictSame(
    run.got[0]?.chain.map(der => Buffer.from(der)),
    [leaf, root.certificate].map(der => Buffer.from(der)),
  )
  await run.end()
})

const missing = spawnSync('openssl', ['version']).error ? 'no openssl on this machine' : false
for (const algorithm of ['rsa:2048', 'ec', 'ed25519']) {
  t.test(`${algorithm} keys`, { skip: missing }, async t => {
    const folder = t.testdir({})
    const [crt, key] = [join(folder, 'tls.crt'), join(folder, 'tls.key')]
    const curve = algorithm === 'ec' ? ['-pkeyopt', 'ec_paramgen_curve:P-256'] : []
    const args = [
      'req',
      '-x509',
      '-newkey',
      algorithm,
      ...curve,
      '-nodes',
      '-subj',
      '/CN=a',
      '-keyout',
      key,
      '-out',
      crt,
    ]
    t.equal(spawnSync('openssl', args).status, 0)
    const run = follow(folder, undefined, new FakeClock(Date.now() + 1000))
    await run.looked()
    t.strictSame(run.faults, [])
    t.equal(run.got.length, 1)
    await run.end()
  })
}

t.test('an encrypted key is no key', async t => {
  const folder = t.testdir({})
  await write(folder, await makeCredential())
  const { privateKey } = generateKeyPairSync('ed25519')
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'x' })
  t.throws(() => createPrivateKey(pem))
  await writeFile(join(folder, 'tls.key'), pem)
  const run = follow(folder)
  await run.looked()
  t.match(run.faults, [/no private key that can be read/])
  await run.end()
})
