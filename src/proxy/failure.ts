// How a failed start is told. The Go program writes what its environment reader refuses as a plain line on stderr, and
// everything later as a log line; who watches for either finds it where it was.

import type { Fault } from '../base/errors.ts'
import type { Log } from '../base/log.ts'

/** The first thing that the Go program checks, before it has a log. */
const beforeTheLog = /^(?:required key |envconfig\.Process: )/

/** Bind failures name the server in front and the cure behind; the Go program's words stand between. */
const bindFailure = /^(?<go>.*) \((?<server>[^()]*)\)(?:; (?<cure>.*))?$/

/** Writes the failure to the log where the Go program would; false where it belongs on stderr instead. */
export function logFailure(fault: Fault, log: Log): boolean {
  switch (fault.code) {
    case 'bind-failed': {
      const { go = fault.message, server = '', cure } = bindFailure.exec(fault.message)?.groups ?? {}
      const error = `${server} server failed to serve: ${go}`
      log.error('Failed to bring up queue-proxy, shutting down.', {
        code: fault.code,
        error,
        ...(cure ? { cure } : {}),
      })
      // Whoever starts it by hand reads the terminal.
      return false
    }
    case 'credential-invalid':
      log.fatal('failed to create certWatcher', { code: fault.code, error: fault.message })
      return true
    case 'environment-invalid': {
      if (beforeTheLog.test(fault.message)) return false
      const [first = '', ...rest] = fault.message.split('\n')
      const at = first.indexOf(': ')
      const error = first.slice(at + 2)
      log.fatal(at < 0 ? first : first.slice(0, at), {
        code: fault.code,
        error,
        ...(rest.length > 0 ? { more: rest } : {}),
      })
      return true
    }
    default:
      return false
  }
}
