// Where a run is and how long it will still take, on stderr: one line that is written over on a terminal, a line now and
// then elsewhere. The estimate is the plan's, corrected by how the plan has done so far.

const quietMs = 10_000

export class Progress {
  readonly #total: number
  readonly #began = performance.now()
  readonly #terminal: boolean
  readonly #write: (text: string) => void
  #planned = 0
  #last = 0

  /** @param totalSeconds of the plan */
  constructor(totalSeconds: number, terminal: boolean, write: (text: string) => void) {
    this.#total = totalSeconds
    this.#terminal = terminal
    this.#write = write
  }

  /** So much of the plan is done. */
  done(seconds: number): void {
    this.#planned = Math.min(this.#total, this.#planned + seconds)
  }

  /** Shows what was just done. */
  show(what: string): void {
    const now = performance.now()
    if (!this.#terminal && now - this.#last < quietMs && this.#last > 0) return
    this.#last = now
    const line = `${String(Math.round(this.#share * 100)).padStart(3)} %  ${this.left()} left  ${what}`
    this.#write(this.#terminal ? `\r\u001b[K${line.slice(0, 110)}` : `${line}\n`)
  }

  /** A line that stays. */
  say(line: string): void {
    this.#write(this.#terminal ? `\r\u001b[K${line}\n` : `${line}\n`)
  }

  left(): string {
    const ran = (performance.now() - this.#began) / 1_000
    const rate = this.#planned > 5 ? ran / this.#planned : 1
    return duration((this.#total - this.#planned) * rate)
  }

  get #share(): number {
    return this.#total > 0 ? this.#planned / this.#total : 1
  }
}

/** "3 min 20 s" */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds))
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`
}
