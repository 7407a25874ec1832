// The page about policies, src/config/README.md: its commands run as they stand there, and its table is the one that the
// program goes by.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { narrowings } from '../../src/config/signed/narrowing.ts'
import { postern, repository } from '../support/process.ts'

const page = readFileSync(join(repository, 'src/config/README.md'), 'utf8')
const [, table = ''] = /<!-- narrowing -->\n([\s\S]*?)<!-- \/narrowing -->/.exec(page) ?? []

t.test('its table of keys', async t => {
  t.equal(table, narrowings.map(({ path, rule }) => `| \`${path}\` | ${rule} |\n`).join(''))
})

t.test('its commands', async t => {
  const folder = t.testdir({})
  const blocks = [...page.matchAll(/```sh\n([\s\S]*?)```/g)].map(([, text = '']) => text)
  t.ok(blocks.length >= 5)
  const outputs: string[] = []
  for (const block of blocks) {
    const script = `npx() { shift; node ${JSON.stringify(postern)} "$@"; }\nset -e\n${block}`
    const env = { PATH: `${join(repository, 'node_modules/.bin')}:${process.env['PATH']}` }
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script], { cwd: folder, env, encoding: 'utf8' })
    t.equal(status, 0, `${block}${stderr}`)
    outputs.push(stdout + stderr)
  }
  const all = outputs.join('')
  t.match(all, /^Policy base\.json: usable$/m)
  t.match(all, /^It starts only with a part that was signed for a service:$/m)
  t.match(all, /^Signed policy cart\.jws: accepted$/m)
  t.match(all, /^The container takes at most 1 requests at once\.$/m)
  t.match(all, /^[0-9a-f]{64}$/m)
  t.match(all, /^not carried over: collateral\.sources/m)
  t.match(JSON.parse(readFileSync(`${folder}/cart.json`, 'utf8')), { accepted: true, serial: 1 })
  t.match(JSON.parse(readFileSync(`${folder}/mine.json`, 'utf8')), { name: 'from-gramine' })
})
