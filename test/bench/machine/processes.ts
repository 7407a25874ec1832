import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import t from 'tap'
import { costOf, family } from '../../../bench/machine/processes.ts'

const skip = existsSync('/proc/self/stat') ? false : 'NOT TESTED: no /proc here'
const burn = 'while(process.cpuUsage().user<200_000);console.log(1);setInterval(()=>{},1e4)'

t.test('time, memory and threads of a process and of what it started', { skip }, async t => {
  const script = `require('node:child_process').spawn(process.execPath,['-e',${JSON.stringify(burn)}],{stdio:'inherit'});setInterval(()=>{},1e4)`
  const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => parent.kill('SIGKILL'))
  await once(parent.stdout, 'data')
  const pids = family(parent.pid ?? 0)
  t.teardown(() => {
    for (const pid of pids.slice(1)) process.kill(pid, 'SIGKILL')
  })
  t.equal(pids.length, 2)
  const [whole, alone] = [costOf(parent.pid ?? 0), costOf(pids[1] ?? 0)]
  if (!whole || !alone) throw new Error('no cost')
  t.ok(alone.ranUs >= 150_000, 'the child burnt 200 ms of its own')
  t.ok(whole.ranUs > alone.ranUs, 'both together took more')
  t.ok(whole.rssKiB > alone.rssKiB && alone.rssKiB > 10_000)
  t.ok(whole.threads >= 2)
})

t.test('a process that is not there has no cost', async t => {
  t.equal(costOf(2 ** 30), undefined)
})
