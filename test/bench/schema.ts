import { readFileSync } from 'node:fs'
import t from 'tap'
import { readResult, resultSchema } from '../../bench/schema.ts'
import { sampleResult } from '../support/bench.ts'

t.test('the published schema is the one in force', async t => {
  const published = JSON.parse(readFileSync(new URL('../../bench/result.schema.json', import.meta.url), 'utf8'))
  t.same(published, resultSchema(), 'stale: node bench/schema.ts > bench/result.schema.json')
})

t.test('a result is read as it was written', async t => {
  const result = sampleResult()
  t.same(readResult(JSON.stringify(result), 'a.json'), result)
})

t.test('what is no result is refused by what does not fit', async t => {
  const result = sampleResult()
  const broken: [document: unknown, message: RegExp][] = [
    ['{', /a.json is not JSON/],
    [{ ...result, version: 1 }, /\/version: want one of 2/],
    [{ ...result, extra: 1 }, /\/extra: want no such key/],
    [{ ...result, series: [{ ...result.series[0], samples: [{ round: 1 }] }] }, /\/series\/0\/samples\/0/],
    [{ ...result, tookSeconds: Number.NaN }, /\/tookSeconds/],
    [[], /want an object/],
  ]
  for (const [document, message] of broken) {
    const text = typeof document === 'string' ? document : JSON.stringify(document)
    t.throws(() => readResult(text, 'a.json'), { code: 'usage', message })
  }
})
