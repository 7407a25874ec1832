// Finished requests for the tests of this room, the ordinary one unless told otherwise.

import { head } from '../support/gate.ts'

/**
 * @param {Partial<import('../../src/gate/contract.ts').Summary>} [over]
 * @param {import('../support/gate.ts').HeadOptions} [request]
 * @returns {import('../../src/gate/contract.ts').Summary}
 */
export function summaryOf(over = {}, request = {}) {
  return {
    head: head({ secure: false, ...request }),
    end: 'complete',
    status: 200,
    responded: true,
    counted: true,
    admitted: true,
    forwarded: true,
    totalMs: 80,
    durationMs: 60,
    headMs: 30,
    retries: 0,
    bytesReceived: 0,
    bytesSent: 11,
    fault: undefined,
    ...over,
  }
}

/** What was turned away at the door. */
export const refused = /** @type {const} */ ({
  end: 'answered',
  status: 503,
  responded: false,
  admitted: false,
  forwarded: false,
  durationMs: 0,
  headMs: 0,
})

export const serving = {
  namespace: 'shop',
  service: 'cart',
  configuration: 'cart-config',
  revision: 'cart-00001',
  pod: 'cart-00001-x',
  podIp: '10.0.0.1',
}

/** Lines of a page that begin with a name. @param {string} text @param {string} name */
export const linesOf = (text, name) => text.split('\n').filter(line => line.startsWith(name))
