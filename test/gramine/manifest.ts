import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { writeEnclave } from '../../gramine/manifest.ts'
import { Manifest } from '../../src/manifest/manifest.ts'
import { readToml } from '../../src/manifest/toml.ts'

const policy = JSON.stringify({
  version: 1,
  name: 'mine',
  upstream: { mode: 'pinned', pins: [`sha256/${Buffer.alloc(32).toString('base64')}`] },
})

/** A folder with a policy and a program, and the arguments that use them. */
function prepared(folder: string): { readonly args: string[]; readonly of: (name: string) => string } {
  const of = (name: string): string => `${folder}/${name}`
  writeFileSync(of('mine.json'), policy)
  writeFileSync(of('enclave.js'), 'the program')
  return { args: ['--policy', of('mine.json'), '--bundle', of('enclave.js'), '--out', of('out/deep')], of }
}

t.test('writes the policy as it is, the manifest, and what to sign it with', async t => {
  const { args, of } = prepared(t.testdir())
  const names = ['postern.manifest.toml', 'policy.json', 'enclave.js', 'sign.sh'].map(name => of(`out/deep/${name}`))
  t.equal(writeEnclave(args), names.map(name => `${name}\n`).join(''))
  t.equal(readFileSync(of('out/deep/policy.json'), 'utf8'), policy)
  t.equal(readFileSync(of('out/deep/enclave.js'), 'utf8'), 'the program')
  const manifest = new Manifest(readToml(readFileSync(of('out/deep/postern.manifest.toml'))))
  t.equal(manifest.get('sgx.edmm_enable'), true)
  t.equal(manifest.get('sgx.isvsvn'), 1)
  const sign = readFileSync(of('out/deep/sign.sh'), 'utf8')
  t.match(sign, /^gramine-manifest postern\.manifest\.toml postern\.manifest$/m)
  t.match(sign, /^gramine-sgx-sign --manifest postern\.manifest --output postern\.manifest\.sgx/m)
  t.equal(spawnSync('sh', ['-n', of('out/deep/sign.sh')]).status, 0, 'it is a shell script')
})

t.test('the profile and the version are for the operator to say', async t => {
  const { args, of } = prepared(t.testdir())
  writeEnclave([...args, '--no-edmm', '--svn', '65535', '--role', 'proxy'])
  const manifest = new Manifest(readToml(readFileSync(of('out/deep/postern.manifest.toml'))))
  t.same(
    ['sgx.edmm_enable', 'sgx.enclave_size', 'sgx.isvsvn'].map(key => manifest.get(key)),
    [false, '2G', 65535],
  )
})

t.test('help says what there is', async t => {
  t.match(writeEnclave(['--help']), /^usage: npm run manifest -- --policy FILE/)
})

const wrong: [name: string, more: string[], message: RegExp][] = [
  ['a flag that there is not', ['--polcy', 'x'], /^manifest: Unknown option '--polcy'[\s\S]*\nusage: /],
  ['a version that is none', ['--svn', '65536'], /--svn 65536: want a number from 0 to 65535/],
  ['a version below zero', ['--svn=-1'], /--svn -1: want/],
  ['another role', ['--role', 'toString'], /--role toString: want proxy, provision/],
  ['a policy that is not there', ['--policy', '/nowhere'], /\/nowhere: ENOENT; want a policy as a file/],
  ['a bundle that is not there', ['--bundle', '/nowhere'], /\/nowhere: ENOENT; npm run build makes/],
]
for (const [name, more, message] of wrong) {
  t.test(`${name}: a usage fault`, async t => {
    t.throws(() => writeEnclave([...prepared(t.testdir()).args, ...more]), { code: 'usage', message })
  })
}
t.throws(() => writeEnclave([]), { code: 'usage', message: /^manifest: --policy FILE is missing/ }, 'no policy')

t.test('as a process: 0, 1 for a policy, 64 for usage', async t => {
  const { args, of } = prepared(t.testdir())
  const script = fileURLToPath(new URL('../../gramine/manifest.ts', import.meta.url))
  const run = (...line: string[]) => spawnSync(process.execPath, [script, ...line], { encoding: 'utf8' })
  t.match(run(...args), { status: 0, stdout: /policy\.json\n/, stderr: '' })
  t.match(run(), { status: 64, stdout: '', stderr: /^manifest: --policy FILE is missing/ })
  writeFileSync(of('mine.json'), '{}')
  t.match(run(...args), { status: 1, stdout: '', stderr: /^policy .*mine\.json: / })
})
