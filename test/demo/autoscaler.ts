import { createServer } from 'node:http'
import t from 'tap'
import { decodeStat, watchAutoscaler } from '../../src/demo/autoscaler.ts'
import { encodeStat } from '../../src/observe/autoscaler.ts'
import { until } from '../support/process.ts'
import { freePort, listen } from '../support/sockets.ts'

const window = {
  averageConcurrency: 2.5,
  averageProxiedConcurrency: 0,
  requests: 17,
  proxiedRequests: 3,
  uptimeSeconds: 9,
}

t.test('a Stat is read as it was written', async t => {
  const cases: [name: string, bytes: Uint8Array, seen: unknown][] = [
    [
      'a whole one',
      encodeStat('pod', window),
      { pod: 'pod', concurrency: 2.5, requestsPerSecond: 17, uptimeSeconds: 9 },
    ],
    [
      'the first one',
      encodeStat('pod', undefined),
      { pod: 'pod', concurrency: 0, requestsPerSecond: 0, uptimeSeconds: 0 },
    ],
    ['nothing', new Uint8Array(), { pod: '', concurrency: 0, requestsPerSecond: 0, uptimeSeconds: 0 }],
    ['a text that is cut off', encodeStat('pod', undefined).subarray(0, 3), undefined],
    ['a text without its length', Uint8Array.of(0x0a), undefined],
    ['a number that is cut off', encodeStat('', window).subarray(0, 5), undefined],
    ['something else', Buffer.from('<html>'), undefined],
  ]
  for (const [name, bytes, seen] of cases) {
    t.test(name, async t => {
      if (seen === undefined) t.equal(decodeStat(bytes), undefined)
      else t.match(decodeStat(bytes), seen)
    })
  }
})

t.test('a watcher remembers the latest and the peak', async t => {
  const answers = [encodeStat('pod', window), encodeStat('pod', { ...window, requests: 1, averageConcurrency: 9 })]
  let asked = 0
  const port = await listen(
    t,
    createServer((_message, response) => response.end(answers[Math.min(asked++, 1)])),
  )
  const watcher = watchAutoscaler(port)
  t.teardown(() => watcher.stop())
  t.equal(watcher.latest(), undefined)
  await until('two scrapes', () => watcher.latest()?.concurrency === 9)
  t.match(watcher.latest(), { pod: 'pod', requestsPerSecond: 1 })
  t.same(watcher.peak(), { requestsPerSecond: 17, concurrency: 9 })
})

t.test('nobody there, or somebody who is silent, is no trouble', async t => {
  let asked = 0
  const silent = await listen(
    t,
    createServer(() => asked++),
  )
  const watchers = [watchAutoscaler(await freePort()), watchAutoscaler(silent)]
  t.teardown(() => watchers.map(watcher => watcher.stop()))
  await until('a second question', () => asked >= 2)
  for (const watcher of watchers) t.equal(watcher.latest(), undefined)
})
