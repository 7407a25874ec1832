// The attesting CA as a function reaches it: a connection whose other end has shown its own evidence before it is told a
// word.

import { connect, type TLSSocket } from 'node:tls'
import { describe, Fault, type FaultCode } from '../base/errors.ts'
import { authorityOf, type Origin } from '../config/origin.ts'
import { type EvidenceJudge, textOf } from './judge.ts'

/**
 * One connection, judged. Whoever takes it has to hear its errors.
 * @throws Fault 'issuer-unavailable', 'issuer-untrusted'
 */
export function connectTo(at: Origin, judge: EvidenceJudge['judge'], signal: AbortSignal): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    // Its evidence is what counts; whether some CA knows it does not, so OpenSSL is not asked.
    const socket = connect({ ...at, rejectUnauthorized: false, minVersion: 'TLSv1.3' })
    const fail = (code: FaultCode, what: string): void => {
      signal.removeEventListener('abort', leave)
      socket.destroy()
      reject(new Fault(code, `provision: ${authorityOf(at)}: ${what}`))
    }
    const leave = (): void => fail('issuer-unavailable', 'given up')
    const broke = (error: Error): void => fail('issuer-unavailable', describe(error))
    socket.on('error', broke)
    socket.once('secureConnect', () => {
      const { raw } = socket.getPeerCertificate()
      const admission = judge(new Uint8Array(raw ?? []))
      if (!admission.accepted) return fail('issuer-untrusted', textOf(admission.reasons))
      signal.removeEventListener('abort', leave)
      socket.off('error', broke)
      resolve(socket)
    })
    if (signal.aborted) leave()
    else signal.addEventListener('abort', leave, { once: true })
  })
}
