import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, globSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { layOut } from '../../gramine/layout.ts'
import { ask, choosePorts, environment, probe, repository, until } from '../support/process.ts'
import { startContainer } from '../support/process-inside.ts'
import { inside, sandboxMissing } from '../support/sandbox.ts'

/** Files and folders below a folder, as absolute paths of the tree. */
const below = (tree: string, pattern: string): string[] => globSync(pattern, { cwd: tree }).map(path => `/${path}`)

const plain = join(t.testdir(), 'plain')
layOut(repository, 'plain', plain)

t.test('plain: the program, what it needs, and nothing to look around with', async t => {
  const all = below(plain, '**/*')
  for (const path of [
    '/usr/bin/node',
    '/app/dist/src/postern.js',
    '/app/proxy.js',
    '/app/compatible.json',
    '/app/package.json',
    '/app/LICENSE',
    '/etc/passwd',
  ]) {
    t.ok(all.includes(path), path)
  }
  t.ok(
    all.some(path => /ld-linux.*\.so\.\d$/.test(path)),
    'what loads Node',
  )
  t.same(
    all.filter(path => /\/(?:sh|bash|busybox|apt|dpkg|npm|npx|curl|wget)$/.test(path)),
    [],
  )
  t.same(
    all.filter(path => /\/(?:tap|typescript|@biomejs|fast-check|protobufjs|dist\/bench|node-linux-[^/]+)$/.test(path)),
    [],
  )
  t.same(
    all.filter(path => /\.(?:d\.ts|map)$/.test(path)),
    [],
  )
  t.same(
    all.filter(path => (statSync(plain + path).mode & 0o6000) !== 0),
    [],
    'nobody becomes somebody else',
  )
  t.equal(statSync(`${plain}/tmp`).mode & 0o7777, 0o1777)
  t.match(readFileSync(`${plain}/etc/passwd`, 'utf8'), /^postern:x:65532:65532::/)
  for (const path of [
    '/tmp',
    '/etc/podinfo',
    '/etc/postern',
    '/var/lib/knative/certs',
    '/var/run/secrets/tokens',
    '/var/run/secrets/kubernetes.io/serviceaccount',
  ]) {
    t.same(below(plain + path, '*'), [], `${path} is there and empty`)
    t.ok(statSync(plain + path).isDirectory(), path)
  }
})

t.test(
  'Node has lost its symbols',
  { skip: spawnSync('strip', ['--version']).status !== 0 && 'NOT TESTED: no strip on this machine' },
  async t => {
    t.ok(statSync(`${plain}/usr/bin/node`).size <= statSync(process.execPath).size)
    t.match(spawnSync(`${plain}/usr/bin/node`, ['--version'], { encoding: 'utf8' }), {
      status: 0,
      stdout: `${process.version}\n`,
    })
  },
)

t.test('bench: the benchmark too', async t => {
  const bench = join(t.testdir(), 'bench')
  layOut(repository, 'bench', bench)
  for (const path of ['/app/dist/bench/postern-bench.js', '/app/dist/src/postern.js'])
    t.ok(statSync(bench + path).isFile(), path)
})

t.test('enclave: the files of the manifest, and no packages', async t => {
  const root = t.testdir({
    dist: { 'enclave.js': 'program', enclave: { 'policy.json': '{}', 'postern.manifest.toml': '', 'sign.sh': '' } },
    LICENSE: '',
  })
  const tree = join(root, 'tree')
  layOut(root, 'enclave', tree)
  t.same(
    below(tree, 'app/**/*')
      .filter(path => statSync(tree + path).isFile())
      .toSorted(),
    [
      '/app/LICENSE',
      '/app/enclave.js',
      '/app/etc/group',
      '/app/etc/hosts',
      '/app/etc/nsswitch.conf',
      '/app/etc/passwd',
      '/app/policy.json',
      '/app/postern.manifest.toml',
      '/app/sign.sh',
    ],
  )
  t.ok(statSync(`${tree}/usr/bin/node`).isFile())
  t.same(below(tree, 'etc/**/*'), ['/etc/podinfo', '/etc/postern'], 'the image that runs it keeps its own')
  t.throws(() => layOut(root, 'enclave', tree), { message: /tree is not empty; name a new folder$/ })
})

t.test('as a process: a target and a folder, else 64', async t => {
  const script = join(repository, 'gramine/layout.ts')
  for (const line of [[], ['plain'], ['other', '/nowhere']]) {
    t.match(spawnSync(process.execPath, [script, ...line], { encoding: 'utf8' }), {
      status: 64,
      stderr: /^usage: .*plain\|bench\|enclave FOLDER/,
    })
  }
})

