// Helpers for the identity tests: time that moves when told, and small certificate authorities made of the real parts.

import type { KeyObject } from 'node:crypto'
import type { Clock } from '../../src/base/clock.ts'
import { type Credential, toCredential } from '../../src/identity/credential.ts'
import { type Fields, generateKey, issue, selfSigned, selfSignedAuthority } from '../../src/identity/x509.ts'

export const start = Date.UTC(2026, 0, 1)
export const hour = 3_600_000

/** A clock that stands still until advance(). Callbacks run in order of time, with promises settled in between. */
export class FakeClock implements Clock {
  #now: number
  #timers: { due: number; run: () => void }[] = []

  constructor(now = start) {
    this.#now = now
  }

  now(): number {
    return this.#now
  }

  monotonic(): number {
    return this.#now
  }

  get pending(): number {
    return this.#timers.length
  }

  after(ms: number, run: () => void): () => void {
    const timer = { due: this.#now + ms, run }
    this.#timers.push(timer)
    return () => {
      this.#timers = this.#timers.filter(other => other !== timer)
    }
  }

  every(ms: number, run: () => void): () => void {
    let cancel = (): void => {}
    const again = (): void => {
      cancel = this.after(ms, again)
      run()
    }
    cancel = this.after(ms, again)
    return () => cancel()
  }

  /** Moves the wall clock alone, as a host may: no timer fires. */
  jump(ms: number): void {
    this.#now += ms
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    await settle()
    for (;;) {
      const next = this.#timers.filter(timer => timer.due <= end).sort((a, b) => a.due - b.due)[0]
      if (next === undefined) break
      this.#timers = this.#timers.filter(timer => timer !== next)
      this.#now = Math.max(this.#now, next.due)
      next.run()
      await settle()
    }
    this.#now = end
    await settle()
  }
}

/** Lets promises, file reads and WebCrypto finish that are under way. */
export async function settle(turns = 20): Promise<void> {
  for (let turn = 0; turn < turns; turn += 1) await new Promise(resolve => setImmediate(resolve))
}

/** Waits for a condition in real time; for work that runs on the thread pool. */
export async function eventually(condition: () => boolean, ms = 5_000): Promise<void> {
  const end = Date.now() + ms
  while (!condition()) {
    if (Date.now() > end) throw new Error('condition not met in time')
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

export interface TestAuthority {
  readonly certificate: Uint8Array
  readonly key: KeyObject
  readonly publicKey: KeyObject
}

export const dates = { notBefore: start - hour, notAfter: start + 24 * hour }

export async function makeRoot(
  name = 'root',
  fields: Partial<Fields> & { pathLength?: number } = {},
): Promise<TestAuthority> {
  const key = generateKey()
  const certificate = await selfSignedAuthority({ ...dates, subject: { commonName: name }, key, ...fields })
  return { certificate, key: key.privateKey, publicKey: key.publicKey }
}

export async function makeIntermediate(
  issuer: TestAuthority,
  name = 'intermediate',
  fields: Partial<Fields> & { pathLength?: number } = {},
): Promise<TestAuthority> {
  const { pathLength, ...rest } = fields
  const key = generateKey()
  const ca = pathLength === undefined ? {} : { pathLength }
  const subject = { commonName: name }
  const certificate = await issue({ ...dates, subject, issuer, publicKey: key.publicKey, ca, ...rest })
  return { certificate, key: key.privateKey, publicKey: key.publicKey }
}

export async function makeLeaf(issuer: TestAuthority, fields: Partial<Fields> = {}): Promise<Uint8Array> {
  const { publicKey } = generateKey()
  return issue({
    ...dates,
    subject: { commonName: 'leaf' },
    dnsNames: ['app.example.org'],
    issuer,
    publicKey,
    ...fields,
  })
}

/** A self-signed credential. */
export async function makeCredential(
  fields: Partial<Fields> = {},
  keyOrigin: Credential['keyOrigin'] = 'enclave',
): Promise<Credential> {
  const key = generateKey()
  const leaf = await selfSigned({ ...dates, subject: { commonName: 'leaf' }, key, ...fields })
  return toCredential([leaf], key.privateKey, keyOrigin)
}
