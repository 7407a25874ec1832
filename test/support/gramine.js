// Preloaded: what Gramine lacks fails here as it does there. Plain JavaScript, as all that runs in an enclave.
//
// No WebAssembly memory to be had, no child processes, no inotify, no getrusage, no netlink, no IP_TOS, no reset of a
// connection, no socket that lives in the host's file system, no resident size.

import childProcess from 'node:child_process'
import cluster from 'node:cluster'
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { Socket } from 'node:net'
import os from 'node:os'

/** A system call's failure, as libuv words it. */
function failure(code, errno, syscall) {
  return Object.assign(new Error(`${syscall} ${code}`), { code, errno: -errno, syscall })
}

function failing(...what) {
  return () => {
    throw failure(...what)
  }
}

const noRusage = failing('ENOSYS', 38, 'uv_getrusage')
process.cpuUsage = noRusage
process.threadCpuUsage = noRusage
process.resourceUsage = noRusage
process.availableMemory = () => 0
const mapped = 1_100_000_000
const { memoryUsage } = process
process.memoryUsage = Object.assign(() => ({ ...memoryUsage(), rss: mapped }), { rss: () => mapped })

os.networkInterfaces = failing('ERR_SYSTEM_ERROR', 97, 'uv_interface_addresses')
os.userInfo = failing('ENOENT', 2, 'uv_os_get_passwd')
os.hostname = () => 'localhost'
os.loadavg = () => [0, 0, 0]

fs.watch = failing('ENOSYS', 38, 'watch')
fs.promises.watch = failing('ENOSYS', 38, 'watch')

for (const name of ['spawn', 'spawnSync', 'exec', 'execSync', 'execFile', 'execFileSync', 'fork']) {
  childProcess[name] = failing('EAGAIN', 11, 'spawn')
}
cluster.fork = failing('EAGAIN', 11, 'spawn')

// A function, since it is called with `new`.
function outOfMemory() {
  throw new RangeError('WebAssembly.Memory(): could not allocate memory')
}
for (const name of [
  'Memory',
  'Instance',
  'Module',
  'compile',
  'instantiate',
  'compileStreaming',
  'instantiateStreaming',
]) {
  Object.defineProperty(WebAssembly, name, { value: outOfMemory })
}
Object.defineProperty(globalThis, 'fetch', { value: failing('ENOPROTOOPT', 92, 'setsockopt') })
Socket.prototype.setTypeOfService = failing('ENOPROTOOPT', 92, 'setsockopt')

// SO_LINGER with no time is taken for no SO_LINGER at all: the peer sees an ordinary end.
Socket.prototype.resetAndDestroy = function () {
  return this.destroy()
}

const { connect } = Socket.prototype
Socket.prototype.connect = function (...args) {
  const first = Array.isArray(args[0]) ? args[0][0] : args[0]
  // node:http says null where it means none.
  if (typeof first === 'object' && typeof first?.path === 'string') return this.destroy(failure('ENOENT', 2, 'connect'))
  return connect.apply(this, args)
}

syncBuiltinESMExports()
