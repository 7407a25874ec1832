// The proxy under Gramine itself, where `gramine-direct` is on PATH: the rendered manifest, the laid out files, the bundle.
// `npm run test:gramine` runs it alone. Gramine refuses what the manifest does not list, so a file or a variable that is
// missing there is found here. Each start hashes Node and takes seconds; nothing is timed.

import { spawnSync } from 'node:child_process'
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { join } from 'node:path'
import { connect as tlsConnect } from 'node:tls'
import t, { type Test } from 'tap'
import { type DirectEnclave, directMissing } from '../../gramine/direct.ts'
import { demo } from '../../src/config/policies.ts'
import { variables } from '../../src/config/variables.ts'
import { demoStranger } from '../../src/demo/enclaves.ts'
import { demoCredential } from '../../src/demo/function.ts'
import { withKeyPem } from '../../src/identity/credential.ts'
import { gramine, nodeFlags } from '../support/bundled.ts'
import { bytesOf, startContainer as startWatched } from '../support/engine-containers.ts'
import {
  ahead,
  askKernelForTime,
  demoProgram,
  keyProgram,
  mountSealed,
  newEnclave,
  noSteps,
  startEnclave,
} from '../support/gramine-direct.ts'
import {
  ask,
  choosePorts,
  type Environment,
  environment,
  type Ports,
  probe,
  repository,
  type Started,
  start,
  until,
} from '../support/process.ts'
import { open, startContainer, startDemoContainer } from '../support/process-inside.ts'
import { listen } from '../support/sockets.ts'

// What a program writes to stderr, Gramine writes to stdout.

/** A start hashes and zeroes hundreds of megabytes first. */
const startMs = 60_000

const missing = directMissing()
const skip = missing !== undefined && `NOT TESTED UNDER GRAMINE: ${missing}`

const signing = {
  skip: spawnSync('gramine-sgx-sign', ['--help']).error ? 'NOT TESTED: no gramine-sgx-sign on PATH' : false,
}

async function serving(t: Test, enclave: DirectEnclave, env: Environment): Promise<Started> {
  const started = startEnclave(t, enclave, env)
  const port = Number(env['QUEUE_SERVING_PORT'])
  await until(
    'the enclave serves',
    async () => {
      if (started.exited()) throw new Error(`the enclave has gone: ${started.stdout()}${started.stderr()}`)
      return (await probe(port).catch(() => undefined))?.status === 200
    },
    startMs,
  )
  return started
}

