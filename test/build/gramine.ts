// What is preloaded in front of the bundle really fails, as it does under Gramine.

import { spawnSync } from 'node:child_process'
import t from 'tap'
import { gramine, nodeFlags } from '../support/bundled.ts'

const cases: [name: string, call: string, error: RegExp][] = [
  ['getrusage', 'process.cpuUsage()', /ENOSYS/],
  ['getrusage of a thread', 'process.threadCpuUsage()', /ENOSYS/],
  ['resource usage', 'process.resourceUsage()', /ENOSYS/],
  ['netlink', "require('os').networkInterfaces()", /ERR_SYSTEM_ERROR/],
  ['accounts', "require('os').userInfo()", /ENOENT/],
  ['inotify', "require('fs').watch('.')", /ENOSYS/],
  ['a child', "require('child_process').spawn('true')", /EAGAIN/],
  ['a fork', "require('cluster').fork()", /EAGAIN/],
  ['WebAssembly memory', 'new WebAssembly.Memory({ initial: 1 })', /RangeError/],
  ['fetch', "fetch('http://127.0.0.1:1')", /ENOPROTOOPT/],
  ['type of service', "new (require('net').Socket)().setTypeOfService(8)", /ENOPROTOOPT/],
  ['a socket of the host', "require('net').connect('/nonexistent.sock')", /ENOENT/],
  ['code from a string', "new Function('return 1')", /EvalError/],
]

for (const [name, call, error] of cases) {
  t.test(name, async t => {
    const { status, stderr } = spawnSync(process.execPath, [...nodeFlags, '--import', gramine, '-e', call], {
      encoding: 'utf8',
    })
    t.equal(status, 1)
    t.match(stderr, error)
  })
}

t.test('TCP connects as ever', async t => {
  const call = `const s = require('net').createServer(a => a.end('hello')).listen(0, () =>
    require('net').connect(s.address().port).on('data', text => { console.log(String(text)); s.close() }))`
  const { status, stdout } = spawnSync(process.execPath, [...nodeFlags, '--import', gramine, '-e', call], {
    encoding: 'utf8',
  })
  t.equal(status, 0)
  t.equal(stdout, 'hello\n')
})
