// The log of the role: Knative's keys, in the format that its logging configuration asks for.

import type { Clock } from '../base/clock.ts'
import { type Level, type LineFormat, type Log, makeLog } from '../base/log.ts'

export interface RoleLogOptions {
  readonly logging: LineFormat & { readonly level: Level; readonly output: 'stdout' | 'stderr' }
  readonly serving: { readonly namespace: string; readonly revision: string; readonly pod: string }
  readonly version: string
  readonly clock: Clock
  readonly write: (line: string) => unknown
  readonly writeError: (line: string) => unknown
}

export function openLog(options: RoleLogOptions): Log {
  const { logging, serving, version, clock } = options
  return makeLog({
    level: logging.level,
    format: logging,
    common: {
      commit: version,
      'knative.dev/key': `${serving.namespace}/${serving.revision}`,
      'knative.dev/pod': serving.pod,
    },
    clock,
    write: logging.output === 'stdout' ? options.write : options.writeError,
  })
}
