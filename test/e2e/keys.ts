// Private keys stay in the process: watched where they are made, in everything that is printed and written, and at the ways
// by which a process's memory is read from outside.

import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { bundle } from '../../build/bundle.ts'
import { demo } from '../../src/config/policies.ts'
import { choosePorts, environment, probe, until } from '../support/process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const nodeFlags = JSON.parse(readFileSync(join(root, 'build/node-flags.json'), 'utf8')) as string[]
const watcher = new URL('../support/watch-keys.js', import.meta.url).href

/** A secret in every form in which it could stand in a text: bytes, hex, base64 in each of its three alignments. */
function forms(secret: Buffer): string[] {
  const aligned = [0, 1, 2].flatMap(shift => {
    const text = Buffer.concat([Buffer.alloc(shift), secret]).toString('base64')
    // Without what neighbours have a part in.
    const inner = text.slice(Math.ceil((shift * 4) / 3) + 1, -4)
    return [inner, inner.replaceAll('+', '-').replaceAll('/', '_')]
  })
  return [secret.toString('latin1'), secret.toString('hex'), secret.toString('hex').toUpperCase(), ...aligned]
}

t.test('what is looked for is found', async t => {
  const secret = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex')
  for (const shift of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(shift, 7), secret, Buffer.from('xyz')]).toString('base64')
    t.ok(
      forms(secret).some(form => text.includes(form)),
      `base64, ${shift} bytes on`,
    )
  }
})

t.test("the enclave's bundle with the demo's identity", async t => {
  const folder = t.testdir({ home: {}, program: {} })
  const home = join(folder, 'home')
  mkdirSync(join(home, 'tmp'))
  const program = join(folder, 'program', 'enclave.js')
  writeFileSync(program, (await bundle({ root, entry: 'test/support/enclave-demo.ts' })).text)
  const policy = join(folder, 'program', 'policy.json')
  writeFileSync(policy, demo)
  const ports = await choosePorts()
  const child = spawn(process.execPath, [...nodeFlags, '--import', watcher, program, '--policy', policy], {
    cwd: home,
    env: { ...environment(ports), HOME: home, TMPDIR: join(home, 'tmp') },
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  })
  const printed: string[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('latin1').on('data', (text: string) => printed.push(text))
  }
  let said = ''
  const told = child.stdio[3] as NonNullable<typeof child.stdout>
  told.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  t.teardown(() => child.kill('SIGKILL'))
  await until('it answers probes', async () => (await probe(ports.serving).catch(() => undefined)) !== undefined)
  await until('it shows a certificate', () => printed.join('').includes('certificate installed'))
  child.kill('SIGUSR2')
  await until('it tells what was watched', () => said.endsWith('\n'))
  const { keys, writes } = JSON.parse(said) as { keys: string[]; writes: string[] }

  t.test('writes no file', async t => {
    t.ok(keys.length > 0, `${keys.length} private keys were made`)
    t.same(writes, [])
    t.same(readdirSync(home, { recursive: true }), ['tmp'])
  })
  t.test('prints no key', async t => {
    const text = printed.join('')
    t.ok(text.length > 500)
    t.notMatch(text, 'PRIVATE KEY')
    for (const key of keys) {
      const found = forms(Buffer.from(key, 'base64url')).filter(form => text.includes(form))
      t.same(found, [])
    }
  })
  t.test('opens to no debugger', async t => {
    child.kill('SIGUSR1')
    // It hears the second signal after the first.
    child.kill('SIGUSR2')
    await until('it goes on', () => said.split('\n').length === 3)
    t.ok(await probe(ports.serving), 'and serves')
    t.notMatch(printed.join(''), /Debugger listening/)
  })
})

t.test('a debugger is opened by a signal, where Node may', async t => {
  for (const flags of [[], nodeFlags]) {
    const alive = 'setInterval(() => process.stdout.write("alive "), 20)'
    const child = spawn(process.execPath, [...flags, '--inspect-port=0', '-e', alive])
    t.teardown(() => child.kill('SIGKILL'))
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', text => {
      stdout += text
    })
    child.stderr.on('data', text => {
      stderr += text
    })
    await until('it runs', () => stdout !== '')
    child.kill('SIGUSR1')
    const listening = (): boolean => stderr.includes('Debugger listening')
    if (flags.length === 0) await until('the debugger listens', listening)
    else {
      const before = stdout.length
      await until('it goes on', () => listening() || stdout.length > before + 200)
      t.notOk(listening(), "not with the enclave's options")
    }
  }
})

t.test("Node's options for the enclave open no way to its memory", async t => {
  const open = /^--(?:inspect|heap|cpu-prof|prof|report|diagnostic|tls-keylog|trace|perf|debug|expose)/
  t.same(
    nodeFlags.filter(flag => open.test(flag)),
    [],
  )
  t.ok(nodeFlags.includes('--disable-sigusr1'))
})
