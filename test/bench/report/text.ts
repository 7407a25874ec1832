// What reports say, in both forms, from results whose truth is known.

import t from 'tap'
import { logAxis } from '../../../bench/report/curves.ts'
import { number, percent, withInterval } from '../../../bench/report/format.ts'
import { html } from '../../../bench/report/html.ts'
import { brief, markdown } from '../../../bench/report/markdown.ts'
import { splice } from '../../../bench/report/splice.ts'
import { targetTable } from '../../../bench/report/targets.ts'
import { View } from '../../../bench/report/view.ts'
import { summary } from '../../../bench/report/words.ts'
import { seeded } from '../../../bench/stats/random.ts'
import { makeResult, makeSeries, sampleResult } from '../../support/bench.ts'

t.test('numbers have three figures', async t => {
  t.same([0, 0.0341, 1.234, 21.34, 123.4, 1234.5, -3.456, Number.NaN].map(number), [
    ...['0', '0.034', '1.23', '21.3', '123', '1,235', '-3.46', '–'],
  ])
  t.equal(percent(0.0341), '3.4 %')
  t.equal(withInterval({ median: 2, low: 1, high: 3, count: 5 }), '2.00 (1.00–3.00)')
  t.equal(withInterval(undefined), '–')
})

t.test('the summary is three sentences that claim what is true', async t => {
  const sentences = summary(new View(sampleResult()))
  t.equal(sentences.length, 3)
  const [cost = '', other = '', trust = ''] = sentences
  t.match(cost, /costs bytes/)
  t.match(cost, /1\.\d+ × that of nginx/)
  t.match(cost, /0\.\d+ × that of go-queue-proxy/)
  t.match(other, /p99/)
  t.match(trust, /did not differ/)
})

t.test('a difference that the noise does not allow is not claimed', async t => {
  const random = seeded(3)
  const result = makeResult([
    makeSeries(random, { contender: 'bytes', us: 15.1 }),
    makeSeries(random, { contender: 'nginx', us: 15 }),
  ])
  t.match(summary(new View(result))[0], /no difference that can be told from nginx/)
  t.match(markdown(result), /, no difference/)
})

t.test('a control that differs raises what a difference has to be', async t => {
  const random = seeded(3)
  const result = makeResult([
    makeSeries(random, { contender: 'bytes', us: 15 }),
    makeSeries(random, { contender: 'bytes (control)', controlOf: 'bytes', us: 20 }),
  ])
  t.match(summary(new View(result))[2], /differed in this run by 3\d %: it is too noisy/)
})

t.test('failures and early ends stand before any number', async t => {
  const result = { ...sampleResult(), complete: false, failures: [{ what: 'small-c32, h-h, nginx', why: 'it died' }] }
  const text = markdown(result)
  t.ok(text.indexOf('it died') < text.indexOf('| --- |'))
  t.match(text, /ended before its time/)
})

t.test('who answers wrongly is named before any number', async t => {
  const made = makeSeries(seeded(3), { contender: 'bytes', us: 15 })
  const samples = made.samples.map(sample => ({ ...sample, errors: sample.requests }))
  t.match(markdown(makeResult([{ ...made, samples }])), /^> Errors: bytes failed .* in small-c32, h→h\./m)
  t.notMatch(markdown(makeResult([made])), /Errors: /)
})

t.test('targets say by how much they are met or missed', async t => {
  const table = targetTable(new View(sampleResult()))
  const row = table.find(([what]) => what?.startsWith('small, h→TLS attested ÷ nginx'))
  t.match(row?.[4], /met|missed by/)
  const random = seeded(3)
  const good = makeResult([
    makeSeries(random, { contender: 'bytes', leg: 'h-tls', us: 12 }),
    makeSeries(random, { contender: 'nginx', leg: 'h-tls', us: 15 }),
    makeSeries(random, { contender: 'go-queue-proxy', leg: 'h-h', us: 30 }),
  ])
  const verdicts = targetTable(new View(good)).map(cells => [cells[0], cells[4]])
  t.match(verdicts[1], ['small, h→TLS attested ÷ Go h→h', /^missed by (4|5|6)\d %/])
  t.match(verdicts[2], ['small, h→TLS attested ÷ nginx h→TLS', /^met, and the aim; (2\d|3\d) % below/])
  t.same(targetTable(new View(makeResult([]))).length, 1, 'without the engine there are none')
})

t.test('axes have their ticks within what they show', async t => {
  for (const values of [
    [21, 240],
    [0.13, 7.9],
    [1, 10],
    [3, 40_000],
    [5, 5],
  ]) {
    const { ticks, place } = logAxis(values, 'x')
    t.ok(ticks.length >= 1, `${values}`)
    for (const [value] of ticks) {
      t.ok(
        value >= Math.min(...values) * 0.99 && value <= Math.max(...values, 10 * Math.min(...values)) * 1.01,
        `${value}`,
      )
      t.ok(place(value) >= 0 && place(value) <= 1.01)
    }
  }
})

t.test('the page holds nothing from elsewhere, and nothing unescaped', async t => {
  const random = seeded(3)
  const evil = '<script>alert(1)</script>'
  const result = makeResult([...sampleResult().series, makeSeries(random, { contender: evil, us: 10 })])
  const page = html(result)
  t.notMatch(page, /<script/i)
  t.notMatch(page, /(src|href)="(?!data:)/)
  t.notMatch(page, /url\(|@import/)
  t.match(page, /&lt;script&gt;alert/)
  t.match(page, /A &lt;CPU&gt; &amp; more/)
})

t.test('the raw result can be had from the page', async t => {
  const result = sampleResult()
  const [, base64 = ''] = /href="data:application\/json;base64,([^"]+)"/.exec(html(result)) ?? []
  t.same(JSON.parse(Buffer.from(base64, 'base64').toString()), result)
})

t.test('a page of an empty result is still a page', async t => {
  t.match(html(makeResult([])), /No contender of ours was measured/)
  t.match(markdown(makeResult([])), /No contender of ours/)
})

t.test('the brief form has every load and every contender on one page', async t => {
  const text = brief(sampleResult())
  t.match(text, /\| {2}\| bytes \| undici \| nginx \| go-queue-proxy \| http-proxy \|/)
  t.match(text, /\| rate-1000, h→h: p99, ms \| [\d.]+ \|/)
  t.ok(text.length < markdown(sampleResult()).length / 2)
})

t.test('Markdown goes between the marks and nowhere else', async t => {
  const text = 'a\n<!-- bench -->\nold\n<!-- /bench -->\nz\n'
  t.equal(splice(text, 'new\n', 'f'), 'a\n<!-- bench -->\n\nnew\n\n<!-- /bench -->\nz\n')
  t.throws(() => splice('no marks', 'new', 'README.md'), { code: 'usage', message: /README.md has no part/ })
})
