import fc from 'fast-check'
import t from 'tap'
import { Fault } from '../../src/base/errors.ts'
import { inject } from '../../src/inject/mutate.ts'
import { answerReview, maxReviewBytes } from '../../src/inject/review.ts'
import {
  apply,
  askingPod,
  everyPlatform,
  options,
  pod,
  proxyOf,
  renderedMissing,
  renderedPods,
  review,
  reviewBytes,
  sidecar,
  type Tree,
} from '../support/pods.ts'

const uid = '705ab4f5-6393-11e8-b7cc-42010a800002'

t.test('a patch, in base64, for the uid that asked', async t => {
  const given = pod()
  const { body, outcome, subject, reasons } = answerReview(reviewBytes(given), options())
  t.same([outcome, subject, reasons], ['patched', 'default/hello-00001-deployment-5f7c-', []])
  const answer = JSON.parse(body)
  t.match(answer, {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, allowed: true, patchType: 'JSONPatch' },
  })
  const patch = JSON.parse(Buffer.from(answer.response.patch, 'base64').toString())
  t.equal(proxyOf(apply(given, patch)).resources.limits['sgx.intel.com/epc'], '256Mi')
})

t.test('nothing to do: allowed, without a patch', async t => {
  const { body, outcome } = answerReview(reviewBytes(pod({ labels: {} })), options())
  t.equal(outcome, 'skipped')
  t.same(JSON.parse(body).response, { uid, allowed: true })
  const patched = JSON.parse(answerReview(reviewBytes(pod()), options()).body).response.patch
  const again = apply(pod(), JSON.parse(Buffer.from(patched, 'base64').toString()))
  t.equal(answerReview(reviewBytes(again as never), options()).outcome, 'unchanged')
})

t.test('denied: with the reasons, for whoever reads the events', async t => {
  const { body, outcome, reasons } = answerReview(
    reviewBytes(pod({ annotations: { 'postern.dev/epc': 'x' } })),
    options(),
  )
  t.equal(outcome, 'denied')
  t.match(JSON.parse(body).response, {
    uid,
    allowed: false,
    status: { code: 403, reason: 'Forbidden', message: `postern: ${reasons[0]}` },
  })
})

const text = (value: unknown): Buffer => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
const deep = `${'['.repeat(40)}${']'.repeat(40)}`

const malformed: [name: string, bytes: Buffer, message: RegExp][] = [
  ['nothing', text(''), /not JSON: line 1, column 1/],
  ['no JSON', text('kind: AdmissionReview'), /not JSON/],
  ['no object', text('[]'), /want a JSON object/],
  ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
  ['a member twice', text('{"kind":"AdmissionReview","kind":"AdmissionReview"}'), /twice/],
  ['too deep', text(deep), /at most 32 levels/],
  ['too long', Buffer.alloc(maxReviewBytes + 1, ' '), /at most 4194304 bytes/],
  ['cut off', reviewBytes(pod()).subarray(0, 500), /not JSON/],
  [
    'an old version',
    text({ ...review(pod()), apiVersion: 'admission.k8s.io/v1beta1' }),
    /apiVersion: want "admission.k8s.io\/v1", got "admission.k8s.io\/v1beta1"/,
  ],
  ['another kind', text({ ...review(pod()), kind: 'Pod' }), /kind: want "AdmissionReview"/],
  ['no request', text({ ...review(pod()), request: undefined }), /request.uid/],
  ['a request of another type', text({ ...review(pod()), request: 'x' }), /request: want an object/],
  ['no uid', reviewBytes(pod(), { uid: '' }), /request.uid: want 1 to 128/],
  ['an endless uid', reviewBytes(pod(), { uid: 'a'.repeat(129) }), /request.uid/],
  ['an update', reviewBytes(pod(), { operation: 'UPDATE' }), /operation: want "CREATE", got "UPDATE"/],
  [
    'a deployment',
    reviewBytes(pod(), { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }),
    /group: want ""/,
  ],
  ['a subresource', reviewBytes(pod(), { subResource: 'ephemeralcontainers' }), /subResource/],
  ['no object in it', reviewBytes(pod(), { object: null }), /request.object: want a pod/],
  ['no containers but a word', reviewBytes({ spec: { containers: 'x' } }), /containers: want a list/],
]
for (const [name, bytes, message] of malformed) {
  t.test(`malformed: ${name}`, async t => {
    t.throws(() => answerReview(bytes, options()), { code: 'review-malformed', message })
  })
}

