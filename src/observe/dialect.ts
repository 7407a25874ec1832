// What a way of naming metrics is given and must do. Which one speaks is chosen once, by what the controller configures.

import type { Summary } from '../gate/contract.ts'
import type { Serving } from './labels.ts'
import type { Page } from './series.ts'

export interface DialectOptions {
  readonly serving: Serving
  readonly version: string
  readonly upstream: { readonly port: number; readonly secure: boolean }
  /** Names of the service besides those that Knative gives it. */
  readonly hosts: readonly string[]
  /** What the policy lets be remembered of a request; '*' is everything. */
  readonly may: (field: 'method' | 'status' | 'route' | 'bytes' | 'duration' | '*') => boolean
  /** Requests that work or wait now; undefined where nothing limits them. */
  readonly inFlight: (() => number) | undefined
}

export interface Dialect {
  readonly finished: (summary: Summary) => void
  readonly pages: readonly Page[]
}
