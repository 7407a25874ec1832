import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import * as library from '../../src/attest/library.ts'
import { realEvidenceMissing, realPath } from '../support/evidence.ts'

const here = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url))

t.test('what other projects may import', async t => {
  t.same(Object.keys(library).sort(), [
    'Verdicts',
    'directorySource',
    'intelRoot',
    'judge',
    'judgePeer',
    'parseQuote',
    'parseSgxQuote',
    'readCollateral',
    'readCollaterals',
    'verifyQuote',
  ])
})

t.test('the package exports it, with its types', async t => {
  const { exports } = JSON.parse(readFileSync(here('package.json'), 'utf8'))
  t.same(exports['./attest'], { types: './dist/src/attest/library.d.ts', default: './dist/src/attest/library.js' })
})

t.test("the README's example prints what the README says", { skip: realEvidenceMissing }, async t => {
  const readme = readFileSync(here('src/attest/README.md'), 'utf8')
  const [, code = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
  const [, printed = ''] = /prints\n\n```\n([\s\S]*?)```/.exec(readme) ?? []
  const folder = realPath('sgx-v3-automata-00606a-eval17-aug2025')
  const file = `${t.testdir()}/example.ts`
  const given = `import { readFileSync } from 'node:fs'\nconst folder = ${JSON.stringify(folder)}\nconst quote = readFileSync(folder + '/quote.bin')\n`
  writeFileSync(file, given + code.replace("'postern/attest'", JSON.stringify(here('src/attest/library.ts'))))
  const { stdout, stderr } = spawnSync(process.execPath, [file], { encoding: 'utf8' })
  t.equal(stdout, printed, stderr)
})
