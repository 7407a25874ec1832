import { mkdirSync, symlinkSync } from 'node:fs'
import t from 'tap'
import { readBounded } from '../../src/base/files.ts'

t.test('a file up to its bound', async t => {
  const folder = t.testdir({ empty: '', small: 'abc', large: 'x'.repeat(200_000) })
  t.same(readBounded(`${folder}/empty`, 0, 'policy-invalid'), new Uint8Array())
  t.same(readBounded(`${folder}/small`, 3, 'policy-invalid'), new Uint8Array(Buffer.from('abc')))
  t.equal(readBounded(`${folder}/large`, 200_000, 'policy-invalid')?.length, 200_000)
  const message = 'want at most 2 bytes, got more'
  t.throws(() => readBounded(`${folder}/small`, 2, 'policy-invalid'), { code: 'policy-invalid', message })
  t.throws(() => readBounded(`${folder}/large`, 199_999, 'policy-invalid'), { code: 'policy-invalid' })
})

t.test('a file without end, and one that says it has no bytes', async t => {
  t.throws(() => readBounded('/dev/zero', 100_000, 'policy-invalid'), {
    message: 'want at most 100000 bytes, got more',
  })
  t.match(Buffer.from(readBounded('/proc/self/status', 100_000, 'policy-invalid') ?? []).toString(), /^Name:/)
})

t.test('no file is no error; one that cannot be read is', async t => {
  const folder = t.testdir({ file: 'x' })
  t.equal(readBounded(`${folder}/none`, 9, 'policy-invalid'), undefined)
  t.equal(readBounded(`${folder}/file/below`, 9, 'policy-invalid'), undefined)
  mkdirSync(`${folder}/sub`)
  t.throws(() => readBounded(`${folder}/sub`, 9, 'policy-invalid'), { code: 'EISDIR' })
  symlinkSync('loop', `${folder}/loop`)
  t.throws(() => readBounded(`${folder}/loop`, 9, 'policy-invalid'), { code: 'ELOOP' })
})
