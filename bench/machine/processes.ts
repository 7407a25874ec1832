// What a process and all that it started cost, from the kernel's own books in /proc: processor time of all threads,
// resident memory, number of threads. Nanoseconds from schedstat where the kernel keeps them, ticks of 10 ms from stat
// where not. Time of threads that have ended is lost with schedstat; none of the contenders ends threads under load.

import { readdirSync, readFileSync } from 'node:fs'

export interface Cost {
  /** µs on a core. */
  readonly ranUs: number
  /** µs ready to run while somebody else had the core: how much the machine was shared. Null where not kept. */
  readonly waitedUs: number | null
  readonly rssKiB: number
  readonly threads: number
}

const usPerTick = 10_000

/** So far. Undefined where there is no such process, or no /proc, as outside Linux. */
export function costOf(pid: number): Cost | undefined {
  let sum: Cost | undefined
  for (const each of family(pid)) {
    const cost = costOfOne(each)
    if (!cost) continue
    sum = sum
      ? {
          ranUs: sum.ranUs + cost.ranUs,
          waitedUs: sum.waitedUs === null || cost.waitedUs === null ? null : sum.waitedUs + cost.waitedUs,
          rssKiB: sum.rssKiB + cost.rssKiB,
          threads: sum.threads + cost.threads,
        }
      : cost
  }
  return sum
}

/** The process and its descendants. */
export function family(pid: number): readonly number[] {
  const found = [pid]
  for (const parent of found) {
    for (const thread of threadsOf(parent)) {
      const children = read(`/proc/${parent}/task/${thread}/children`)?.trim() ?? ''
      if (children !== '') found.push(...children.split(' ').map(Number))
    }
  }
  return found
}

function costOfOne(pid: number): Cost | undefined {
  const status = read(`/proc/${pid}/status`)
  const time = fromSchedstat(pid) ?? fromStat(pid)
  if (status === undefined || !time) return undefined
  // A process that has ended and is not yet waited for has no memory.
  const rssKiB = Number(/^VmRSS:\s*(\d+) kB/m.exec(status)?.[1] ?? 0)
  return { ...time, rssKiB, threads: Number(/^Threads:\s*(\d+)/m.exec(status)?.[1] ?? 0) }
}

type Time = Pick<Cost, 'ranUs' | 'waitedUs'>

function fromSchedstat(pid: number): Time | undefined {
  let ranNs = 0
  let waitedNs = 0
  for (const thread of threadsOf(pid)) {
    const [ran, waited] = (read(`/proc/${pid}/task/${thread}/schedstat`) ?? '0 0').split(' ')
    ranNs += Number(ran)
    waitedNs += Number(waited)
  }
  // Zero where the kernel does not count.
  return ranNs > 0 ? { ranUs: ranNs / 1_000, waitedUs: waitedNs / 1_000 } : undefined
}

function fromStat(pid: number): Time | undefined {
  const text = read(`/proc/${pid}/stat`)
  if (text === undefined) return undefined
  // The name in brackets may hold spaces; fields are counted from behind it (proc(5): utime 14, stime 15).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return { ranUs: (Number(fields[11]) + Number(fields[12])) * usPerTick, waitedUs: null }
}

function threadsOf(pid: number): readonly string[] {
  try {
    return readdirSync(`/proc/${pid}/task`)
  } catch {
    return []
  }
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}
