import t from 'tap'
import { type VerdictKey, Verdicts } from '../../src/attest/verdicts.ts'

type Verdict = { readonly accepted: true; readonly until: number } | { readonly accepted: false }

const key: VerdictKey = { leaf: Uint8Array.of(1), policyDigest: 'aa', collateralGeneration: 1 }

function counting(verdicts: Verdicts<Verdict>, verdict: Verdict = { accepted: true, until: 100 }) {
  let judged = 0
  const find = (of: Partial<VerdictKey>, at: number) =>
    verdicts.find({ ...key, ...of }, at, () => {
      judged++
      return verdict
    })
  return { find, judged: () => judged }
}

t.test('an acceptance holds until its end, and not at it', async t => {
  const { find, judged } = counting(new Verdicts())
  for (const at of [10, 10, 50, 99]) t.same(find({}, at), { accepted: true, until: 100 })
  t.equal(judged(), 1)
  find({}, 100)
  t.equal(judged(), 2)
})

t.test('a clock that is set back gets no old verdict', async t => {
  const { find, judged } = counting(new Verdicts())
  find({}, 50)
  find({}, 49)
  t.equal(judged(), 2)
  find({}, 49)
  find({}, Number.NaN)
  t.equal(judged(), 3)
})

const others: [name: string, of: Partial<VerdictKey>][] = [
  ['another certificate', { leaf: Uint8Array.of(2) }],
  ['another policy', { policyDigest: 'ab' }],
  ['other collateral', { collateralGeneration: 2 }],
]
for (const [name, of] of others) {
  t.test(`${name}: judged anew`, async t => {
    const { find, judged } = counting(new Verdicts())
    find({}, 10)
    find(of, 10)
    t.equal(judged(), 2)
    find({}, 10)
    find(of, 10)
    t.equal(judged(), 2)
  })
}

t.test('refusals are not kept', async t => {
  const verdicts = new Verdicts<Verdict>()
  const { find, judged } = counting(verdicts, { accepted: false })
  find({}, 10)
  find({}, 10)
  t.equal(judged(), 2)
  t.equal(verdicts.size, 0)
})

t.test('a judge that throws leaves nothing behind', async t => {
  const verdicts = new Verdicts<Verdict>()
  t.throws(() =>
    verdicts.find(key, 1, () => {
      throw new Error('x')
    }),
  )
  t.equal(verdicts.size, 0)
})

t.test('what was not asked for longest goes first', async t => {
  const verdicts = new Verdicts<Verdict>(2)
  const { find, judged } = counting(verdicts)
  const leaf = (n: number) => ({ leaf: Uint8Array.of(n) })
  find(leaf(1), 10)
  find(leaf(2), 10)
  find(leaf(1), 11)
  find(leaf(3), 12)
  t.equal(verdicts.size, 2)
  t.equal(judged(), 3)
  find(leaf(1), 13)
  t.equal(judged(), 3)
  find(leaf(2), 13)
  t.equal(judged(), 4)
})

t.test('256 are kept where nothing is said', async t => {
  const verdicts = new Verdicts<Verdict>()
  const { find } = counting(verdicts)
  for (let i = 0; i < 300; i++) find({ collateralGeneration: i }, 10)
  t.equal(verdicts.size, 256)
})

t.test('a verdict that holds can be asked for without judging anybody', async t => {
  const verdicts = new Verdicts<Verdict>()
  t.equal(verdicts.known(key, 10), undefined)
  verdicts.find(key, 10, () => ({ accepted: true, until: 100 }))
  t.same(verdicts.known(key, 99), { accepted: true, until: 100 })
  t.equal(verdicts.known(key, 100), undefined, 'it is over')
  t.equal(verdicts.known(key, 9), undefined, 'it was not found yet')
  t.equal(verdicts.known({ ...key, collateralGeneration: 2 }, 50), undefined)
  const two = new Verdicts<Verdict>(2)
  const of = (n: number) => ({ ...key, leaf: Uint8Array.of(n) })
  for (const n of [1, 2]) two.find(of(n), 10, () => ({ accepted: true, until: 100 }))
  two.known(of(1), 10)
  two.find(of(3), 10, () => ({ accepted: true, until: 100 }))
  t.ok(two.known(of(1), 10), 'whoever was asked for stays')
  t.equal(two.known(of(2), 10), undefined)
})
