import t from 'tap'
import { field, idAt, idOf, sameName } from '../../../src/engine/bytes/names.ts'
import { bytes } from '../../support/bytes-heads.ts'

const known = Object.keys(field).filter(name => name !== 'other') as (keyof typeof field)[]

/** As RFC 9110 and Knative spell them: the table's own names are the words run together. */
const spelled = (name: string): string => {
  const words = name.replaceAll(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
  if (/^serving-/.test(words)) return `knative-${words}`
  return /^(original-host|network-probe|kubelet-probe|proxy-request)$/.test(words) ? `k-${words}` : words
}

t.test('each name has a number of its own, by string and by bytes, in any case', async t => {
  const seen = new Set<number>()
  for (const name of known) {
    const text = spelled(name)
    t.equal(idOf(text), field[name], text)
    for (const written of [text, text.toUpperCase(), text.replaceAll(/\b[a-z]/g, letter => letter.toUpperCase())]) {
      t.equal(idAt(bytes(`..${written}:`), 2, 2 + written.length), field[name], written)
    }
    seen.add(field[name])
  }
  t.equal(seen.size, known.length)
})

t.test('every other token passes, however close it comes', async t => {
  for (const name of known) {
    const text = spelled(name)
    const near = [`${text}s`, text.slice(1), text.replaceAll('-', '_'), `x${text.slice(1)}`]
    for (const written of near.filter(each => !known.some(one => spelled(one) === each))) {
      t.equal(idOf(written), field.other, written)
      t.equal(idAt(bytes(written), 0, written.length), field.other, written)
    }
  }
  t.equal(idAt(bytes('x'.repeat(100)), 0, 100), field.other, 'longer than any')
})

t.test('no other token character is taken for a letter or a hyphen of another case', async t => {
  const tokens = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte)).filter(each =>
    /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(each),
  )
  for (const letter of '-abcdefghijklmnopqrstuvwxyz'.split('')) {
    const alike = tokens.filter(each => sameName(bytes(each), 0, bytes(letter)))
    t.same(alike, letter === '-' ? ['-'] : [letter.toUpperCase(), letter])
  }
})
