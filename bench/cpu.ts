// Processor time of one process, all threads, from the kernel's own books. Nanoseconds from schedstat where the kernel
// keeps them, ticks of 10 ms from stat where not. Time of threads that have ended is lost with schedstat; none of the
// contenders ends threads under load.

import { readdirSync, readFileSync } from 'node:fs'

const usPerTick = 10_000

/** CPU time so far, µs. Undefined where there is no /proc, as outside Linux. */
export function cpuUs(pid: number): number | undefined {
  return fromSchedstat(pid) ?? fromStat(pid)
}

function fromSchedstat(pid: number): number | undefined {
  try {
    let ns = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    }
    // Zero where the kernel does not count.
    return ns > 0 ? ns / 1_000 : undefined
  } catch {
    return undefined
  }
}

function fromStat(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold spaces; fields are counted from behind it (proc(5): utime 14, stime 15).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) * usPerTick
  } catch {
    return undefined
  }
}