t.test('under Gramine', { skip, timeout: 600_000 }, async t => {
  t.test('what the manifest allows, and what it does not', async t => {
    const program = readFileSync(join(repository, 'test/support/gramine-facts.js'), 'utf8')
    const enclave = await newEnclave(t, { program })
    writeFileSync(join(enclave.tree, 'etc/podinfo/labels'), 'app="hello"')
    enclave.measure()
    const env = environment(await choosePorts(), { NODE_OPTIONS: '--inspect', LD_PRELOAD: '/lib/x.so', HOME: '/root' })
    const run = startEnclave(t, enclave, env)
    t.match(await run.exit, { code: 0, signal: null }, run.stdout())
    const { manifest, lacks } = JSON.parse(run.stdout())
    const measured = ['LD_LIBRARY_PATH', 'MALLOC_ARENA_MAX', 'NODE_ENV', 'TZ', 'UV_THREADPOOL_SIZE', 'UV_USE_IO_URING']
    const given = variables.filter(name => Object.hasOwn(env, name))
    t.same(manifest, {
      functionsWithoutEnd: 'RangeError',
      jsonWithoutEnd: 'RangeError',
      uid: 65532,
      gid: 65532,
      cwd: '/app',
      execArgv: nodeFlags.join(' '),
      environment: [...measured, ...given].toSorted().join(' '),
      policy: true,
      names: '127.0.0.1 localhost\n::1 localhost\n',
      untrusted: 'EACCES',
      hostFile: 'ENOENT',
      hostProgram: 'ENOENT',
      mounted: 'app="hello"',
      notMounted: 'ENOENT',
      writeProgram: 'EACCES',
      writeBesideIt: 'EACCES',
      writeTmp: 'done',
      openMany: 5_000,
      child: 'EAGAIN',
      attestation: 'ENOENT',
    })

    const native = spawnSync(process.execPath, [...nodeFlags, '--import', gramine, '-e', program], { encoding: 'utf8' })
    t.same(JSON.parse(native.stdout).lacks, lacks, 'what stands in for Gramine in other tests does as Gramine does')
  })

  t.test(
    'sign.sh signs, postern measure reads, Gramine agrees, and the same again gives the same bytes',
    signing,
    async t => {
      const enclave = await newEnclave(t)
      const at = (name: string): string => join(enclave.tree, 'app', name)
      const key = generateKeyPairSync('rsa', { modulusLength: 3072, publicExponent: 3 }).privateKey
      writeFileSync(at('key.pem'), key.export({ type: 'pkcs1', format: 'pem' }))
      enclave.prepare('sh', '/app/sign.sh', '/app/key.pem')
      const first = readFileSync(at('postern.sig'))
      enclave.prepare('sh', '/app/sign.sh', '/app/key.pem')
      t.ok(first.equals(readFileSync(at('postern.sig'))))

      const seen = JSON.parse(
        enclave.prepare('gramine-sgx-sigstruct-view', '--output-format', 'json', '/app/postern.sig'),
      )
      const measured = start(t, ['measure', at('postern.sig'), '--json'])
      t.match(await measured.exit, { code: 0 })
      t.match(JSON.parse(measured.stdout()), {
        mrenclave: seen.mr_enclave,
        mrsigner: seen.mr_signer,
        isvProdId: seen.isv_prod_id,
        isvSvn: seen.isv_svn,
      })
      t.match(await start(t, ['manifest', 'lint', at('postern.manifest.sgx')]).exit, { code: 0 })
    },
  )

  t.test('a program with another byte does not start', async t => {
    const enclave = await newEnclave(t)
    enclave.measure()
    const file = join(enclave.tree, 'app/enclave.js')
    writeFileSync(file, `${readFileSync(file, 'utf8')} `)
    const run = startEnclave(t, enclave, environment(await choosePorts()))
    const { code } = await run.exit
    t.ok(code !== 0 && code !== null, `exit code ${code}`)
    t.match(run.stdout(), /^(?!\{)/, 'not a line of ours')
  })

  t.test('without SGX there is no evidence, and a policy that asks for it does not start', async t => {
    const upstream = { mode: 'attested', trust: 'measurement', freshness: 'none', accept: 'app' }
    const peers = { app: { enclaves: [{ mrenclave: 'ab'.repeat(32) }] } }
    const enclave = await newEnclave(t, { policy: JSON.stringify({ version: 1, name: 'mine', upstream, peers }) })
    enclave.measure()
    const run = startEnclave(t, enclave, environment(await choosePorts()))
    t.match(await run.exit, { code: 1 })
    t.match(run.stdout(), /^policy mine needs an SGX enclave/)
  })

  t.test('the very bytes that ship', async t => {
    const enclave = await newEnclave(t)
    mount(join(enclave.tree, 'var/lib/knative/certs'), await mountedPair())
    enclave.measure()
    await shipped(t, enclave)
  })

  t.test('a clock that the host sets ahead by an hour, and back', { skip: noSteps() }, async t => {
    const enclave = await newEnclave(t)
    askKernelForTime(enclave)
    enclave.measure()
    await stepped(t, enclave)
  })

  t.test('with synthetic evidence on both sides', async t => {
    const enclave = await newEnclave(t, { program: await demoProgram(300), policy: demo })
    enclave.measure()
    await attested(t, enclave)
  })
})

/** Behind a stepped clock timers wait for the time to come again, so this one is not used for anything else. */
async function stepped(t: Test, enclave: DirectEnclave): Promise<void> {
  const ports = await choosePorts()
  const container = await startContainer(t, ports.user)
  const proxy = await serving(t, enclave, environment(ports))
  const held = ask(ports.serving, { path: '/hold' })
  await until('it is in the container', () => container.held() === 1)
  const back = await ahead(proxy.pid, 3_600)
  t.match(await ask(ports.serving), { status: 200, body: 'hello' }, 'what comes then is served')
  container.release()
  t.match(await held, { status: 200, body: 'held' }, 'what is under way is not late, though Gramine has no other clock')
  await back()
  t.match(await ask(ports.serving), { status: 200, body: 'hello' }, 'and so is what comes when it is back')
  t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  t.notOk(proxy.exited())
}

async function shipped(t: Test, enclave: DirectEnclave): Promise<void> {
  const echo = createServer((message, response) => message.pipe(response))
  const ports = { ...(await choosePorts()), user: await listen(t, echo) }
  const proxy = await serving(t, enclave, environment(ports, { POSTERN_MAX_CONNECTIONS: '2000' }))
  const port = ports.serving

  t.test('it serves, and so do its side ports', async t => {
    t.match(await ask(port, { method: 'POST', body: 'through' }), { status: 200, body: 'through' })
    t.match(await probe(port), { status: 200, body: 'queue' })
    t.match(await ask(ports.autoscaler, { path: '/metrics' }), { status: 200 })
  })

  t.test('the certificate that the kubelet mounted is on the TLS port', async t => {
    t.match(await ask(ports.tls, { tls: true, method: 'POST', body: 'over TLS' }), { status: 200, body: 'over TLS' })
  })

  t.test('a body of 1 MiB, both ways', async t => {
    const sent = randomBytes(512 * 1024).toString('hex')
    const { status, body } = await ask(port, { method: 'POST', body: sent })
    t.equal(status, 200)
    t.equal(sha256(body), sha256(sent))
  })

  t.test('idle connections, more than Gramine allows by itself: they stay, and others are served', async t => {
    const idle = Array.from({ length: 1_500 }, () => open(t, port))
    for (const each of idle) each.send('GET /idle HTTP/1.1\r\nHost: hello\r\n\r\n')
    await until('all have an answer', () => idle.every(each => each.text().includes(' 200 ')), startMs)
    t.match(await ask(port, { method: 'POST', body: 'beside them' }), { status: 200, body: 'beside them' })
    t.match(await probe(port), { status: 200 })
    t.notOk(idle.some(each => each.ended()))
    for (const each of idle) each.socket.destroy()
  })

  t.test('more connections than may be: those beyond are closed, and room comes back', async t => {
    const crowd = Array.from({ length: 2_200 }, () => open(t, port))
    for (const each of crowd) each.send('GET /crowd HTTP/1.1\r\nHost: hello\r\n\r\n')
    const told = () => crowd.filter(each => each.text().includes(' 200 ')).length
    const gone = () => crowd.filter(each => each.ended()).length
    await until('everybody knows', () => told() + gone() === crowd.length, startMs)
    t.ok(told() >= 1_900 && told() <= 2_000, `${told()} served`)
    for (const each of crowd) each.socket.destroy()
    await until('room', async () => (await ask(port).catch(() => undefined))?.status === 200)
  })

  t.test('nesting without end in what the host sets ends in a sentence, not in a crash', async t => {
    const observability = '['.repeat(50_000)
    const run = startEnclave(t, enclave, environment(await choosePorts(), { OBSERVABILITY_CONFIG: observability }))
    t.match(await run.exit, { code: 1 })
    t.match(run.lines().at(-1), { severity: 'fatal', code: 'environment-invalid' })
  })

  t.test('TERM: it serves for the quiet period, then ends by itself with 0', async t => {
    proxy.signal('SIGTERM')
    await until('probes fail', async () => (await probe(port)).status === 503)
    t.match(await ask(port, { method: 'POST', body: 'late' }), { status: 200, body: 'late' })
    t.match(await proxy.exit, { code: 0, signal: null })
    t.equal(proxy.lines().at(-1)?.['message'], 'Shutdown complete, exiting...')
  })
}

/** As the kubelet mounts: the folder's files are links through another link, which it swaps to replace all at once. */
function mount(folder: string, files: Readonly<Record<string, string>>): void {
  mkdirSync(join(folder, '..2026'))
  symlinkSync('..2026', join(folder, '..data'))
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(folder, '..2026', name), text)
    symlinkSync(`..data/${name}`, join(folder, name))
  }
}

