import t from 'tap'
import { Manifest, pathOf, sizeOf, within } from '../../src/manifest/manifest.ts'
import { readToml } from '../../src/manifest/toml.ts'

const of = (text: string): Manifest => new Manifest(readToml(Buffer.from(text)))

const sizes: [text: unknown, bytes: number | undefined][] = [
  ['2M', 2097152],
  ['256K', 262144],
  ['1024G', 2 ** 40],
  ['4096', 4096],
  [4096, 4096],
  ['0x1000', 4096],
  ['0x10K', 16384],
  ['2m', undefined],
  ['-1M', undefined],
  ['', undefined],
  [undefined, undefined],
]
for (const [text, bytes] of sizes) t.equal(sizeOf(text), bytes, `${text} is ${bytes} bytes`)

const paths: [uri: string, path: string][] = [
  ['file:/a/./b//c', '/a/b/c'],
  ['file:/a/../etc/', '/etc/'],
  ['file:node', 'node'],
  ['dev:/dev/x', 'dev:/dev/x'],
]
for (const [uri, path] of paths) t.equal(pathOf(uri), path, `${uri} is ${path}`)

const places: [path: string, parent: string, inside: boolean][] = [
  ['/a/b', '/a', true],
  ['/a', '/a', true],
  ['/a', '/a/', true],
  ['/ab', '/a', false],
  ['/a', '/', true],
  ['/a', '/a/b', false],
]
for (const [path, parent, inside] of places) t.equal(within(path, parent), inside, `${path} in ${parent}: ${inside}`)

t.test('keys by dotted path, and nothing of the prototype', async t => {
  const manifest = of('a.b.c = 1\na.t = "x"\na.l = ["x", 1]\n')
  t.equal(manifest.get('a.b.c'), 1)
  for (const none of ['a.x.y', 'a.b.c.d', 'constructor', 'a.toString']) t.equal(manifest.get(none), undefined, none)
  t.same([manifest.text('a.t'), manifest.text('a.b.c'), manifest.text('z')], ['x', '', ''])
  t.same([manifest.texts('a.l'), manifest.tables('a.l'), manifest.tables('a.t')], [['x'], ['x', 1], []])
  t.same(
    [manifest.keys(''), manifest.keys('a'), manifest.keys('a.t'), manifest.keys('z')],
    [['a'], ['b', 't', 'l'], [], []],
  )
})

t.test('the environment: what is measured, what is the host’s', async t => {
  const manifest = of(
    '[loader.env]\nA = "1"\nB = { value = "2" }\nC = { passthrough = true }\nD = { passthrough = false }\n"E.F" = { passthrough = true }\n',
  )
  t.same(
    [...manifest.constants],
    [
      ['A', '1'],
      ['B', '2'],
    ],
  )
  t.same(manifest.passthrough, ['C', 'E.F'])
  t.same([of('').passthrough, [...of('').constants]], [[], []])
})

t.test('the command line', async t => {
  t.same([of('loader.argv = ["node", "x"]').argv, of('').argv], [['node', 'x'], []])
})

t.test('files: trusted with and without hash, allowed', async t => {
  const manifest = of(
    'sgx.trusted_files = ["file:/a/", { uri = "file:/b", sha256 = "00" }, { sha256 = "00" }]\nsgx.allowed_files = ["file:/c//d/"]',
  )
  t.same(manifest.trusted, [
    { host: '/a/', sha256: undefined },
    { host: '/b', sha256: '00' },
  ])
  t.same(manifest.allowed, ['/c/d/'])
})

t.test('which file of the host a path inside is, and whether it is trusted', async t => {
  const manifest = of(`
    fs.root = { type = "tmpfs", uri = "unused" }
    fs.start_dir = "/app"
    fs.mounts = [
      { path = "/app", uri = "file:/build/app" },
      { path = "/app/own", uri = "file:/own" },
      { path = "/app/run", type = "tmpfs" },
      { path = "/app/one.js", uri = "file:/else/two.js" },
    ]
    sgx.trusted_files = ["file:/build/app/lib/", "file:/else/two.js"]
  `)
  const rows: [inside: string, host: string | undefined, trusted: boolean][] = [
    ['/app/lib/x.so', '/build/app/lib/x.so', true],
    ['lib/x.so', '/build/app/lib/x.so', true],
    ['/app/lib', '/build/app/lib', true],
    ['/app/library', '/build/app/library', false],
    ['/app/one.js', '/else/two.js', true],
    ['/app/own/x', '/own/x', false],
    ['/app/../app/own/x', '/own/x', false],
    ['/app/run/x', undefined, false],
    ['/etc/x', undefined, false],
  ]
  for (const [inside, host, trusted] of rows) {
    t.equal(manifest.hostPath(inside), host, inside)
    t.equal(manifest.isTrusted(inside), trusted, inside)
  }
  t.equal(of('fs.root = { uri = "file:/" }').hostPath('/x'), '/x')
  t.equal(of('').hostPath('/x'), 'x', 'without a root it is where the host starts it')
})

t.test('mounts that are no tables are none of this host', async t => {
  t.equal(of('fs.mounts = ["x"]\nfs.root = { type = "tmpfs" }').hostPath('/x'), undefined)
})
