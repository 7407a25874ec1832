// Processor time of one process, all threads, from the kernel's own books. Nanoseconds from schedstat where the kernel
// keeps them, ticks of 10 ms from stat where not. Time of threads that have ended is lost with schedstat; none of the
// contenders ends threads under load.

import { readdirSync, readFileSync } from 'node:fs'

export interface CpuTime {
  /** µs on a core. */
  readonly ranUs: number
  /** µs ready to run while somebody else had the core: how much the machine was shared. Null where not kept. */
  readonly waitedUs: number | null
}

const usPerTick = 10_000

/** Time so far. Undefined where there is no /proc, as outside Linux. */
export function cpuTime(pid: number): CpuTime | undefined {
  return fromSchedstat(pid) ?? fromStat(pid)
}

function fromSchedstat(pid: number): CpuTime | undefined {
  try {
    let ranNs = 0
    let waitedNs = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      const [ran, waited] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')
      ranNs += Number(ran)
      waitedNs += Number(waited)
    }
    // Zero where the kernel does not count.
    return ranNs > 0 ? { ranUs: ranNs / 1_000, waitedUs: waitedNs / 1_000 } : undefined
  } catch {
    return undefined
  }
}

function fromStat(pid: number): CpuTime | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in brackets may hold spaces; fields are counted from behind it (proc(5): utime 14, stime 15).
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
    return { ranUs: (Number(fields[11]) + Number(fields[12])) * usPerTick, waitedUs: null }
  } catch {
    return undefined
  }
}
