// AdmissionReview v1 in and out, as the API server speaks it (admission.k8s.io/v1). Read strictly: a review that is not
// about the creation of a pod was sent here by a wrong configuration, and is refused rather than waved through.

import { Fault } from '../base/errors.ts'
import { JsonError, type JsonObject, readJson } from '../base/json.ts'
import type { InjectOptions } from '../config/inject-shape.ts'
import { type Injection, inject } from './mutate.ts'
import { at, isObject, objectAt, textAt } from './tree.ts'

/** The API server takes no object above 3 MiB, and a review holds one. */
export const maxReviewBytes = 4 * 1024 * 1024

const maxUidLength = 128

export interface Answer {
  /** One AdmissionReview, JSON. */
  readonly body: string
  readonly outcome: Injection['outcome']
  /** For the log; namespace and generated name are all that is told about a pod. */
  readonly subject: string
  readonly reasons: readonly string[]
}

/**
 * @param bytes an AdmissionReview with a pod that is to be created
 * @throws Fault 'review-malformed' that says what was wanted
 */
export function answerReview(bytes: Uint8Array, options: InjectOptions): Answer {
  const { uid, pod, namespace } = readReview(bytes)
  const injection = inject(pod, options)
  const metadata = objectAt(pod, 'metadata')
  const name = textAt(metadata, 'name') || textAt(metadata, 'generateName')
  const reasons = injection.outcome === 'denied' ? injection.reasons : []
  const body = JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, ...response(injection) },
  })
  return { body, outcome: injection.outcome, subject: `${namespace}/${name}`, reasons }
}

function response(injection: Injection): object {
  switch (injection.outcome) {
    case 'skipped':
    case 'unchanged':
      return { allowed: true }
    case 'patched': {
      const patch = Buffer.from(JSON.stringify(injection.patch)).toString('base64')
      return { allowed: true, patchType: 'JSONPatch', patch }
    }
    case 'denied': {
      const message = `postern: ${injection.reasons.join('; ')}`
      return { allowed: false, status: { code: 403, reason: 'Forbidden', message } }
    }
  }
}

interface Review {
  readonly uid: string
  readonly namespace: string
  readonly pod: JsonObject
}

function readReview(bytes: Uint8Array): Review {
  const review = parse(bytes)
  same('apiVersion', review, 'admission.k8s.io/v1')
  same('kind', review, 'AdmissionReview')
  const request = objectAt(review, 'request')
  const uid = at(request, 'uid')
  if (typeof uid !== 'string' || uid === '' || uid.length > maxUidLength) {
    throw malformed(`request.uid: want 1 to ${maxUidLength} characters`)
  }
  same('operation', request, 'CREATE')
  const kind = objectAt(request, 'kind')
  same('group', kind, '')
  same('version', kind, 'v1')
  same('kind', kind, 'Pod')
  if ((at(request, 'subResource') ?? '') !== '') throw malformed('request.subResource: want none')
  const pod = at(request, 'object')
  if (!isObject(pod)) throw malformed('request.object: want a pod')
  return { uid, namespace: textAt(request, 'namespace'), pod }
}

function same(key: string, object: JsonObject, want: string): void {
  const got = at(object, key)
  if (got !== want)
    throw malformed(
      `${key}: want ${JSON.stringify(want)}, got ${typeof got === 'string' ? JSON.stringify(got.slice(0, 64)) : typeof got}`,
    )
}

function parse(bytes: Uint8Array): JsonObject {
  if (bytes.length > maxReviewBytes) throw malformed(`want at most ${maxReviewBytes} bytes, got ${bytes.length}`)
  try {
    const value = readJson(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
    if (isObject(value)) return value
  } catch (cause) {
    throw malformed(cause instanceof JsonError ? `not JSON: ${cause.message}` : 'not UTF-8', cause)
  }
  throw malformed('want a JSON object')
}

function malformed(what: string, cause?: unknown): Fault {
  return new Fault('review-malformed', `review: ${what}`, { cause })
}
