// What a verb may touch of the world. main.ts gives the real one, tests give their own.

export interface Io {
  /** @throws where there is no such file */
  readonly readFile: (path: string) => Uint8Array
  readonly write: (text: string) => void
  /** Beside the output: what is to be known about it. */
  readonly warn: (text: string) => void
  /** Milliseconds since the epoch. */
  readonly now: () => number
}