async function mountedPair(): Promise<Record<string, string>> {
  const credential = await demoCredential(demoStranger())
  return withKeyPem(credential, ({ key, cert }) => ({ 'tls.crt': String(cert), 'tls.key': String(key) }))
}

async function attested(t: Test, enclave: DirectEnclave): Promise<void> {
  const ports = await choosePorts()
  const proxy = startEnclave(t, enclave, environment(ports))
  const told = () => {
    if (proxy.exited()) throw new Error(`the enclave has gone: ${proxy.stdout()}${proxy.stderr()}`)
    return proxy.stdout().includes('certificate installed')
  }
  await until('it has a certificate', told, startMs)

  await t.test('where nobody is, nobody is reached', async t => {
    t.match(await ask(ports.tls, { tls: true }), { status: 502, body: /connection refused/ })
  })

  await t.test('a stranger in the place of the container gets zero bytes', async t => {
    const stranger = await startWatched(ports.user, await demoCredential(demoStranger()))
    t.match(await ask(ports.tls, { tls: true, path: '/secret' }), { status: 502, body: /mrenclave/ })
    t.ok(stranger.connections() > 0, 'it was called')
    t.equal(bytesOf(stranger), 0)
    await stranger.close()
  })

  const container = await startDemoContainer(t, ports.user)

  t.test('the container gets what comes over TLS, under a certificate that says SYNTHETIC', async t => {
    t.match(await ask(ports.tls, { tls: true, path: '/x' }), { status: 200, body: 'hello' })
    t.match(container.received, [{ url: '/x' }])
    t.match(await shown(ports), /SYNTHETIC, NOT ATTESTED/)
    t.match(await ask(ports.serving), { status: 421 }, 'and nothing but probes on the plain port')
    t.match(await probe(ports.tls, true), { status: 200, body: 'queue' })
  })

  t.test('a hook without TERM interrupts the service and gives it back', async t => {
    t.match(await ask(ports.admin, { path: '/wait-for-drain' }), { status: 200, body: '' })
    t.match(await probe(ports.serving), { status: 200, body: 'queue' })
  })

  t.test('TERM: what is under way ends as it would have, and then the process', async t => {
    const held = ask(ports.tls, { tls: true, path: '/hold' })
    await until('it is in the container', () => container.held() === 1)
    proxy.signal('SIGTERM')
    const refused = () =>
      probe(ports.serving).then(
        () => false,
        () => true,
      )
    await until('the listener is gone', refused)
    container.release()
    t.match(await held, { status: 200, body: 'held', headers: { connection: 'close' } })
    t.match(await proxy.exit, { code: 0, signal: null })
    t.equal(proxy.lines().at(-1)?.['message'], 'Shutdown complete, exiting...')
  })
}

t.test("the attesting CA's key in an encrypted mount is the host's to break and not to read", { skip }, async t => {
  const enclave = await newEnclave(t, { program: await keyProgram() })
  mountSealed(enclave)
  enclave.measure()
  const ran = startEnclave(t, enclave)
  await ran.exit
  const [line = ''] = ran.stdout().match(/^\{.*"magic".*\}$/m) ?? []
  t.match(JSON.parse(line), {
    after: 'a key that nobody else reads',
    again: /EEXIST/,
    magic: 'GRAFS_PF',
    open: false,
    changed: /^credential-invalid: key file \/sealed\/ca\.key: /,
  })
})

/** The subject of the certificate on the TLS port. */
function shown({ tls }: Ports): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = tlsConnect({ port: tls, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(JSON.stringify(socket.getPeerCertificate().subject))
      socket.destroy()
    })
    socket.on('error', reject)
  })
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')
