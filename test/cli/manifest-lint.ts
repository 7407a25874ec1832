import { writeFileSync } from 'node:fs'
import { stringify } from 'smol-toml'
import t from 'tap'
import { command } from '../support/cli.ts'
import { type Changes, changed } from '../support/manifests.ts'

function file(folder: string, changes: Changes = {}): string {
  const path = `${folder}/postern.manifest`
  writeFileSync(path, stringify(changed(changes)))
  return path
}

t.test('clean: 0, and one line', async t => {
  const path = file(t.testdir())
  t.same(await command(['manifest', 'lint', path]), { code: 0, text: `${path}: 0 errors, 0 warnings, 0 notes\n` })
  const { code, text } = await command(['manifest', 'lint', path, '--json'])
  t.same([code, JSON.parse(text)], [0, { file: path, clean: true, findings: [] }])
})

t.test('warnings alone: 0', async t => {
  const path = file(t.testdir(), { 'loader.uid': 0 })
  const { code, text } = await command(['manifest', 'lint', path])
  t.equal(code, 0)
  t.equal(
    text,
    `warning root-user: loader.uid is 0, also where it is not set
    loader.uid = 65532 and loader.gid = 65532
${path}: 0 errors, 1 warnings, 0 notes
`,
  )
})

t.test('errors: 1, each with rule, severity, message and cure', async t => {
  const path = file(t.testdir(), { 'sgx.debug': true, 'sys.stack': undefined })
  const text = await command(['manifest', 'lint', path])
  t.equal(text.code, 1)
  t.match(text.text, /^error debug-enclave: .*\n {4}sgx\.debug = false.*\nerror stack-small: [\s\S]*: 2 errors, 0 warn/)
  const json = await command(['manifest', 'lint', path, '--json'])
  t.equal(json.code, 1)
  t.match(JSON.parse(json.text), {
    clean: false,
    findings: [{ id: 'debug-enclave', severity: 'error', message: /./, cure: /./ }, { id: 'stack-small' }],
  })
})

t.test('no TOML: 1; no file or no argument: 64', async t => {
  const path = `${t.testdir()}/template`
  writeFileSync(path, '{% set x = 1 %}\n')
  t.match(await command(['manifest', 'lint', path]), { code: 1, text: /^manifest: line 1.*render it first$/ })
  t.match(await command(['manifest', 'lint', `${path}.none`]), { code: 64, text: /ENOENT$/ })
  t.match(await command(['manifest', 'lint']), { code: 64, text: /FILE is missing/ })
})
