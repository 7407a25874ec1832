// The life of the process as the data path sees it. Probes read it, the wiring page moves it.

import { Machine } from '../base/phase.ts'

export type Phase = 'starting' | 'serving' | 'draining' | 'closing' | 'closed'
export type Life = Machine<Phase>

/**
 * Forward only, but for draining → serving: the container's preStop hook asked for a drain and no TERM followed, so only
 * the container restarts and we go on.
 */
export function newLife(): Life {
  return new Machine<Phase>(
    {
      starting: ['serving', 'draining'],
      serving: ['draining'],
      draining: ['serving', 'closing'],
      closing: ['closed'],
      closed: [],
    },
    'starting',
  )
}
