// What logs and metrics are told of collateral. `what` is the name of one document, times are milliseconds since the epoch.

export type News =
  /** Every question to a source, however it ended. */
  | { readonly news: 'asked'; readonly source: string; readonly outcome: 'newer' | 'same' | 'failed' }
  | {
      readonly news: 'in-force'
      readonly what: string
      readonly source: string
      readonly number: string
      readonly issued: number
      /** Its own next update. */
      readonly until: number
      /** It is over by its own word, and used because the policy says so. */
      readonly past: boolean
    }
  /** Nothing that may be in force came, told when the reason is another than before. */
  | {
      readonly news: 'not-taken'
      readonly what: string
      readonly reason: string
      /** End of what stays in force; undefined: nothing is, and whoever needs it is refused. */
      readonly until: number | undefined
    }
  | { readonly news: 'well-again'; readonly what: string; readonly source: string }

/** How it stands at a moment. */
export interface Standing {
  /** When the first thing in force ends; undefined: nothing is in force. */
  readonly endsAt: number | undefined
  /** How many things could not be renewed or had at all, the last time. */
  readonly failing: number
}
