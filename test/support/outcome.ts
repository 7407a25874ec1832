// What a call came to, as text that a table can hold.

import { Fault } from '../../src/base/errors.ts'

/** 'ok', or the code of the Fault that was thrown; anything else that is thrown goes on. */
export function outcome(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof Fault) return error.code
    throw error
  }
}

/** 'ok', or the message of the Fault. */
export function complaint(run: () => unknown): string {
  try {
    run()
    return 'ok'
  } catch (error) {
    if (error instanceof Fault) return error.message
    throw error
  }
}
