// The benchmark as a process, on loads that are too short to say anything: what is tested is that it ends well, whatever
// happens to it. No number that it measures is judged.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { readResult } from '../../bench/schema.ts'
import { seeded } from '../../bench/stats/random.ts'
import { makeResult, makeSeries } from '../support/bench.ts'
import { folder, start } from '../support/bench-process.ts'

const short = [
  '--rounds',
  '2',
  '--seconds',
  '0.2',
  '--warm-up',
  '0.2',
  '--no-syscalls',
  '--scenario',
  'small-c1',
  '--leg',
  'h-h',
]
const full = '/dev/full'

/** A proxy of the simplest kind, which ends after so many connections' worth of requests. */
function dyingProxy(folder: string, requests: number): string {
  const path = join(folder, 'dying.mjs')
  writeFileSync(
    path,
    `import net from 'node:net'
    let seen = 0
    net.createServer(client => {
      const backend = net.connect(Number(process.argv[3]), '127.0.0.1')
      client.on('data', part => {
        if (++seen > ${requests}) { console.error('out of breath'); process.exit(7) }
        backend.write(part)
      })
      backend.on('data', part => client.write(part))
      for (const [one, other] of [[client, backend], [backend, client]]) {
        one.on('close', () => other.destroy()); one.on('error', () => {})
      }
    }).listen(Number(process.argv[2]), '127.0.0.1')`,
  )
  return `${process.execPath} ${path} {port} {backendPort}`
}

t.test('a run ends with a result, a page and tables', { timeout: 110_000 }, async t => {
  const path = folder(t)
  const [json, page] = [join(path, 'r.json'), join(path, 'r.html')]
  const run = start([
    'run',
    ...short,
    '--contender',
    'http-proxy',
    '--contender',
    'direct',
    '--json',
    json,
    '--html',
    page,
  ])
  t.equal(await run.ended, 0, run.err())
  const result = readResult(readFileSync(json, 'utf8'), 'r.json')
  t.equal(result.complete, true)
  t.same(result.series.map(({ contender, samples }) => [contender, samples.length]).sort(), [
    ['direct', 2],
    ['http-proxy', 2],
  ])
  t.ok(result.series.every(({ samples }) => samples.every(({ requests, errors }) => requests > 0 && errors === 0)))
  t.match(run.out(), /\*\*small-c1, h→h/)
  t.match(run.err(), /% .* left/)
  t.match(readFileSync(page, 'utf8'), /^<!doctype html>/)
  t.same(readdirSync(path).sort(), ['r.html', 'r.json'], 'and nothing else')
})

t.test('a contender that dies under load costs itself only', { timeout: 110_000 }, async t => {
  const path = folder(t)
  const json = join(path, 'r.json')
  const args = [...short, '--contender', `dying=${dyingProxy(path, 50)}`, '--contender', 'direct', '--json', json]
  const run = start(['run', ...args])
  t.equal(await run.ended, 1)
  t.match(run.err(), /FAILED small-c1, h-h, dying: .*(died|exit 7|out of breath)/s)
  const { series, failures, complete } = readResult(readFileSync(json, 'utf8'), 'r.json')
  t.equal(complete, true)
  t.equal(failures.length, 1)
  t.equal(series.find(({ contender }) => contender === 'direct')?.samples.length, 2)
  t.match(run.out(), /> Failed: small-c1, h-h, dying/)
})

t.test('a busy port is named, with who needs it', { timeout: 110_000 }, async t => {
  const path = folder(t)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, resolve))
  t.teardown(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  const file = join(path, 'fixed.json')
  writeFileSync(file, JSON.stringify({ command: [process.execPath, '-e', ''], ports: { h: port } }))
  const run = start(['run', ...short, '--contender', `fixed=${file}`, '--contender', 'direct'])
  t.equal(await run.ended, 1)
  t.match(run.err(), new RegExp(`fixed needs port ${port}, which another process holds`))
})

const noFull = existsSync(full) ? false : `NOT TESTED: no ${full} here`

t.test('two that want the same port take turns', { timeout: 110_000 }, async t => {
  const path = folder(t)
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, resolve))
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  await new Promise(resolve => server.close(resolve))
  dyingProxy(path, 1e9)
  const command = [process.execPath, join(path, 'dying.mjs'), '{port}', '{backendPort}']
  const files = ['one', 'two'].map(name => join(path, `${name}.json`))
  for (const file of files) writeFileSync(file, JSON.stringify({ command, ports: { h: port } }))
  const json = join(path, 'r.json')
  const both = files.flatMap((file, i) => ['--contender', `c${i}=${file}`])
  const run = start(['run', ...short, ...both, '--json', json])
  t.equal(await run.ended, 0, run.err())
  const { series } = readResult(readFileSync(json, 'utf8'), 'r.json')
  t.same(
    series.map(({ samples }) => samples.length),
    [2, 2],
  )
})

t.test('a full disk is told, and costs the file only', { timeout: 110_000, skip: noFull }, async t => {
  const run = start(['run', ...short, '--contender', 'direct', '--json', full])
  t.equal(await run.ended, 1)
  t.match(run.err(), /FAILED to write \/dev\/full \(the disk is full\)/)
  t.match(run.out(), /direct/, 'the tables came all the same')
})

t.test('what was there before survives a write that fails', { timeout: 110_000 }, async t => {
  const path = folder(t)
  const json = join(path, 'r.json')
  writeFileSync(json, 'before')
  mkdirSync(`${json}.part`)
  const run = start(['run', ...short, '--contender', 'direct', '--json', json])
  t.equal(await run.ended, 1)
  t.match(run.err(), /FAILED to write .*r\.json \(EISDIR\); what was there before is kept/)
  t.equal(readFileSync(json, 'utf8'), 'before')
})

t.test('list and help say what there is', { timeout: 60_000 }, async t => {
  const listed = start(['list'])
  t.equal(await listed.ended, 0)
  t.match(listed.out(), /small-c32 .*nginx|nginx .*small-c32/s)
  t.match(listed.out(), /a full run on this machine takes about \d+ min/)
  const helped = start(['--help'])
  t.equal(await helped.ended, 0)
  t.match(helped.out(), /postern-bench compare BEFORE\.json AFTER\.json/)
})

t.test('comparing says it by the exit code', { timeout: 60_000 }, async t => {
  const path = folder(t)
  const [before, after] = [join(path, 'a.json'), join(path, 'b.json')]
  const write = (file: string, us: number): void =>
    writeFileSync(file, JSON.stringify(makeResult([makeSeries(seeded(us), { contender: 'bytes', us })])))
  write(before, 50)
  write(after, 60)
  const worse = start(['compare', before, after])
  t.equal(await worse.ended, 1)
  t.match(worse.out(), /1 compared, 1 regressed/)
  t.equal(await start(['compare', after, before]).ended, 0)
  const wrong = start(['compare', before, join(path, 'none.json')])
  t.equal(await wrong.ended, 64)
  t.match(wrong.err(), /none\.json cannot be read \(ENOENT\)/)
})
