// What goes over the wire when a certificate is asked for: CBOR, fields by number, everything bounded. Read strictly on
// either side; neither can make the other hold more than stands here.

import { maxEvidenceBytes, maxRequestBytes } from '../attest/csr.ts'
import { type Cbor, decodeFields, encodeFields, type Fields, isMap } from '../base/cbor.ts'
import { Fault } from '../base/errors.ts'

export const certificatesPath = '/v1/certificates'
export const messageType = 'application/cbor'

/** A question: PKCS#10 in DER, and evidence as CBOR, tag 60000 included. */
export interface Question {
  readonly request: Uint8Array
  readonly evidence: Uint8Array
}

export interface Answer {
  /** DER, leaf first. */
  readonly chain: readonly [leaf: Uint8Array, ...rest: Uint8Array[]]
  /** DER: whose signatures count. */
  readonly bundle: readonly [Uint8Array, ...Uint8Array[]]
  readonly time: TimeToken
  /** What the CA has seen of collateral, below which nobody should go; empty where there is none. */
  readonly floors: ReadonlyMap<string, number>
  /** SHA-256 of the audit log's last line, which is about this answer. */
  readonly auditHead: Uint8Array
  /** The revocation list, DER; absent from a CA that gives none. */
  readonly list?: Uint8Array | undefined
}

/** The CA's time, for one connection. */
export interface TimeToken {
  /** CBOR of {0: seconds since the epoch, 1: channel}. */
  readonly signed: Uint8Array
  /** DER of the ECDSA signature by the CA's key, over `timeLabel` and `signed`. */
  readonly signature: Uint8Array
}

/** What is signed begins so, and is nothing else then. */
export const timeLabel = Buffer.from('postern time v1\0')

export const maxQuestionBytes = maxRequestBytes + maxEvidenceBytes + 64
export const maxAnswerBytes = 256 * 1024

const code = 'request-malformed'
const answerCode = 'issuer-malformed'
const maxCertificates = 8
const maxFloors = 8

export function writeQuestion({ request, evidence }: Question): Uint8Array {
  return encodeFields(
    new Map<number, Cbor>([
      [1, request],
      [2, evidence],
    ]),
  )
}

/** @throws Fault 'request-malformed' */
export function readQuestion(bytes: Uint8Array): Question {
  if (bytes.length > maxQuestionBytes) {
    throw new Fault(code, `question: want at most ${maxQuestionBytes} bytes, got ${bytes.length}`)
  }
  const fields = decodeFields(bytes, code)
  // Fields 3 (endorsements) and 4 (a signed policy) are reserved; what is not looked at is not taken.
  if (fields.size !== 2) throw new Fault(code, 'question: want 1: a request, 2: evidence, and nothing else')
  return { request: bytesIn(fields, 1, code), evidence: bytesIn(fields, 2, code) }
}

export function writeAnswer({ chain, bundle, time, floors, auditHead, list }: Answer): Uint8Array {
  return encodeFields(
    new Map<number, Cbor>([
      [1, chain],
      [2, bundle],
      [3, [time.signed, time.signature]],
      [4, floors],
      [6, auditHead],
      ...(list ? [[7, list] as const] : []),
    ]),
  )
}

/** Fields that it does not know are skipped: a newer CA may say more. @throws Fault 'issuer-malformed' */
export function readAnswer(bytes: Uint8Array): Answer {
  if (bytes.length > maxAnswerBytes) throw new Fault(answerCode, `answer: ${bytes.length} bytes`)
  const fields = decodeFields(bytes, answerCode)
  const [signed, signature, ...rest] = list(fields, 3)
  if (signed === undefined || signature === undefined || rest.length > 0) throw malformed('two byte strings as 3')
  const floors = fields.get(4)
  if (!isMap(floors) || floors.size > maxFloors) throw malformed('a map as 4')
  const auditHead = bytesIn(fields, 6, answerCode)
  if (auditHead.length !== 32) throw malformed('32 bytes as 6')
  return {
    chain: some(list(fields, 1), 1),
    bundle: some(list(fields, 2), 2),
    time: { signed, signature },
    floors: new Map(
      [...floors].map(([name, value]) => {
        if (typeof value !== 'number') throw malformed('numbers in 4')
        return [name, value]
      }),
    ),
    auditHead,
    list: fields.has(7) ? bytesIn(fields, 7, answerCode) : undefined,
  }
}

/** @param ms milliseconds since the epoch @param channel 32 bytes of the connection's exporter */
export function writeTime(ms: number, channel: Uint8Array): Uint8Array {
  return encodeFields(
    new Map<number, Cbor>([
      [0, Math.floor(ms / 1000)],
      [1, channel],
    ]),
  )
}

/** @returns milliseconds since the epoch. @throws Fault 'issuer-malformed' */
export function readTime(signed: Uint8Array): { readonly at: number; readonly channel: Uint8Array } {
  const fields = decodeFields(signed, answerCode)
  const seconds = fields.get(0)
  if (typeof seconds !== 'number' || fields.size !== 2) throw malformed('{0: seconds, 1: channel} as time')
  return { at: seconds * 1000, channel: bytesIn(fields, 1, answerCode) }
}

function bytesIn(fields: Fields, key: number, fault: 'request-malformed' | 'issuer-malformed'): Uint8Array {
  const value = fields.get(key)
  if (value instanceof Uint8Array) return value
  throw new Fault(fault, `message: want a byte string as ${key}`)
}

function list(fields: Fields, key: number): Uint8Array[] {
  const value = fields.get(key)
  const all = Array.isArray(value) ? (value as readonly Cbor[]) : []
  const bytes = all.filter(each => each instanceof Uint8Array)
  if (bytes.length === 0 || bytes.length !== all.length || all.length > maxCertificates) {
    throw malformed(`1 to ${maxCertificates} byte strings as ${key}`)
  }
  return bytes
}

function some([first, ...rest]: readonly Uint8Array[], key: number): [Uint8Array, ...Uint8Array[]] {
  if (first === undefined) throw malformed(`a byte string as ${key}`)
  return [first, ...rest]
}

function malformed(want: string): Fault {
  return new Fault(answerCode, `answer: want ${want}`)
}
