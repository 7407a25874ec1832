// The recorded behaviour of the Go queue-proxy against ours, where the cases stand beside this checkout: once as the
// drop-in that it is under the policy `compatible`, and once with the container behind RA-TLS (but for failing starts,
// where no container is involved). Runs what ships (dist).
//
// Cases measure time, in buckets that a busy machine can miss, so areas that differ are tried again; a difference of
// behaviour differs each time. Runs by itself, after everything else, for the same reason.

import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url))
const harness = here('../../../shared/conformance/diff.mjs')
const shipped = here('../../dist/src/postern.js')

const tries = 3

const common =
  'basic,url,headers,errors,breaker,timeouts,halfduplex,upgrade,malformed,probes,probe-tcp,probe-none,probe-unset,stats,admin,' +
  'reqlog'

const suites = [
  {
    name: 'under the policy compatible it behaves as the Go queue-proxy does, but for the listed differences',
    command: `${shipped} proxy --policy compatible`,
    areas: `${common},h2c,probe,startup,signals,tls,prom`,
    expected: [''],
  },
  {
    name: 'so it does with an attested container',
    command: `${here('../support/attested-front.ts')} proxy --policy ${here('../support/attested-serve.json')}`,
    areas: `${common},h2c,probe,signals,tls,prom`,
    expected: ['', '-attested'],
  },
  {
    name: 'the reference engine agrees, but for what it cannot do',
    command: `${shipped} proxy --policy compatible --engine undici`,
    areas: common,
    expected: ['', '-undici'],
  },
]

function unable(): string | false {
  if (!existsSync(harness)) return 'NOT TESTED: no conformance cases beside this checkout'
  if (!existsSync(shipped)) return 'NOT TESTED: dist is missing; npm run build'
  if (spawnSync('unshare', ['-nm', 'true']).status !== 0) return 'NOT TESTED: no private namespaces here (unshare -nm)'
  return false
}

/** One list from several; what is listed for one engine or leg only stands in a file of its own. */
function merge(folder: string, names: readonly string[]): string {
  const lists = names.map(name => JSON.parse(readFileSync(here(`../e2e/expected-divergences${name}.json`), 'utf8')))
  const file = join(folder, 'expected.json')
  writeFileSync(file, JSON.stringify(Object.assign({}, ...lists)))
  return file
}

function run(command: string, areas: string, expected: string): Promise<{ code: number | null; text: string }> {
  const full = `${process.execPath} ${command}`
  const args = [harness, '--a', full, '--expected', expected, '--areas', areas, '--skip-slow']
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (part: string) => {
      text += part
    })
  }
  return new Promise(resolve => child.on('close', code => resolve({ code, text })))
}

/** Areas with a difference: each area's line comes behind its differences. */
function differing(text: string): string[] {
  const found: string[] = []
  let differs = false
  for (const line of text.split('\n')) {
    if (line.startsWith('DIFF ')) differs = true
    const area = /^\[([\w-]+)\] \d+ cases/.exec(line)?.[1]
    if (area === undefined) continue
    if (differs) found.push(area)
    differs = false
  }
  return found
}

for (const { name, command, areas, expected } of suites) {
  t.test(name, { skip: unable() }, async t => {
    t.setTimeout(1_200_000)
    const folder = mkdtempSync(join(tmpdir(), 'postern-'))
    t.teardown(() => rmSync(folder, { recursive: true }))
    const list = merge(folder, expected)
    let left = areas
    for (let i = 1; ; i++) {
      const { code, text } = await run(command, left, list)
      const summary = /^\d+ cases, .*$/m.exec(text)?.[0]
      t.comment(summary ?? text)
      if (code === 0 || i === tries) {
        t.equal(code, 0, `no unexpected difference in ${left}`)
        if (code !== 0) t.comment(text)
        return
      }
      left = differing(text).join(',') || left
      t.comment(`tried again: ${left}`)
    }
  })
}
