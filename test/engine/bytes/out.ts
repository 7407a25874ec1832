import t from 'tap'
import { Out } from '../../../src/engine/bytes/out.ts'

const block = 64 * 1024

t.test('texts and bytes stand one after another, short and long', async t => {
  const out = new Out()
  const long = 'é'.repeat(200)
  out
    .text('a')
    .text(long)
    .bytes(Buffer.from('..bc..'), 2, 4)
    .bytes(Buffer.from('d'.repeat(300)), 100, 300)
  t.equal(out.length, 1 + 200 + 2 + 200)
  t.equal(out.peek().toString('latin1'), `a${long}bc${'d'.repeat(200)}`)
})

t.test('what is taken is a copy, what is peeked at lies where it was put together', async t => {
  const out = new Out()
  const peeked = out.text('first').peek()
  const taken = out.take()
  t.equal(out.length, 0)
  out.text('other')
  t.equal(taken.toString(), 'first')
  t.equal(peeked.toString(), 'other')
})

t.test('what somebody still reads is not written over', async t => {
  const out = new Out()
  const peeked = out.text('first').peek()
  out.abandon()
  out.clear()
  out.text('other')
  t.equal(peeked.toString(), 'first')
  t.equal(out.take().toString(), 'other')
})

t.test('memory grows for a rare message and is not kept for all', async t => {
  const out = new Out()
  out.text('head')
  const large = Buffer.alloc(3 * block, 'x')
  out.bytes(large, 0, large.length).text('tail')
  t.equal(out.length, 8 + 3 * block)
  const all = out.peek()
  t.equal(all.toString('latin1', 0, 5), 'headx')
  t.equal(all.toString('latin1', all.length - 5), 'xtail')
  t.ok(all.buffer.byteLength > block)
  out.clear()
  t.equal(out.text('x').peek().buffer.byteLength, block)
})
