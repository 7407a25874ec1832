import t from 'tap'
import { difference, readStrace } from '../../../bench/machine/syscalls.ts'

const said = `strace: Process 4711 attached with 3 threads
% time     seconds  usecs/call     calls    errors syscall
------ ----------- ----------- --------- --------- ----------------
 55.10    0.123456           3     20000           writev
 44.80    0.100000           2     20010         5 read
  0.10    0.000100           1        40           epoll_pwait
------ ----------- ----------- --------- --------- ----------------
100.00    0.223556           2     40050         5 total
`

t.test("strace's table is read by name, with and without errors", async t => {
  t.same(readStrace(said), { writev: 20_000, read: 20_010, epoll_pwait: 40, total: 40_050 })
  t.same(readStrace('strace: attach: ptrace(PTRACE_SEIZE, 1): Operation not permitted'), {})
})

t.test('the difference of two windows is free of what both have', async t => {
  const short = { requests: 1_000, counts: { read: 2_000 + 50, clone: 3 } }
  const long = { requests: 3_000, counts: { read: 6_000 + 50, futex: 200, clone: 3 } }
  t.same(difference(short, long), { read: 2, futex: 0.1, clone: 0 })
})

t.test('where the long window answered no more there is nothing to divide by', async t => {
  const window = { requests: 10, counts: { read: 20 } }
  t.same(difference(window, window), {})
})