const skip = sandboxMissing()
const dockerfile = readFileSync(join(repository, 'Dockerfile'), 'utf8')
t.test('each image runs as 65532 and says what it is', async t => {
  for (const target of ['plain', 'bench', 'enclave']) {
    const stage = dockerfile.split(/^FROM /m).find(each => each.split('\n', 1)[0]?.endsWith(` AS ${target}`)) ?? ''
    t.match(stage, /^USER 65532:65532$/m, target)
    for (const label of ['title', 'description', 'licenses'])
      t.match(stage, `org.opencontainers.image.${label}="`, target)
  }
})

/** The entry point of the image. */
const entryPoint: string[] = JSON.parse(/AS plain\n[\s\S]*?\nENTRYPOINT (\[.*\])/.exec(dockerfile)?.[1] ?? '[]')

t.test('the tree of plain serves, as 65532, read-only, without capabilities', { skip }, async t => {
  const ports = await choosePorts()
  const container = await startContainer(t, ports.user)
  const [command = '', ...args] = inside(plain, entryPoint)
  const proxy = spawn(command, args, {
    env: { PATH: process.env['PATH'], ...environment(ports) },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [proxy.stdout, proxy.stderr]) stream.setEncoding('utf8').on('data', text => (output += text))
  const closed = new Promise<number | null>(resolve => proxy.on('close', resolve))
  t.teardown(() => {
    if (proxy.exitCode === null) proxy.kill('SIGKILL')
    return closed
  })
  await until('the proxy serves', async () => {
    if (proxy.exitCode !== null) throw new Error(`the proxy has gone: ${output}`)
    return (await probe(ports.serving).catch(() => undefined))?.status === 200
  })
  t.match(await ask(ports.serving, { path: '/x', method: 'POST', body: 'through' }), { status: 200, body: 'hello' })
  t.match(container.received, [{ method: 'POST', url: '/x', body: 'through' }])

  const status = readFileSync(`/proc/${proxy.pid}/status`, 'utf8')
  t.match(status, /^Uid:\t65532\t65532\t65532\t65532$/m)
  t.match(status, /^Gid:\t65532\t65532\t65532\t65532$/m)
  for (const set of ['CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) t.match(status, new RegExp(`^${set}:\t0+$`, 'm'))
  t.match(status, /^NoNewPrivs:\t1$/m)

  proxy.kill('SIGTERM')
  await until('it drains', () => output.includes('Received TERM signal'))
  proxy.kill('SIGTERM')
  t.equal(await closed, 1)
})

t.test('a write anywhere but to /tmp fails, also where everybody may write', { skip }, async t => {
  mkdirSync(`${plain}/open`)
  writeFileSync(`${plain}/open/file`, '')
  for (const path of ['/open', '/open/file', '/var/lib/knative/certs']) chmodSync(plain + path, 0o777)
  const places = [
    '/x',
    '/app/x',
    '/app/dist/src/postern.js',
    '/etc/passwd',
    '/usr/bin/node',
    '/open/x',
    '/open/file',
    '/var/lib/knative/certs/x',
    '/tmp/x',
  ]
  const program = `
    const { writeFileSync } = require('node:fs')
    const told = ${JSON.stringify(places)}.map(path => {
      try { writeFileSync(path, 'x', { flag: 'a' }); return [path, 'written'] } catch (error) { return [path, error.code] }
    })
    process.stdout.write(JSON.stringify(told))`
  const [command = '', ...args] = inside(plain, ['/usr/bin/node', '-e', program])
  const { stdout, stderr, status } = spawnSync(command, args, { encoding: 'utf8' })
  t.equal(status, 0, stderr)
  const told = new Map<string, string>(JSON.parse(stdout))
  for (const path of places.slice(0, 5)) t.match(told.get(path), /^(?:EROFS|EACCES|ETXTBSY)$/, path)
  for (const path of places.slice(5, 8)) t.equal(told.get(path), 'EROFS', path)
  t.equal(told.get('/tmp/x'), 'written')
})

t.test('every base is pinned by digest, and nothing else is a base', async t => {
  const bases = [...dockerfile.matchAll(/^ARG (\w+_IMAGE)=(.*)$/gm)]
  t.equal(bases.length, 3)
  for (const [, name = '', base = ''] of bases) t.match(base, /^[a-z/]+:[a-z0-9.-]+@sha256:[0-9a-f]{64}$/, name)
  const from = [...dockerfile.matchAll(/^FROM (\S+)/gm)].map(([, image]) => image)
  const stages = new Set([...dockerfile.matchAll(/^FROM \S+ AS (\S+)/gm)].map(([, stage]) => stage))
  const known = (image: string | undefined): boolean =>
    image === 'scratch' || stages.has(image) || bases.some(([, name]) => image === `\${${name}}`)
  t.same(
    from.filter(image => !known(image)),
    [],
  )
})
