// A log that remembers what it was told.

import type { Fields, Level, Log } from '../../src/base/log.ts'

export interface Line {
  readonly level: Level
  readonly message: string
  readonly fields: Fields
}

export function memoryLog(): { readonly log: Log; readonly lines: readonly Line[] } {
  const lines: Line[] = []
  const at =
    (level: Level) =>
    (message: string, fields: Fields = {}): void => {
      lines.push({ level, message, fields })
    }
  return {
    log: { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') },
    lines,
  }
}
