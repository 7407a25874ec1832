// The one error class. A Fault has a code from a closed list; the catalogue says whose fault it is and, where a client
// can be told, with which status. Expected outcomes (a full queue, a refused peer) are values, not Faults.
//
// A Fault's message may name addresses and rules: it goes to the operator's log. Clients get the code, unless the policy
// lets them see more.

/** Who has to act: the client, the container behind us, the platform (TEE, host), the operator, or ourselves. */
export type Blame = 'client' | 'upstream' | 'platform' | 'operator' | 'bug'

interface Row {
  readonly blame: Blame
  /** Status of the answer while none has begun; 0 where no client is ever involved. */
  readonly status: number
}

const catalogue = {
  // Requests that cannot be forwarded.
  'connect-unsupported': { blame: 'client', status: 502 },
  'request-malformed': { blame: 'client', status: 400 },
  'client-body-broken': { blame: 'client', status: 502 },
  'request-unsupported': { blame: 'client', status: 502 },
  // The container.
  'upstream-refused': { blame: 'upstream', status: 502 },
  'upstream-unreachable': { blame: 'upstream', status: 502 },
  'upstream-closed': { blame: 'upstream', status: 502 },
  'upstream-reset': { blame: 'upstream', status: 502 },
  'upstream-malformed': { blame: 'upstream', status: 502 },
  'upstream-unframed': { blame: 'upstream', status: 502 },
  'upstream-untrusted': { blame: 'upstream', status: 502 },
  'upstream-switched': { blame: 'upstream', status: 502 },
  // Evidence.
  'certificate-malformed': { blame: 'platform', status: 0 },
  'evidence-missing': { blame: 'platform', status: 0 },
  'evidence-malformed': { blame: 'platform', status: 0 },
  'evidence-unbound': { blame: 'platform', status: 0 },
  'quote-malformed': { blame: 'platform', status: 0 },
  'quote-unverified': { blame: 'platform', status: 0 },
  'collateral-missing': { blame: 'platform', status: 0 },
  'collateral-malformed': { blame: 'platform', status: 0 },
  'collateral-unverified': { blame: 'platform', status: 0 },
  'collateral-outdated': { blame: 'platform', status: 0 },
  'tee-unavailable': { blame: 'platform', status: 0 },
  // Whoever issues our certificate.
  'issuer-unavailable': { blame: 'platform', status: 0 },
  'issuer-untrusted': { blame: 'platform', status: 0 },
  'issuer-refused': { blame: 'operator', status: 0 },
  'issuer-malformed': { blame: 'platform', status: 0 },
  // Start and operation.
  'environment-invalid': { blame: 'operator', status: 0 },
  'policy-invalid': { blame: 'operator', status: 0 },
  'manifest-malformed': { blame: 'operator', status: 0 },
  'sigstruct-malformed': { blame: 'operator', status: 0 },
  'sigstruct-unverified': { blame: 'operator', status: 0 },
  'credential-invalid': { blame: 'operator', status: 0 },
  'options-invalid': { blame: 'operator', status: 0 },
  'review-malformed': { blame: 'client', status: 400 },
  'bind-failed': { blame: 'operator', status: 0 },
  usage: { blame: 'operator', status: 0 },
  internal: { blame: 'bug', status: 500 },
} as const satisfies Record<string, Row>

export type FaultCode = keyof typeof catalogue

export class Fault extends Error {
  readonly code: FaultCode

  /**
   * @param code from the catalogue
   * @param message for the operator: what was wanted and what was there; lower case, no secret
   */
  constructor(code: FaultCode, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'Fault'
    this.code = code
  }

  get blame(): Blame {
    return catalogue[this.code].blame
  }

  /** HTTP status for an answer that has not begun; 0 where the fault never reaches a client. */
  get status(): number {
    return catalogue[this.code].status
  }
}

/** A system error's code ('ECONNREFUSED', …) or undefined. Reads one property; never keeps the object. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' ? error.code : undefined
}

/** What may be logged of an error that is not ours: its code, else its class. Error objects can hold raw request bytes. */
export function describe(error: unknown): string {
  if (error instanceof Fault) return `${error.code}: ${error.message}`
  return systemCode(error) ?? (error instanceof Error ? error.name : typeof error)
}
