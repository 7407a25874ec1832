// Whatever ends a run early, nothing of it lives on, and what was measured is kept.

import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { family } from '../../bench/machine/processes.ts'
import { readResult } from '../../bench/schema.ts'
import { folder, start } from '../support/bench-process.ts'

const noProc = existsSync('/proc/self/stat') ? false : 'NOT TESTED: no /proc here'

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  t.test(
    `${signal} in the middle leaves no process and keeps what was measured`,
    { timeout: 110_000, skip: noProc },
    async t => {
      const path = folder(t)
      const json = join(path, 'r.json')
      const own = join(path, 'tmp')
      mkdirSync(own)
      const args = [
        'run',
        '--scenario',
        'small-c1',
        '--scenario',
        'small-c32',
        '--leg',
        'h-h',
        '--contender',
        'http-proxy',
      ]
      const pace = ['--rounds', '50', '--seconds', '0.3', '--warm-up', '0.2', '--no-syscalls']
      const run = start([...args, ...pace, '--contender', 'direct', '--json', json], { TMPDIR: own })
      t.teardown(() => run.child.kill('SIGKILL'))
      while (!/round/.test(run.err()) && run.child.exitCode === null)
        await new Promise(resolve => setTimeout(resolve, 50))
      const pids = family(run.child.pid ?? 0).slice(1)
      t.ok(pids.length >= 3, `backend, load and contender are ${pids.length} processes`)
      run.child.kill(signal)
      t.equal(await run.ended, 130, run.err())
      const alive = async (): Promise<readonly number[]> => {
        const found = () => pids.filter(pid => existsSync(`/proc/${pid}`))
        for (const until = Date.now() + 3_000; found().length > 0 && Date.now() < until; ) {
          await new Promise(resolve => setTimeout(resolve, 50))
        }
        return found()
      }
      t.same(await alive(), [])
      const part = readResult(readFileSync(json, 'utf8'), 'r.json')
      t.equal(part.complete, false)
      t.ok(part.series.some(({ samples }) => samples.length > 0))
      t.same(
        readdirSync(own).filter(name => name.startsWith('postern-bench')),
        [],
        'its folder, with a key in it, is gone',
      )
    },
  )
}
