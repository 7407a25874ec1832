// What Gramine emulates: signals, stacks, descriptors, names, processes.

import { sizeOf } from '../manifest.ts'
import { type Rule, told, when } from '../rule.ts'

/** V8 believes in 984 KiB of stack; below it a deep recursion is a crash, which a request can cause. */
const leastStackBytes = 2 ** 20
/** As in readProxyConfig. */
const defaultMaxConnections = 10_000
/** Two serving ports, and to the container one connection for each request in flight. */
const descriptorsPerConnection = 3

export const sysRules: readonly Rule[] = [
  {
    id: 'sigterm',
    severity: 'error',
    cure: 'sys.enable_sigterm_injection = true',
    find: m =>
      when(
        m.get('sys.enable_sigterm_injection') !== true,
        'SIGTERM does not come in, so a pod cannot drain: it is killed with its requests',
      ),
  },
  {
    id: 'stack-small',
    severity: 'error',
    cure: 'sys.stack.size = "2M"',
    find: m => {
      const size = m.get('sys.stack.size')
      return when(
        (sizeOf(size ?? '256K') ?? 0) < leastStackBytes,
        `sys.stack.size is ${told(size)} (the default is 256K): deep recursion is SIGSEGV instead of a RangeError`,
      )
    },
  },
  {
    id: 'fd-limit',
    severity: 'warning',
    cure: `sys.fds.limit = ${descriptorsPerConnection} times POSTERN_MAX_CONNECTIONS and a few hundred, such as 32768`,
    find: m => {
      const limit = Number(m.get('sys.fds.limit') ?? 900)
      const most = Number(m.constants.get('POSTERN_MAX_CONNECTIONS') ?? defaultMaxConnections)
      return when(
        limit <= most * descriptorsPerConnection,
        `sys.fds.limit is ${limit}, and ${most} connections a port need more than ${most * descriptorsPerConnection}: above it accepting stalls without an error`,
      )
    },
  },
  {
    id: 'eventfd-host',
    severity: 'error',
    cure: 'take it out: since 1.7 Gramine has eventfd inside the enclave',
    find: m => when(m.get('sys.insecure__allow_eventfd') === true, 'wake-ups go through an eventfd of the host'),
  },
  {
    id: 'subprocesses',
    severity: 'warning',
    cure: 'sys.disallow_subprocesses = true; postern starts none, and each would be another enclave',
    find: m => when(m.get('sys.disallow_subprocesses') !== true, 'processes can be started inside'),
  },
  {
    id: 'names-from-host',
    severity: 'warning',
    cure: 'sys.enable_extra_runtime_domain_names_conf = false, unless the policy has collateral fetched by name; the container is on 127.0.0.1',
    find: m =>
      when(m.get('sys.enable_extra_runtime_domain_names_conf') === true, 'resolv.conf and host name are the host’s'),
  },
  {
    id: 'ioctls',
    severity: 'warning',
    cure: 'take them out; postern uses no device',
    find: m =>
      when(m.tables('sys.allowed_ioctls').length > 0, 'sys.allowed_ioctls lets memory out through calls to devices'),
  },
  {
    id: 'mocked-syscalls',
    severity: 'warning',
    cure: 'take them out, unless it is madvise on a machine without EDMM, and measured there',
    find: m =>
      when(
        m.tables('sys.debug__mock_syscalls').length > 0,
        'sys.debug__mock_syscalls answers system calls without making them',
      ),
  },
]
