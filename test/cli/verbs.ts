import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { evidenceVerbs } from '../../src/cli/verbs.ts'
import { demoFunction, demoStranger } from '../../src/demo/enclaves.ts'
import { command } from '../support/cli.ts'
import { anyReportData } from '../support/evidence.ts'

t.test('each verb has a summary, a usage and help for everything', async t => {
  for (const verb of evidenceVerbs) {
    t.match(verb.summary, /^[a-z].{20,}[^.]$/, verb.name)
    for (const { help } of [...verb.flags, ...(verb.positionals ?? [])]) t.match(help, /./)
    for (const { name } of verb.positionals ?? []) t.ok(verb.usage.includes(name), verb.name)
    for (const flag of verb.flags) t.ok(verb.usage.includes(`--${flag.name}`), `${verb.name} --${flag.name}`)
  }
})

const lines: [line: string, code: number, text: RegExp][] = [
  ['quote', 0, /quote inspect .*\n {2}quote verify /],
  ['quote --help', 0, /quote inspect /],
  ['help quote', 0, /^postern: [\s\S]*quote verify/],
  ['help quote verify', 0, /^postern quote verify: /],
  ['quote verify --help', 0, /--collateral DIR/],
  ['policy check --help', 0, /FILE\|NAME/],
  ['quote nothing', 64, /^postern quote: no command "nothing"; see postern quote --help$/],
  ['quote inspect', 64, /^postern quote inspect: FILE is missing; see postern quote inspect --help$/],
  ['quote inspect a b', 64, /^postern quote inspect: Unexpected argument 'b'; see/],
  ['quote verify', 64, /--quote FILE is missing/],
  ['quote verify --quote a', 64, /--at TIME is missing/],
  ['quote verify --quote a --at now x', 64, /Unexpected argument 'x'/],
  ['verify', 64, /--policy NAME\|FILE is missing/],
  ['verify --policy demo', 64, /HOST:PORT is missing/],
  ['policy explain demo', 0, /Policy "demo"/],
  ['policy check demo', 0, /Policy demo: usable/],
  ['verify nobody --policy demo', 64, /want HOST:PORT/],
  ['quote inspect /nowhere', 64, /^\/nowhere: ENOENT$/],
  ['quote verify --quote /nowhere --at now', 64, /^\/nowhere: ENOENT$/],
]
for (const [line, code, text] of lines) {
  t.test(`postern ${line}: ${code}`, async t => {
    const answer = await command(line.split(' '))
    t.equal(answer.code, code)
    t.match(answer.text, text)
  })
}

t.test('as a process: 0 accepted, 1 refused, 64 usage', async t => {
  const folder = t.testdir()
  const data = anyReportData(new Uint8Array(64))
  writeFileSync(`${folder}/good`, await demoFunction().quote(data))
  writeFileSync(`${folder}/bad`, await demoStranger().quote(data))
  const postern = (...line: string[]) => {
    const main = fileURLToPath(new URL('../../src/postern.js', import.meta.url))
    return spawnSync(process.execPath, [main, ...line], { encoding: 'utf8' })
  }
  const verify = ['quote', 'verify', '--at', 'now', '--policy', 'demo', '--json', '--quote']
  const good = postern(...verify, `${folder}/good`)
  t.match([good.status, JSON.parse(good.stdout), good.stderr], [0, { verified: true, accepted: true }, ''])
  const bad = postern(...verify, `${folder}/bad`)
  t.match([bad.status, JSON.parse(bad.stdout), bad.stderr], [1, { verified: true, accepted: false }, ''])
  t.match(postern('quote', 'verify'), { status: 64, stdout: '', stderr: /--quote FILE is missing/ })
  t.match(postern(...verify, `${folder}/none`), { status: 64, stdout: '', stderr: /ENOENT/ })
})
