// The request log: one line for each finished request, by the template of the configuration, to standard output. Lines of
// one tick leave in one write. What a line may hold was decided before it came here: where the policy does not let
// everything leave, the template is ours.

import { Fault } from '../base/errors.ts'
import type { Log } from '../base/log.ts'
import type { Recorder, Summary } from '../gate/contract.ts'
import { isProbe, type Serving } from './labels.ts'
import { latency, statusOf } from './template/fields.ts'
import { showFloat } from './template/values.ts'
import { compileTemplate } from './template.ts'

export interface RequestLog {
  /** One, or none where nothing is logged. */
  readonly recorders: readonly Recorder[]
  /** Writes what is waiting. */
  readonly flush: () => void
}

/** What the configuration says of it. */
export interface RequestLogWish {
  readonly enableRequestLog: boolean
  readonly enableProbeRequestLog: boolean
  readonly requestLogTemplate: string
}

export interface RequestLogOptions {
  /** Not empty. */
  readonly template: string
  readonly serving: Serving & { readonly podIp: string }
  readonly probes: boolean
  /** Receives whole lines. */
  readonly write: (lines: string) => void
}

/** More than this does not wait for the end of the tick. */
const maxWaiting = 64 * 1024

const off: RequestLog = { recorders: [], flush: () => {} }

/** Without a template there is no log; without a good one there is traffic all the same, as in Go. */
export function openRequestLog(
  wish: RequestLogWish,
  serving: RequestLogOptions['serving'],
  write: RequestLogOptions['write'],
  log: Pick<Log, 'error'>,
): RequestLog {
  const template = wish.requestLogTemplate
  if (!wish.enableRequestLog || template === '') return off
  try {
    return makeRequestLog({ template, serving, probes: wish.enableProbeRequestLog, write })
  } catch (error) {
    if (!(error instanceof Fault)) throw error
    const message = 'Error setting up request logger. Request logs will be unavailable.'
    log.error(message, { code: error.code, error: error.message })
    return off
  }
}

/** @throws Fault 'environment-invalid' with line and column where the template is not in the subset */
export function makeRequestLog(options: RequestLogOptions): RequestLog {
  const { template, probes, write } = options
  const render = compileTemplate(template.endsWith('\n') ? template : `${template}\n`, options.serving)
  let waiting = ''
  let scheduled = false

  function flush(): void {
    scheduled = false
    if (waiting === '') return
    const lines = waiting
    waiting = ''
    write(asText(lines))
  }

  function finished(summary: Summary): void {
    if (!probes && isProbe(summary.head)) return
    waiting += line(summary)
    if (waiting.length > maxWaiting) flush()
    else if (!scheduled) {
      scheduled = true
      setImmediate(flush)
    }
  }

  function line(summary: Summary): string {
    try {
      return render(summary)
    } catch {
      const { method, target } = summary.head
      const took = showFloat(latency(summary))
      const code = statusOf(summary)
      return `Invalid request log template: method: ${method}, response code: ${code}, latency: ${took}, url: ${target}\n`
    }
  }

  return { recorders: [{ finished }], flush }
}

const beyondAscii = /[\x80-\xff]/

/** Bytes to text; what is no UTF-8 becomes U+FFFD, so that the log stays text. */
function asText(bytes: string): string {
  return beyondAscii.test(bytes) ? Buffer.from(bytes, 'latin1').toString('utf8') : bytes
}