t.test('a message of a client is not repeated at length', async t => {
  t.throws(() => answerReview(reviewBytes(pod(), { operation: 'x'.repeat(10_000) }), options()), {
    message: /^.{1,160}$/,
  })
})

t.test("reviews of the controller's own pods, on every platform", { skip: renderedMissing }, async t => {
  for (const [scenario, given] of renderedPods()) {
    for (const [platform, to] of everyPlatform) {
      const { response } = JSON.parse(answerReview(reviewBytes(given), to).body)
      t.match(response, { uid, allowed: true, patchType: 'JSONPatch' }, `${scenario}, ${platform}`)
      const applied = apply(given, JSON.parse(Buffer.from(response.patch, 'base64').toString()))
      t.equal(answerReview(reviewBytes(applied as never), to).outcome, 'unchanged')
    }
  }
})

t.test('whatever is done to a review, it is answered or refused, and nothing else', async t => {
  const whole = reviewBytes(pod({ annotations: { 'postern.dev/epc': '256Mi' } }))
  const cut = fc.record({ at: fc.nat(whole.length - 1), drop: fc.nat(40), put: fc.uint8Array({ maxLength: 20 }) })
  const seen = new Set<string>()
  const outcome = (bytes: Uint8Array): string => {
    try {
      return answerReview(bytes, options()).outcome
    } catch (error) {
      if (error instanceof Fault) return error.code
      throw error
    }
  }
  fc.assert(
    fc.property(cut, ({ at, drop, put }) => {
      seen.add(outcome(Buffer.concat([whole.subarray(0, at), put, whole.subarray(at + drop)])))
    }),
    { numRuns: 500 },
  )
  t.same(
    [...seen].filter(each => !['patched', 'skipped', 'denied', 'review-malformed'].includes(each)),
    [],
  )
})

const everything = options({ supplementalGroups: [7], policy: { configMap: 'p' }, sidecar })
const asking = askingPod({
  annotations: { 'postern.dev/port': 'web' },
  app: { readinessProbe: { httpGet: { port: 'web' } } },
})
const injected = inject(asking, everything)
const trees: [name: string, tree: Tree][] = [
  ['of a revision', pod()],
  ['that asks for a proxy', asking],
  ['that has the proxy that it asked for', injected.outcome === 'patched' ? injected.pod : {}],
]

t.test('a pod that asks for a proxy: one patch, and nothing for the pod that it makes', async t => {
  const { response } = JSON.parse(answerReview(reviewBytes(asking), everything).body)
  t.match(response, { uid, allowed: true, patchType: 'JSONPatch' })
  const applied = apply(asking, JSON.parse(Buffer.from(response.patch, 'base64').toString()))
  t.equal(proxyOf(applied).image, sidecar.image)
  t.equal(answerReview(reviewBytes(applied as never), everything).outcome, 'unchanged')
})

/** Every place of a tree, as a path. */
const placesOf = (tree: Tree, path: readonly string[] = []): string[][] =>
  typeof tree !== 'object' || tree === null
    ? []
    : Object.entries<Tree>(tree).flatMap(([key, value]) => [[...path, key], ...placesOf(value, [...path, key])])

/** Places that a small pod leaves out. */
const absent = [
  ...['volumes', 'securityContext', 'initContainers', 'restartPolicy', 'hostNetwork'].map(key => ['spec', key]),
  ...['volumeMounts', 'securityContext', 'env', 'lifecycle', 'ports'].map(key => ['spec', 'containers', '0', key]),
]

for (const [name, given] of trees) {
  t.test(`a value of any type in any place of a pod ${name} is answered or refused`, async t => {
    const places = [...placesOf(given), ...absent]
    t.ok(places.length > 25)
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 3 }), (path, value) => {
        const tree: Tree = JSON.parse(JSON.stringify(given))
        const last = path.at(-1) ?? ''
        path.slice(0, -1).reduce((object, key) => object[key], tree)[last] = value
        try {
          answerReview(reviewBytes(tree), everything)
        } catch (error) {
          if (!(error instanceof Fault)) throw error
        }
      }),
      { numRuns: 1000 },
    )
  })
}
