// Holds the credential that TLS shows, and says how good it is: none yet, ready, stale (renewal fails, still valid),
// expired. It takes what a source delivers, refuses what may not be shown, and tells whoever listens.
//
// A bad credential is a failed renewal, never an outage: the standing one stays until its own end. Keys born outside
// the enclave are refused unless the policy accepts them. Reports carry names, dates and the leaf's SHA-256: no keys.

import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { Fault } from '../base/errors.ts'
import { Machine } from '../base/phase.ts'
import { chance, retryAfter } from '../base/retry.ts'
import { type CertificateSource, type Credential, checkCredential, type Standing } from './credential.ts'
import { asFault, at, sleepUntil } from './rotate.ts'

export type KeeperEvent =
  | {
      readonly event: 'credential-installed'
      readonly source: string
      /** As the source says: whether evidence was asked for where it comes from. */
      readonly attested: boolean
      readonly leafSha256: string
      readonly keyOrigin: Credential['keyOrigin']
      readonly notBefore: number
      readonly notAfter: number
    }
  | {
      readonly event: 'credential-renewal-failed'
      readonly source: string
      readonly phase: Standing['phase']
      readonly code: string
      readonly reason: string
    }
  | {
      readonly event: 'credential-expired'
      readonly source: string
      readonly leafSha256: string
      readonly notAfter: number
      /** Why there is no other: the last failure to renew it. */
      readonly code: string
      readonly reason: string
    }
  | { readonly event: 'credential-listener-failed'; readonly source: string; readonly code: string }

export interface KeeperOptions {
  readonly source: CertificateSource
  readonly clock: Clock
  readonly report: (event: KeeperEvent) => void
  /** The policy's dangerAcceptForeignKey: take keys born outside the enclave. */
  readonly acceptForeignKey?: boolean
}

type Listener = (standing: Standing) => void

export class Keeper {
  readonly #options: KeeperOptions
  readonly #stopping = new AbortController()
  readonly #machine = new Machine<Standing['phase']>(
    {
      empty: ['ready'],
      ready: ['ready', 'stale', 'expired'],
      stale: ['ready', 'stale', 'expired'],
      expired: ['ready'],
    },
    'empty',
  )
  readonly #listeners = new Set<Listener>()
  #standing: Standing = { phase: 'empty' }
  #lastFault: Fault | undefined
  #cancelExpiry = (): void => {}
  #following: Promise<void> | undefined

  constructor(options: KeeperOptions) {
    this.#options = options
  }

  /** Begins to follow the source. Once. */
  start(): void {
    this.#following ??= this.#follow()
  }

  /** What may be shown now. Looked at against the clock each time: a late timer never makes an expired leaf good. */
  get standing(): Standing {
    this.#expireIfDue()
    return this.#standing
  }

  /**
   * The first valid credential.
   * @param deadlineMs how long to wait
   * @throws Fault: the last failure of the source, or 'credential-invalid', where none came in time or stop() did
   */
  ready(deadlineMs: number): Promise<Credential> {
    const { clock } = this.#options
    const now = this.standing
    if ('credential' in now) return Promise.resolve(now.credential)
    return new Promise((resolve, reject) => {
      const done = (): void => {
        cancel()
        forget()
        this.#stopping.signal.removeEventListener('abort', fail)
      }
      const fail = (): void => {
        done()
        reject(this.#lastFault ?? new Fault('credential-invalid', `no credential within ${deadlineMs} ms`))
      }
      const cancel = clock.after(deadlineMs, fail)
      const forget = this.onChange(standing => {
        if (!('credential' in standing)) return
        done()
        resolve(standing.credential)
      })
      this.#stopping.signal.addEventListener('abort', fail, { once: true })
      if (this.#stopping.signal.aborted) fail()
    })
  }

  /**
   * Calls back on every change of the standing: TLS listeners then take the new credential up, or refuse handshakes
   * where it expired. Not called for what stands already.
   * @returns takes it back
   */
  onChange(listener: Listener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Stops following and drops every timer; what stands, stands. Resolves when the source has let go. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    this.#cancelExpiry()
    await this.#following
  }

  async #follow(): Promise<void> {
    const { source, clock } = this.#options
    const { signal } = this.#stopping
    let failures = 0
    while (!signal.aborted) {
      try {
        for await (const credential of source.credentials(signal, fault => this.#failed(fault))) {
          if (signal.aborted) return
          if (this.#accept(credential)) failures = 0
        }
        if (signal.aborted) return
        throw new Fault('credential-invalid', `source ${source.name} ended`)
      } catch (error) {
        if (signal.aborted) return
        // A source that breaks off is started again; sources back off by themselves, so this is the exception.
        this.#failed(asFault(error))
        failures += 1
        await sleepUntil(clock, clock.now() + retryAfter(failures, chance()), signal)
      }
    }
  }

  #accept(credential: Credential): boolean {
    const { source, clock, report, acceptForeignKey = false } = this.#options
    try {
      if (credential.keyOrigin !== 'enclave' && !acceptForeignKey) {
        const where = credential.keyOrigin
        throw new Fault(
          'credential-invalid',
          `key was born outside the enclave (${where}) and the policy takes none such`,
        )
      }
      checkCredential(credential, clock.now())
    } catch (error) {
      this.#failed(asFault(error))
      return false
    }
    this.#cancelExpiry()
    this.#lastFault = undefined
    this.#cancelExpiry = at(clock, credential.notAfter, () => this.#expireIfDue())
    const { keyOrigin, notBefore, notAfter } = credential
    const leafSha256 = sha256(credential)
    const { name, attested } = source
    report({ event: 'credential-installed', source: name, attested, leafSha256, keyOrigin, notBefore, notAfter })
    this.#change({ phase: 'ready', credential })
    return true
  }

  #failed(fault: Fault): void {
    if (this.#stopping.signal.aborted) return
    const { source, report } = this.#options
    this.#lastFault = fault
    const { phase } = this.standing
    report({ event: 'credential-renewal-failed', source: source.name, phase, code: fault.code, reason: fault.message })
    const now = this.#standing
    if ('credential' in now) this.#change({ phase: 'stale', credential: now.credential, fault })
  }

  #expireIfDue(): void {
    const now = this.#standing
    const { source, clock, report } = this.#options
    if (!('credential' in now) || clock.now() < now.credential.notAfter) return
    this.#cancelExpiry()
    const { notAfter } = now.credential
    const because = this.#lastFault ?? new Fault('credential-invalid', `expired at ${new Date(notAfter).toISOString()}`)
    const leafSha256 = sha256(now.credential)
    const { code, message: reason } = because
    report({ event: 'credential-expired', source: source.name, leafSha256, notAfter, code, reason })
    this.#change({ phase: 'expired', fault: because })
  }

  #change(standing: Standing): void {
    this.#machine.to(standing.phase)
    this.#standing = standing
    for (const listener of [...this.#listeners]) {
      try {
        listener(standing)
      } catch (error) {
        // One listener's trouble must not keep the others on the old certificate.
        this.#options.report({
          event: 'credential-listener-failed',
          source: this.#options.source.name,
          code: asFault(error).code,
        })
      }
    }
  }
}

/** SHA-256 of the leaf's DER, lower-case hex. */
function sha256(credential: Credential): string {
  return createHash('sha256').update(credential.chain[0]).digest('hex')
}
